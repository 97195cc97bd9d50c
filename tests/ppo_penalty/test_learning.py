"""PPO with the penalty holds the divergence near its target while it learns."""

import numpy as np
import pytest
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy

from sb3_ext.ppo_penalty import PPOPenalty


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
