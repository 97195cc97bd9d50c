"""Environment steps per second of PPO beside SB3's, with the hyperparameters of the zoo and of random markets."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnv

from benchmarks.contenders import Contender
from benchmarks.groups import Case, Group, Missing
from sb3_ext.vec_env import GymnasiumVecEnv

CONTESTANTS: dict[str, dict[str, Any]] = {
    "SB3 PPO": {"algorithm": "stable_baselines3:PPO"},
    "PPO": {"algorithm": "sb3_ext.fast:PPO"},
    "PPO, compiled": {"algorithm": "sb3_ext.fast:PPO", "compile": True},
}
CART_POLE: dict[str, Any] = {"n_steps": 32, "batch_size": 256, "n_epochs": 20, "gamma": 0.98, "gae_lambda": 0.8}
AD_SPEND: dict[str, Any] = {
    "n_steps": 28,
    "batch_size": 224,
    "n_epochs": 10,
    "gamma": 1.0,
    "gae_lambda": 0.9,
    "clip_range": 0.1,
    "policy_kwargs": {"log_std_init": -0.5, "net_arch": {"pi": [64, 64], "vf": [128, 128]}},
}


def groups(quick: bool) -> list[Group]:
    """
    List what is measured.

    :param quick: whether only to see that it works
    :return: steps per second of ``learn``
    """
    campaigns = functools.partial(gym.make_vec, "AdSpendShock-v0", num_envs=64)
    settings: list[tuple[str, Callable[[], VecEnv], dict[str, Any]]] = [
        ("CartPole-v1, 8 environments, the zoo's block", lambda: make_vec_env("CartPole-v1", 8), CART_POLE),
        ("AdSpendShock-v0, 64 native campaigns", lambda: GymnasiumVecEnv(campaigns()), AD_SPEND),
    ]
    return [
        Group(
            "on_policy_steps_per_second",
            "steps/s",
            setting,
            functools.partial(_cases, make_env, arguments, 1 if quick else 10),
            1 if quick else 5,
        )
        for setting, make_env, arguments in settings[: 1 if quick else None]
    ]


def _cases(make_env: Callable[[], VecEnv], arguments: dict[str, Any], rollouts: int) -> Sequence[Case | Missing]:
    upstream = next(iter(CONTESTANTS))
    cases = []
    for name, contestant in CONTESTANTS.items():
        if rollouts == 1 and "compile" in contestant:
            continue
        contender = Contender(env=make_env(), **contestant, **arguments)
        steps = contender.model.n_envs * arguments["n_steps"]
        contender.steps_per_second(steps)  # compiles
        measure = functools.partial(contender.steps_per_second, rollouts * steps)
        cases.append(Case(name, measure, None if name == upstream else upstream))
    return cases
