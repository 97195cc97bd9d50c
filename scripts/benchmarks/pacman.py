"""How fast pipelines of Ms. Pac-Man step: SB3's Atari wrappers and frame stack, and the vectorised one."""

import functools

import ale_py  # noqa: F401  (registers SB3's game)
import gymnasium as gym
from stable_baselines3.common.env_util import make_atari_env
from stable_baselines3.common.vec_env import VecEnv, VecFrameStack, VecTransposeImage

from benchmarks.environments import batched_steps_per_second
from benchmarks.groups import Case, Group
from sb3_ext.vec_env import GymnasiumVecEnv


def groups(quick: bool) -> list[Group]:
    """
    List what is measured.

    :param quick: whether only to see that it works
    :return: agent steps per second of stacked, preprocessed frames
    """
    n_envs, steps, warm_up = (2, 2, 1) if quick else (8, 250, 50)
    upstream = "VecFrameStack(make_atari_env)"
    makers = {
        upstream: lambda: sb3_pipeline(n_envs),
        # as SB3's algorithms see it, and as GymnasiumVecEnv returns it
        f"VecTransposeImage({upstream})": lambda: VecTransposeImage(sb3_pipeline(n_envs)),
        "GymnasiumVecEnv, emulators on 1 thread": lambda: vectorised_pipeline(n_envs, num_threads=1),
        "GymnasiumVecEnv, emulators on all cores": lambda: vectorised_pipeline(n_envs),
    }
    cases = []
    for name, make in makers.items():
        measure = functools.partial(batched_steps_per_second, make, steps, warm_up)
        cases.append(Case(name, measure, None if name == upstream else upstream))
    setting = f"{n_envs} environments, 4 frames stacked, SB3's of 84x84, ours of 88x80, random actions"
    return [Group("ms_pacman_steps_per_second", "steps/s", setting, lambda: cases)]


def sb3_pipeline(n_envs: int) -> VecEnv:
    """
    Make SB3's own: one emulator after another.

    :param n_envs: number of games
    :return: stacks of 84x84 frames, channels last
    """
    return VecFrameStack(make_atari_env("MsPacmanNoFrameskip-v4", n_envs=n_envs, seed=0), 4)


def vectorised_pipeline(n_envs: int, num_threads: int = 0) -> VecEnv:
    """
    Make this package's, on the vectorised emulator.

    :param n_envs: number of games
    :param num_threads: threads of the emulator, 0 for as many as there are cores
    :return: stacks of 88x80 frames, channels first
    """
    env = GymnasiumVecEnv(gym.make_vec("sb3_ext:MsPacmanPreprocessed-v0", num_envs=n_envs, num_threads=num_threads))
    env.seed(0)
    return env
