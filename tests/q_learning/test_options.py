"""How spaces are numbered, what can change at load, and what callbacks see."""

import pathlib
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from algorithm_battery import assert_survives_save_and_load, save_and_load
from gymnasium import spaces
from q_learning_case import make, toy
from stable_baselines3.common.vec_env import VecNormalize

from sb3_ext.q_learning import RecordQValues


def test_hyperparameters_can_change_at_load(tmp_path: pathlib.Path) -> None:
    model = make().learn(100)
    loaded = save_and_load(model, tmp_path, toy(1), exploration_initial_eps=0.25, learning_rate=0.0)
    assert loaded.exploration_rate == pytest.approx(0.05)
    before = loaded.q_table.copy()
    loaded.learn(20)
    np.testing.assert_array_equal(loaded.q_table, before)
    with pytest.raises(ValueError, match="gamma=2 is not valid"):
        save_and_load(model, tmp_path, gamma=2)


class Numbers(gym.Env[Any, np.int64]):
    """Counts steps in given spaces; earns 1 for the last action."""

    def __init__(self, observation_space: spaces.Space[Any], observations: list[Any], first_action: int = 0) -> None:
        self.observation_space = observation_space
        self.observations = observations
        self.action_space = spaces.Discrete(3, start=first_action)
        self.actions: list[int] = []

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.time = 0
        return self.observations[0], {}

    def step(self, action: np.int64) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action)
        self.actions.append(int(action))
        self.time += 1
        last = self.time == len(self.observations) - 1
        return self.observations[self.time], float(action == self.action_space.start + 2), last, False, {}


@pytest.mark.parametrize(
    ("space", "observations", "rows"),
    [
        (spaces.Discrete(4, start=-2), [np.int64(1), np.int64(-2), np.int64(0)], [3, 0]),
        (spaces.MultiDiscrete([3, 5]), [np.array([2, 4]), np.array([1, 0]), np.array([0, 0])], [14, 5]),
        (spaces.MultiDiscrete([2, 2], start=[1, 0]), [np.array([2, 1]), np.array([1, 1])] * 2, [3, 1]),
    ],
    ids=["start", "MultiDiscrete", "MultiDiscrete with start"],
)
def test_spaces(space: spaces.Space[Any], observations: list[Any], rows: list[int], tmp_path: pathlib.Path) -> None:
    env = Numbers(space, observations, first_action=10)
    model = make(env, gamma=0.0, learning_rate=0.5).learn(300)
    assert sorted(np.flatnonzero(model.visit_counts.sum(axis=1))) == sorted(rows)
    assert set(env.actions) == {10, 11, 12}
    for observation in observations[:2]:
        assert model.predict(observation, deterministic=True)[0] == 12
    batch = np.stack(observations[:2])
    np.testing.assert_array_equal(model.predict(batch, deterministic=True)[0], [12, 12])
    assert set(model.predict(np.stack(observations[:1] * 1000))[0]) == {10, 11, 12}
    assert_survives_save_and_load(model, tmp_path)


def test_normalised_rewards_reach_the_table() -> None:
    env = VecNormalize(toy(1), norm_obs=False, clip_reward=0.01)
    model = make(env, gamma=0.0, learning_rate=1.0).learn(300)
    assert np.abs(model.q_table[np.isfinite(model.q_table)]).max() == pytest.approx(0.01)


def test_stops_with_the_callback() -> None:
    assert make().learn(100, callback=lambda variables, _: len(variables["infos"]) == 2).num_timesteps == 1
    assert make(toy(2)).learn(100, callback=lambda _, __: True).num_timesteps == 100


@pytest.mark.parametrize("n_envs", [1, 3])
def test_record_of_q_values(n_envs: int) -> None:
    record = RecordQValues(every=10)
    model = make(toy(n_envs)).learn(31, callback=record)
    assert record.steps.tolist() == ([0, 10, 20, 30, 31] if n_envs == 1 else [0, 12, 24, 33])
    assert record.q_values.shape == (len(record.steps), 3, 3)
    np.testing.assert_array_equal(record.q_values[0], 0)
    np.testing.assert_array_equal(record.q_values[-1], model.q_table)
    first = record.q_values.copy()
    model.learn(9, callback=record, reset_num_timesteps=False)
    np.testing.assert_array_equal(record.q_values[: len(first)], first)
    assert record.steps[-1] == model.num_timesteps
    model.learn(9, callback=record)
    assert record.steps.tolist() == [0, 9]
