"""How fast environments step: one by one, thousands at once, and as SB3's ``VecEnv``."""

import functools
import time
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

import sb3_ext  # noqa: F401  (registers the environments)
from benchmarks.groups import Case, Group
from sb3_ext.vec_env import GymnasiumVecEnv

ENV_IDS = (
    "CartPole-v1",
    "Pendulum-v1",
    "AdSpend-v0",
    "AdSpendAdstock-v0",
    "AdSpendSeasonal-v0",
    "AdSpendProfit-v0",
    "AdSpendShock-v0",
)
VECTOR_ENV_IDS = ("CartPole-v1", "AdSpend-v0", "AdSpendShock-v0", "AdSpendUncertain-v0")
PERIODS = 28  # of a campaign: whole ones are measured


def groups(quick: bool) -> list[Group]:
    """
    List what is measured.

    :param quick: whether only to see that it works
    :return: steps per second of single and of vectorised environments, resets included
    """
    steps, campaigns, many, some = (PERIODS, 1, 8, 4) if quick else (15_000, 20, 4096, 256)

    def single() -> list[Case]:
        return [Case(env_id, functools.partial(steps_per_second, env_id, steps)) for env_id in ENV_IDS]

    def vectorised() -> list[Case]:
        makers = {env_id: functools.partial(gym.make_vec, env_id, num_envs=many) for env_id in VECTOR_ENV_IDS}
        batches = campaigns * PERIODS // 2
        return [Case(name, functools.partial(batched_steps_per_second, make, batches)) for name, make in makers.items()]

    def adapted() -> list[Case]:
        cases = []
        for env_id in VECTOR_ENV_IDS:
            dummy = f"DummyVecEnv {env_id}"
            cases += [
                Case(dummy, functools.partial(batched_steps_per_second, _one_by_one(env_id, some), PERIODS)),
                Case(
                    f"GymnasiumVecEnv {env_id}",
                    functools.partial(batched_steps_per_second, _native(env_id, some), campaigns * PERIODS),
                    reference=dummy,
                ),
            ]
        return cases

    return [
        Group("steps_per_second", "steps/s", "1 environment", single),
        Group(f"steps_per_second_of_{many}", "steps/s", f"{many} environments", vectorised),
        Group(f"steps_per_second_of_{some}", "steps/s", f"{some} environments for SB3", adapted),
    ]


def steps_per_second(env_id: str, steps: int) -> float:
    """
    Step one environment with actions sampled beforehand, resets included.

    :param env_id: Gymnasium id
    :param steps: how many
    :return: steps per second
    """
    env = gym.make(env_id)
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(256)]
    env.reset(seed=0)
    start = time.perf_counter()
    for step in range(steps):
        _, _, terminated, truncated, _ = env.step(actions[step % 256])
        if terminated or truncated:
            env.reset()
    speed = steps / (time.perf_counter() - start)
    env.close()
    return speed


def batched_steps_per_second(make: Callable[[], Any], steps: int, warm_up: int = 4) -> float:
    """
    Step vectorised environments with actions sampled beforehand, resets included.

    :param make: makes a Gymnasium ``VectorEnv`` or an SB3 ``VecEnv``
    :param steps: steps of all environments
    :param warm_up: steps before those that are timed
    :return: steps per second, of single environments
    """
    env = make()
    actions = env.action_space
    actions.seed(0)
    # An SB3 VecEnv knows the space of a single action.
    batched = isinstance(env, gym.vector.VectorEnv)
    sampled = [
        actions.sample() if batched else np.array([actions.sample() for _ in range(env.num_envs)])
        for _ in range(PERIODS)
    ]
    env.reset()
    for step in range(warm_up):
        env.step(sampled[step % PERIODS])
    start = time.perf_counter()
    for step in range(steps):
        env.step(sampled[step % PERIODS])
    speed: float = env.num_envs * steps / (time.perf_counter() - start)
    env.close()
    return speed


def _one_by_one(env_id: str, n_envs: int) -> Callable[[], VecEnv]:
    return lambda: DummyVecEnv([lambda: Monitor(gym.make(env_id))] * n_envs)


def _native(env_id: str, n_envs: int) -> Callable[[], VecEnv]:
    return lambda: GymnasiumVecEnv(gym.make_vec(env_id, num_envs=n_envs))
