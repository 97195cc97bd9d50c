"""What the options of DuelingDQN do: the buffer they choose, where returns end, and that SB3's DQN is one of them."""

import pathlib
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from algorithm_battery import assert_equal_state, assert_survives_save_and_load, save_and_load
from dueling_dqn_case import env, frames, images, make
from gymnasium import spaces
from stable_baselines3 import DQN
from stable_baselines3.common.buffers import NStepReplayBuffer, ReplayBuffer
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.envs import IdentityEnv
from stable_baselines3.common.vec_env import VecNormalize
from stable_baselines3.her import HerReplayBuffer

from sb3_ext import DuelingDQN
from sb3_ext.dueling_dqn import Convolutions, DuelingPolicy
from sb3_ext.replay.frames import FrameReplayBuffer
from sb3_ext.replay.prioritized import PrioritizedFrameReplayBuffer, PrioritizedReplayBuffer


@pytest.mark.parametrize("prioritized", [False, True])
def test_vec_normalize_feeds_normalised_batches(prioritized: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    env = VecNormalize(make_vec_env("MountainCar-v0", n_envs=2))
    model = make(env, prioritized_replay=prioritized).learn(60)
    seen: list[Any] = []
    update = type(model._run_update).__call__
    monkeypatch.setattr(
        type(model._run_update), "__call__", lambda self, batch: seen.append(batch) or update(self, batch)
    )
    model.train(1, 256)
    assert model.replay_buffer is not None and model.replay_buffer.observations[:30, :, 1].std() < 0.01
    assert 0.3 < seen[0].observations[:, 1].std() < 3
    assert -10 <= seen[0].rewards.mean() != -1


def test_a_policy_of_the_user_acts_in_training() -> None:
    class Last(DuelingPolicy):
        def _predict(self, observation: Any, deterministic: bool = True) -> th.Tensor:
            return th.full((len(observation),), 2)

    model = make(env(2), Last, exploration_initial_eps=0.0, exploration_final_eps=0.0, learning_starts=0)
    model.learn(20)
    assert (model.replay_buffer.actions[:10] == 2).all()


@pytest.mark.parametrize("n_steps", [1, 3])
def test_without_switches_it_is_the_dqn_of_sb3(n_steps: int) -> None:
    settings: dict[str, Any] = {
        "learning_rate": 1e-3,
        "learning_starts": 50,
        "target_update_interval": 40,
        "exploration_fraction": 0.5,
        "n_steps": n_steps,
        "seed": 3,
        "device": "cpu",
    }
    theirs = DQN("MlpPolicy", "CartPole-v1", **settings).learn(400)
    unfused = {"optimizer_kwargs": {"fused": False}}
    ours = DuelingDQN(
        "MlpPolicy", "CartPole-v1", dueling=False, double_q=False, policy_kwargs=unfused, **settings
    ).learn(400)
    assert_equal_state(theirs.policy.state_dict(), ours.policy.state_dict())


def test_the_policy_serves_the_dqn_of_sb3(tmp_path: pathlib.Path) -> None:
    model = DQN(DuelingPolicy, "CartPole-v1", learning_starts=10, seed=0, device="cpu").learn(100)
    assert "advantage" in str(model.q_net)
    assert_survives_save_and_load(model, tmp_path)
    model.policy.save(str(tmp_path / "policy"))
    observation = np.zeros(4, dtype=np.float32)
    loaded = DuelingPolicy.load(str(tmp_path / "policy"))
    assert loaded.predict(observation)[0] == model.predict(observation, deterministic=True)[0]


def test_images_go_through_convolutions() -> None:
    model = make(images(1), "CnnPolicy", policy_kwargs={})
    assert isinstance(model.q_net.features_extractor, Convolutions)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, PrioritizedReplayBuffer),
        (ReplayBuffer, PrioritizedReplayBuffer),
        (FrameReplayBuffer, PrioritizedFrameReplayBuffer),
        (PrioritizedReplayBuffer, PrioritizedReplayBuffer),
    ],
)
def test_prioritized_replay_chooses_the_buffer(given: Any, expected: Any) -> None:
    env = frames()
    model = make(env, "CnnPolicy", policy_kwargs={}, replay_buffer_class=given, prioritized_replay=True)
    assert type(model.replay_buffer) is expected and model.replay_buffer_class is given


@pytest.mark.parametrize("replay_buffer_class", [None, FrameReplayBuffer])
def test_prioritized_replay_is_turned_off_alone(replay_buffer_class: Any) -> None:
    """A search turns it off under the arguments that a hyperparameter file gives."""
    env = frames()
    options = {"replay_buffer_class": replay_buffer_class, "replay_buffer_kwargs": {"alpha": 0.5, "beta": 0.4}}
    model = make(env, "CnnPolicy", policy_kwargs={}, prioritized_replay=False, **options)
    assert not isinstance(model.replay_buffer, PrioritizedReplayBuffer | PrioritizedFrameReplayBuffer)
    with pytest.raises(TypeError, match="alfa"):
        make(replay_buffer_kwargs={"alfa": 0.5})


class Counter(IdentityEnv[int]):
    """Rewards count the steps since the last reset."""

    def reset(self, **kwargs: Any) -> Any:
        self.steps = 0
        return super().reset(**kwargs)

    def step(self, action: Any) -> Any:
        observation, _, *rest = super().step(action)
        self.steps += 1
        return observation, float(self.steps), *rest


@pytest.mark.parametrize("handled", [True, False])
@pytest.mark.parametrize("replay_buffer_class", [None, NStepReplayBuffer, PrioritizedReplayBuffer])
def test_no_return_runs_on_where_learn_resets(replay_buffer_class: Any, handled: bool, tmp_path: pathlib.Path) -> None:
    """Episodes have four steps, each run six of them: the second episode is cut after two."""
    env = make_vec_env(lambda: Counter(dim=2, ep_length=4), n_envs=2)
    kwargs: dict[str, Any] = {
        "n_steps": 3,
        "gamma": 1.0,
        "learning_starts": 100,
        "replay_buffer_class": replay_buffer_class,
        "replay_buffer_kwargs": {"handle_timeout_termination": handled},
    }
    model = make(env, train_freq=1, **kwargs).learn(12)
    model.save_replay_buffer(tmp_path / "buffer")
    loaded = save_and_load(model, tmp_path, env)
    loaded.load_replay_buffer(tmp_path / "buffer")
    for again, reset in ((model, True), (loaded, False)):
        again.learn(8, reset_num_timesteps=reset)
        assert again.replay_buffer is not None and again.replay_buffer.pos == 10
        sample = again.replay_buffer._get_samples(np.arange(10))
        assert sample.rewards[:, 0].tolist() == [6, 9, 7, 4, 3, 2, 6, 9, 7, 4]
        # the episodes themselves end at a time limit
        assert sample.dones[:, 0].tolist() == ([0] * 10 if handled else [0, 1, 1, 1, 0, 0, 0, 1, 1, 1])


def test_returns_run_on_where_learn_does_not_reset() -> None:
    env = make_vec_env(lambda: Counter(dim=2, ep_length=4))
    model = make(env, train_freq=1, n_steps=3, gamma=1.0, learning_starts=100).learn(6)
    model.learn(2, reset_num_timesteps=False)
    assert model.replay_buffer is not None
    assert model.replay_buffer._get_samples(np.arange(8)).rewards[:, 0].tolist() == [6, 9, 7, 4, 6, 9, 7, 4]


class Walk(gym.Env[Any, int]):
    """Place on a line, one step to the right each time; the goal is far away."""

    def __init__(self) -> None:
        places = spaces.Box(0, 100, (1,))
        self.observation_space = spaces.Dict(observation=places, achieved_goal=places, desired_goal=places)
        self.action_space = spaces.Discrete(2)

    def _observe(self) -> dict[str, np.ndarray]:
        place = np.array([self.place], np.float32)
        return {"observation": place, "achieved_goal": place, "desired_goal": np.array([99.0], np.float32)}

    def reset(self, **kwargs: Any) -> Any:
        super().reset(**kwargs)
        self.place = 0
        return self._observe(), {}

    def step(self, action: int) -> Any:
        self.place += 1
        return self._observe(), -1.0, False, self.place == 10, {}

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray, info: Any) -> np.ndarray:
        return -(np.abs(achieved - desired) > 0.5).astype(np.float32)[..., 0]


def test_no_goal_lies_behind_a_reset() -> None:
    """The first run ends in the middle of the second episode, at place 4."""
    kwargs = {"n_sampled_goal": 1000, "goal_selection_strategy": "final"}  # all goals but the first of 400
    options = {"replay_buffer_class": HerReplayBuffer, "replay_buffer_kwargs": kwargs, "train_freq": 1}
    model = make(make_vec_env(Walk), "MultiInputPolicy", **options)
    model.learn(14)
    model.learn(10)
    assert isinstance(model.replay_buffer, HerReplayBuffer)
    batch = model.replay_buffer.sample(400)
    place, goal = (batch.observations[key][1:, 0].numpy() for key in ("observation", "desired_goal"))
    assert set(goal) == {4.0, 10.0} and place[goal == 4].max() == 3
    assert np.mean(goal == 4) == pytest.approx(4 / 24, abs=0.07)
    assert not batch.dones.any()
