"""Every option runs; tables survive saving and loading; seeds reproduce runs."""

import pathlib
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from algorithm_battery import (
    assert_equal_state,
    assert_seeded_runs_equal,
    assert_survives_save_and_load,
    hyperparameters,
    save_and_load,
)
from gymnasium import spaces
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from sb3_ext.q_learning import QLearning, QTablePolicy, RecordQValues


def toy_vec_env(n_envs: int = 1) -> VecEnv:
    return make_vec_env("ThreeStateMDP-v0", n_envs=n_envs, env_kwargs={"max_episode_steps": 20})


def make(env: Any = None, seed: int | None = 0, **kwargs: Any) -> QLearning:
    return QLearning("TablePolicy", env or toy_vec_env(), seed=seed, **kwargs)


OPTIONS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "decay": {"learning_rate": 0.05, "learning_rate_decay": 0.005},
    "schedule": {"learning_rate": lambda progress: 0.5 * progress + 0.1},
    "linear": {"learning_rate": "lin_0.5", "gamma": 1.0},
    "bonus": {"exploration_bonus": 10.0, "exploration_initial_eps": 0.0, "exploration_final_eps": 0.0},
    "random": {"exploration_initial_eps": 1.0, "exploration_final_eps": 1.0, "exploration_fraction": 1.0},
    "optimism": {"policy_kwargs": {"q_init": 100.0}, "exploration_initial_eps": 0.0},
    "other": {"gamma": 0.0, "stats_window_size": 7, "seed": None},
}


@pytest.mark.parametrize("n_envs", [1, 2])
@pytest.mark.parametrize("kwargs", OPTIONS.values(), ids=OPTIONS.keys())
def test_option_runs_and_survives_save_and_load(kwargs: dict[str, Any], n_envs: int, tmp_path: pathlib.Path) -> None:
    model = make(toy_vec_env(n_envs), **kwargs)
    given = hyperparameters(model)
    before = model.q_table.copy()
    model.learn(200)
    assert not np.array_equal(model.q_table, before)
    assert hyperparameters(model) == given
    assert (model.num_timesteps, model._n_updates, model.visit_counts.sum()) == (200, 200, 200)
    assert_survives_save_and_load(model, tmp_path)


@pytest.mark.parametrize("kwargs", [{}, OPTIONS["bonus"]], ids=["epsilon", "bonus"])
@pytest.mark.parametrize("n_envs", [1, 3])
def test_seeded_runs_equal(n_envs: int, kwargs: dict[str, Any]) -> None:
    def make_seeded(seed: int) -> QLearning:
        return make(toy_vec_env(n_envs), seed=seed, **kwargs)

    runs = [make_seeded(seed).learn(150).get_parameters()["policy"] for seed in (3, 3, 4)]
    assert_equal_state(runs[0], runs[1])
    assert not np.array_equal(runs[0]["table"], runs[2]["table"])


def test_exploration_alone_follows_the_seed() -> None:
    assert_seeded_runs_equal(lambda seed: make(gym.make("CliffWalking-v1"), seed=seed), 100)


def test_training_continues_after_load(tmp_path: pathlib.Path) -> None:
    model = make(learning_rate_decay=0.1).learn(100)
    loaded = save_and_load(model, tmp_path, toy_vec_env(2))
    assert loaded.learn(50, reset_num_timesteps=False).num_timesteps == 150
    assert loaded._n_updates == 150
    assert loaded.visit_counts.sum() == 150
    assert model.visit_counts.sum() == 100


def test_hyperparameters_can_change_at_load(tmp_path: pathlib.Path) -> None:
    model = make().learn(100)
    loaded = save_and_load(model, tmp_path, toy_vec_env(), exploration_initial_eps=0.25, learning_rate=0.0)
    assert loaded.exploration_rate == pytest.approx(0.05)
    before = loaded.q_table.copy()
    loaded.learn(20)
    np.testing.assert_array_equal(loaded.q_table, before)
    with pytest.raises(ValueError, match="gamma=2 is not valid"):
        save_and_load(model, tmp_path, gamma=2)


def test_the_callers_dictionary_stays_as_it_was() -> None:
    given = {"q_init": 3.0}
    model = make(policy_kwargs=given)
    assert given == {"q_init": 3.0} and model.policy_kwargs is not given
    assert (model.q_table == 3.0).all()


def test_policy_alone_survives_save_and_load(tmp_path: pathlib.Path) -> None:
    policy = make(policy_kwargs={"q_init": 2.0}).learn(100).policy
    policy.save(str(tmp_path / "policy"))
    loaded = QTablePolicy.load(str(tmp_path / "policy"))
    assert_equal_state(policy.state_dict(), loaded.state_dict())
    assert loaded.predict(np.int64(2))[0] == policy.predict(np.int64(2))[0] == 1


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
    env = VecNormalize(toy_vec_env(), norm_obs=False, clip_reward=0.01)
    model = make(env, gamma=0.0, learning_rate=1.0).learn(300)
    assert np.abs(model.q_table[np.isfinite(model.q_table)]).max() == pytest.approx(0.01)


def test_log(tmp_path: pathlib.Path) -> None:
    model = make(learning_rate=0.5, learning_rate_decay=0.1)
    model.set_logger(configure(str(tmp_path), ["csv", "tensorboard"]))
    model.learn(60, log_interval=1)
    header, *rows = (tmp_path / "progress.csv").read_text().splitlines()
    assert len(rows) == 3
    last = dict(zip(header.split(","), map(float, rows[-1].split(",")), strict=True))
    assert last["time/episodes"] == 3 and last["rollout/ep_len_mean"] == 20
    assert last["train/n_updates"] == last["time/total_timesteps"] == 60
    assert last["train/learning_rate"] == pytest.approx(0.5 / 7)
    assert last["rollout/exploration_rate"] == pytest.approx(0.05)
    assert last["train/td_error"] > 0
    assert {"rollout/ep_rew_mean", "time/fps", "time/time_elapsed"} <= last.keys()
    assert list(tmp_path.glob("events.out.tfevents*"))


def test_stops_with_the_callback() -> None:
    assert make().learn(100, callback=lambda variables, _: len(variables["infos"]) == 2).num_timesteps == 1
    assert make(toy_vec_env(2)).learn(100, callback=lambda _, __: True).num_timesteps == 100


@pytest.mark.parametrize("n_envs", [1, 3])
def test_record_of_q_values(n_envs: int) -> None:
    record = RecordQValues(every=10)
    model = make(toy_vec_env(n_envs)).learn(31, callback=record)
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
