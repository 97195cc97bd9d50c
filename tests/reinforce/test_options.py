"""What the options of REINFORCE do."""

import pathlib
from typing import Any

import numpy as np
import pytest
import torch as th
from algorithm_battery import identity, identity_box, logged_rows, save_and_load
from gymnasium import spaces
from reinforce_case import make
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.envs import (
    IdentityEnvBox,
)
from stable_baselines3.common.vec_env import VecNormalize

from sb3_ext.reinforce import REINFORCE


@pytest.mark.parametrize("kwargs", [{}, {"use_sde": True, "policy_kwargs": {"squash_output": True}}])
def test_box_actions_reach_the_environment_within_bounds(kwargs: dict[str, Any]) -> None:
    class Matrix(IdentityEnvBox):
        taken: list[Any]

        def __init__(self) -> None:
            super().__init__(ep_length=50)
            low = np.array([[0, 0, 0], [-9, -9, -9]], np.float32)
            self.action_space, self.taken = spaces.Box(low, low + 0.5), []

        def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
            assert self.action_space.contains(action)
            self.taken.append(action)
            return super().step(action[:1, :1])

        def _choose_next_state(self) -> None:
            self.state = self.observation_space.sample()

        def _get_reward(self, action: np.ndarray) -> float:
            return float(action.sum())

    env = Matrix()
    model = make(env, n_episodes=1, **kwargs).learn(50)
    taken = np.array(env.taken)
    assert taken.shape == (50, 2, 3) and (np.ptp(taken[:, 0], axis=0) > 0.05).all()
    # A Gaussian around 0 is clipped to the upper bound of the second row; tanh maps its middle to the middle
    assert (taken[:, 1] == -8.5).all() == (not kwargs)
    assert model.action_space.contains(model.predict(np.zeros(1, np.float32))[0])


@pytest.mark.parametrize("n_envs", [1, 2])
def test_vec_normalize_feeds_normalised_observations_and_rewards(n_envs: int) -> None:
    env = VecNormalize(make_vec_env(lambda: IdentityEnvBox(50, 90, ep_length=50), n_envs=n_envs), norm_reward=True)
    env.ret_rms.var = np.array(1e-4)
    model = make(env, gamma=0.0).learn(200)
    samples = model.episodes.samples(0.0, th.device("cpu"))
    assert isinstance(samples.observations, th.Tensor)
    assert abs(samples.observations.mean()) < 1
    assert model.episodes.n_steps == 200 and set(samples.returns.tolist()) & {0.0}


def test_hyperparameters_can_change_at_load(tmp_path: pathlib.Path) -> None:
    loaded = save_and_load(make(), tmp_path, identity(), learning_rate=5e-4, n_episodes=2, baseline="value")
    loaded.learn(10)
    assert loaded.policy.optimizer.param_groups[0]["lr"] == 5e-4
    assert loaded._n_updates == 1


def test_learning_rate_never_turns_negative() -> None:
    model = make(learning_rate=lambda p: p, n_episodes=10).learn(49)
    assert model.num_timesteps == 50
    assert model.policy.optimizer.param_groups[0]["lr"] == 0.0


def test_untrained_policy_is_nearly_uniform() -> None:
    policy = make(make_vec_env("CartPole-v1")).policy
    probabilities = policy.get_distribution(th.randn(50, 4)).distribution.probs
    assert (probabilities - 0.5).abs().max() < 0.02


def test_without_a_learned_value_none_is_logged(tmp_path: pathlib.Path) -> None:
    *_, last = logged_rows(make(identity_box(2)), tmp_path, 60, log_interval=1)
    assert "train/policy_loss" in last and not {"train/value_loss", "train/explained_variance"} & last.keys()


def test_state_dependent_exploration_needs_a_box(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match="gSDE"):
        make(use_sde=True)
    make().save(tmp_path / "model")
    with pytest.raises(ValueError, match="use_sde=True"):
        REINFORCE.load(tmp_path / "model", use_sde=True)
