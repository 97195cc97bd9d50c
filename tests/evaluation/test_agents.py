import functools
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import pytest
from stable_baselines3.common.atari_wrappers import AtariWrapper
from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack

import sb3_ext  # noqa: F401
from sb3_ext.evaluation.agents import _frame_skip
from sb3_ext.wrappers import MsPacmanAtariWrapper


def made(env_id: str, wrapper: Callable[[Any], gym.Env[Any, Any]] = lambda env: env) -> gym.Env[Any, Any]:
    import rl_zoo3.import_envs  # noqa: F401

    return wrapper(gym.make(env_id))


@pytest.mark.parametrize(
    ("make", "frames"),
    [
        (functools.partial(made, "CartPole-v1"), None),
        (functools.partial(made, "MsPacmanNoFrameskip-v4"), 1),
        (functools.partial(made, "MsPacmanNoFrameskip-v4", AtariWrapper), 4),
        (functools.partial(made, "MsPacmanNoFrameskip-v4", MsPacmanAtariWrapper), 4),
        (functools.partial(made, "MsPacmanPreprocessed-v0"), 4),
        (functools.partial(made, "ALE/MsPacman-v5"), 4),
    ],
)
def test_frames_per_step_on_atari(make: Callable[[], gym.Env[Any, Any]], frames: int | None) -> None:
    env = VecFrameStack(DummyVecEnv([make]), 4) if frames else DummyVecEnv([make])
    assert _frame_skip(env) == frames
    env.close()
