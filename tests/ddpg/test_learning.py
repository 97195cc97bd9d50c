"""DDPG learns."""

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.envs import IdentityEnvBox
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.vec_env import DummyVecEnv

from sb3_ext.ddpg import DDPG


@pytest.mark.parametrize("squash", ["tanh", "sigmoid"])
def test_learns_the_identity_task(squash: str) -> None:
    env = DummyVecEnv([lambda: IdentityEnvBox(eps=0.5)])
    model = DDPG(
        "MlpPolicy",
        env,
        learning_rate=1e-3,
        critic_learning_rate=2e-3,
        gamma=0.0,
        batch_size=64,
        buffer_size=5_000,
        learning_starts=200,
        action_noise=NormalActionNoise(np.zeros(1), np.full(1, 0.2)),
        policy_kwargs={"net_arch": [64, 64], "squash": squash},
        seed=0,
        device="cpu",
    )
    untrained, _ = evaluate_policy(model, env, n_eval_episodes=5, warn=False)
    model.learn(1500)
    trained, _ = evaluate_policy(model, env, n_eval_episodes=5, warn=False)
    assert trained > 90 > untrained


@pytest.mark.slow
@pytest.mark.parametrize("n_envs", [1, 4])
def test_learns_pendulum(n_envs: int) -> None:
    model = DDPG(
        "MlpPolicy",
        make_vec_env("Pendulum-v1", n_envs=n_envs),
        learning_rate=1e-3,
        critic_learning_rate=1e-3,
        gamma=0.98,
        gradient_steps=-1,
        buffer_size=20_000,
        learning_starts=1_000,
        action_noise=NormalActionNoise(np.zeros(1), np.full(1, 0.1)),
        policy_kwargs={"net_arch": [64, 64]},
        seed=0,
        device="cpu",
    ).learn(10_000)
    env = gym.wrappers.RecordEpisodeStatistics(gym.make("Pendulum-v1"))
    env.reset(seed=1000)
    mean, _ = evaluate_policy(model, env, n_eval_episodes=20, warn=False)
    assert mean > -250
