"""The DQN family learns."""

from typing import Any

import gymnasium as gym
import pytest
from algorithm_battery import seeded
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.envs import IdentityEnv
from stable_baselines3.common.evaluation import evaluate_policy

from sb3_ext import DuelingDQN

SWITCHES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "plain": {"dueling": False, "double_q": False},
    "everything": {"prioritized_replay": True, "n_steps": 3, "loss": "mse"},
}


@pytest.mark.parametrize("n_envs", [1, 4])
@pytest.mark.parametrize("switches", SWITCHES.values(), ids=SWITCHES.keys())
def test_learns_the_identity_task(switches: dict[str, Any], n_envs: int) -> None:
    env = seeded(make_vec_env(lambda: IdentityEnv(dim=4, ep_length=20), n_envs=n_envs))
    model = DuelingDQN(
        "MlpPolicy",
        env,
        learning_rate=3e-3,
        gamma=0.0,
        learning_starts=100,
        train_freq=1,
        gradient_steps=n_envs,
        target_update_interval=100,
        exploration_fraction=0.5,
        seed=0,
        device="cpu",
        **switches,
    )
    untrained, _ = evaluate_policy(model, env, n_eval_episodes=5, warn=False)
    model.learn(800)
    trained, _ = evaluate_policy(model, env, n_eval_episodes=5, warn=False)
    assert trained == 20 > untrained


@pytest.mark.slow
@pytest.mark.parametrize("switches", SWITCHES.values(), ids=SWITCHES.keys())
def test_learns_cart_pole(switches: dict[str, Any]) -> None:
    model = DuelingDQN(
        "MlpPolicy",
        make_vec_env("CartPole-v1", seed=0),
        learning_rate="lin_0.0023",
        batch_size=64,
        learning_starts=1000,
        target_update_interval=10,
        train_freq=256,
        gradient_steps=128,
        exploration_fraction=0.16,
        exploration_final_eps=0.04,
        policy_kwargs={"net_arch": [256, 256]},
        seed=0,
        device="cpu",
        **switches,
    ).learn(50_000)
    env = gym.wrappers.RecordEpisodeStatistics(gym.make("CartPole-v1"))
    env.reset(seed=1000)
    mean, _ = evaluate_policy(model, env, n_eval_episodes=20, warn=False)
    assert mean > 450
