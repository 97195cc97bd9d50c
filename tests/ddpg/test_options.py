"""What the options of DDPG do, and how they follow a model that is loaded."""

import pathlib
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from algorithm_battery import save_and_load
from ddpg_case import NORMAL, env, make, pendulum
from gymnasium import spaces
from stable_baselines3.common.buffers import NStepReplayBuffer, ReplayBuffer
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.envs import IdentityEnvBox
from stable_baselines3.common.noise import NormalActionNoise, VectorizedActionNoise
from stable_baselines3.common.vec_env import VecNormalize
from torch import nn

from sb3_ext.replay.transitions import TransitionReplayBuffer


class Scaled(gym.ActionWrapper[Any, Any, Any]):
    """Actions in [0, 10] and [-4, 2], neither symmetric nor of unit range."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self.action_space = spaces.Box(np.array([0, -4], np.float32), np.array([10, 2], np.float32))

    def action(self, action: np.ndarray) -> np.ndarray:
        assert self.action_space.contains(action)
        return action[:1] / 5 - 1


@pytest.mark.parametrize("n_envs", [1, 2])
def test_vec_normalize_feeds_normalised_batches(n_envs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    env = VecNormalize(make_vec_env(lambda: IdentityEnvBox(5, 9, ep_length=10), n_envs=n_envs))
    model = make(env).learn(60)
    seen: list[th.Tensor] = []
    update = type(model._run_update).__call__
    monkeypatch.setattr(
        type(model._run_update), "__call__", lambda self, batch: seen.append(batch.observations) or update(self, batch)
    )
    model.train(1, 256)
    assert model.replay_buffer is not None and model.replay_buffer.observations[:20].min() >= 5
    assert abs(seen[0].mean()) < 0.5


def test_actions_cover_the_bounds_of_the_space() -> None:
    model = make(Scaled(IdentityEnvBox(ep_length=10)), action_noise=NormalActionNoise(np.zeros(2), np.ones(2)))
    model.learn(40)
    for value, expected in ((100.0, [10, 2]), (-100.0, [0, -4]), (0.0, [5, -1])):
        for parameter in model.actor.parameters():
            nn.init.zeros_(parameter)
        nn.init.constant_(model.actor.mu[-2].bias, value)
        np.testing.assert_allclose(model.predict(np.zeros(1))[0], expected, atol=1e-5)


def test_own_n_step_class_receives_n_steps_and_gamma() -> None:
    class Mine(NStepReplayBuffer):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)

    buffer = make(n_steps=4, gamma=0.7, replay_buffer_class=Mine).replay_buffer
    assert isinstance(buffer, Mine) and (buffer.n_steps, buffer.gamma) == (4, 0.7)
    one_step = make(replay_buffer_class=Mine).replay_buffer
    assert isinstance(one_step, Mine) and one_step.n_steps == 1


def test_loaded_replay_buffer_follows_the_model(tmp_path: pathlib.Path) -> None:
    make(n_steps=3, gamma=0.9).learn(30).save_replay_buffer(tmp_path / "three")
    make(replay_buffer_class=ReplayBuffer).learn(30).save_replay_buffer(tmp_path / "one")

    model = make(n_steps=2, gamma=0.5)
    model.load_replay_buffer(tmp_path / "three")
    loaded = model.replay_buffer
    assert isinstance(loaded, TransitionReplayBuffer) and (loaded.n_steps, loaded.gamma, loaded.pos) == (2, 0.5, 30)
    with pytest.raises(ValueError, match="n_steps=2 but the ReplayBuffer read has no n-step"):
        model.load_replay_buffer(tmp_path / "one")
    assert model.replay_buffer is loaded
    with pytest.raises(ValueError, match="1 environments but the model has 2"):
        make(env(2)).load_replay_buffer(tmp_path / "one")
    with pytest.raises(ValueError, match=r"The replay buffer has the observation_space Box.*the model Box"):
        make(pendulum(1)).load_replay_buffer(tmp_path / "one")


@pytest.mark.parametrize("n_envs", [1, 2])
def test_noise_follows_the_number_of_environments_at_load(n_envs: int, tmp_path: pathlib.Path) -> None:
    model = make(env(4), action_noise=NORMAL).learn(60)
    loaded = save_and_load(model, tmp_path, env(n_envs)).learn(60)
    noise = loaded.action_noise
    if n_envs == 1:
        assert isinstance(noise, NormalActionNoise)
    else:
        assert isinstance(noise, VectorizedActionNoise) and noise.n_envs == n_envs


def test_rates_and_weight_decay_can_change_at_load(tmp_path: pathlib.Path) -> None:
    model = make(critic_weight_decay=0.1).learn(30)
    changes = {"learning_rate": 5e-4, "critic_learning_rate": "lin_1e-2", "critic_weight_decay": 0.0}
    loaded = save_and_load(model, tmp_path, env(), **changes)
    loaded.learn(30)
    assert loaded.actor.optimizer.param_groups[0]["lr"] == 5e-4
    critic = loaded.critic.optimizer.param_groups[0]
    assert critic["lr"] == pytest.approx(1e-2 * loaded._current_progress_remaining)
    assert critic["weight_decay"] == 0.0


def test_weight_decays_of_single_groups_stay(tmp_path: pathlib.Path) -> None:
    model = make()
    critic = model.critic.optimizer
    weights, biases = ([p for p in model.critic.parameters() if (p.ndim > 1) == wide] for wide in (True, False))
    groups = [{"params": weights, "weight_decay": 0.1}, {"params": biases, "weight_decay": 0.0}]
    model.critic.optimizer = type(critic)(groups, lr=1e-3, fused=True)
    model.learn(30)
    assert [group["weight_decay"] for group in model.critic.optimizer.param_groups] == [0.1, 0.0]
    model.critic_weight_decay = 0.3
    model.learn(30)
    assert [group["weight_decay"] for group in model.critic.optimizer.param_groups] == [0.3, 0.3]
