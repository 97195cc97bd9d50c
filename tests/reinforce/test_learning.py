"""REINFORCE learns."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import pytest
from algorithm_battery import seeded
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.envs import (
    IdentityEnv,
    IdentityEnvBox,
    IdentityEnvMultiBinary,
    IdentityEnvMultiDiscrete,
)
from stable_baselines3.common.evaluation import evaluate_policy

from sb3_ext.reinforce import REINFORCE

IDENTITY: dict[str, Callable[[], gym.Env[Any, Any]]] = {
    "Discrete": lambda: IdentityEnv(3, ep_length=50),
    "Box": lambda: IdentityEnvBox(eps=0.5, ep_length=50),
    "MultiDiscrete": lambda: IdentityEnvMultiDiscrete(3, 50),
    "MultiBinary": lambda: IdentityEnvMultiBinary(3, 50),
}


@pytest.mark.parametrize("baseline", ["none", "value"])
@pytest.mark.parametrize("make_env", IDENTITY.values(), ids=IDENTITY.keys())
def test_learns_the_identity_task(make_env: Callable[[], gym.Env[Any, Any]], baseline: str) -> None:
    env = seeded(make_vec_env(make_env, n_envs=4))
    model = REINFORCE("MlpPolicy", env, n_episodes=4, gamma=0.0, baseline=baseline, seed=0, device="cpu")
    untrained, _ = evaluate_policy(model, env, n_eval_episodes=8)
    model.learn(8_000)
    trained, _ = evaluate_policy(model, env, n_eval_episodes=8)
    assert trained > 42 > untrained


@pytest.mark.slow
@pytest.mark.parametrize(("n_envs", "baseline"), [(1, "none"), (8, "none"), (8, "value")])
def test_learns_cartpole(n_envs: int, baseline: str) -> None:
    env = make_vec_env("CartPole-v1", n_envs=n_envs)
    model = REINFORCE(
        "MlpPolicy", env, learning_rate="lin_0.01", n_episodes=8, baseline=baseline, seed=0, device="cpu"
    ).learn(100_000)
    mean, _ = evaluate_policy(model, make_vec_env("CartPole-v1", seed=1000), n_eval_episodes=20)
    assert mean > 475
