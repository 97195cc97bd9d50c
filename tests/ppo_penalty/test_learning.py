"""PPO with the penalty learns, and holds the divergence near its target."""

import functools

import numpy as np
import pytest
from algorithm_battery import seeded
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.envs import IdentityEnv, IdentityEnvBox
from stable_baselines3.common.evaluation import evaluate_policy

from sb3_ext.ppo_penalty import PPOPenalty


@pytest.mark.parametrize("box", [False, True])
def test_learns_the_identity_task(box: bool) -> None:
    make_env = functools.partial(IdentityEnvBox, eps=0.5) if box else functools.partial(IdentityEnv, 3)
    env = seeded(make_vec_env(lambda: make_env(ep_length=50), n_envs=4))
    model = PPOPenalty(
        "MlpPolicy",
        env,
        learning_rate=5e-3,
        n_steps=50,
        batch_size=100,
        n_epochs=5,
        gamma=0.0,
        target_kl=0.05,
        seed=0,
        device="cpu",
    )
    untrained, _ = evaluate_policy(model, env, n_eval_episodes=8)
    model.learn(4_000)
    trained, _ = evaluate_policy(model, env, n_eval_episodes=8)
    assert trained > 42 > untrained


class Divergences(BaseCallback):
    def __init__(self) -> None:
        super().__init__()
        self.values: list[float] = []

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        if "train/kl" in self.logger.name_to_value:
            self.values.append(self.logger.name_to_value["train/kl"])


@pytest.mark.slow
def test_learns_cartpole_at_the_target_divergence() -> None:
    env = make_vec_env("CartPole-v1", n_envs=8)
    model = PPOPenalty(
        "MlpPolicy",
        env,
        learning_rate=1e-3,
        n_steps=32,
        batch_size=256,
        n_epochs=20,
        gamma=0.98,
        gae_lambda=0.8,
        seed=0,
        device="cpu",
    )
    recorder = Divergences()
    model.learn(50_000, recorder, log_interval=1_000_000)
    mean, _ = evaluate_policy(model, make_vec_env("CartPole-v1", seed=1000), n_eval_episodes=20)
    assert mean > 450
    assert 0.003 < np.median(recorder.values[20:]) < 0.03
