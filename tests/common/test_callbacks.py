"""Early stopping on the moving average of training returns."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from rl_zoo3.utils import get_callback_list
from stable_baselines3 import A2C
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

from sb3_ext.common.callbacks import StopTrainingOnMovingAverage
from sb3_ext.q_learning import QLearning


class Rising(gym.Env[np.int64, np.int64]):
    """Episodes of two steps; the n-th episode of the environment returns n, from 1."""

    observation_space = gym.spaces.Discrete(2)
    action_space = gym.spaces.Discrete(2)
    episode = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.int64, dict[str, Any]]:
        super().reset(seed=seed)
        self.episode += 1
        self.time = 0
        return np.int64(0), {}

    def step(self, action: np.int64) -> tuple[np.int64, float, bool, bool, dict[str, Any]]:
        self.time += 1
        return np.int64(1), self.episode / 2, self.time == 2, False, {}


def train(callback: StopTrainingOnMovingAverage, n_envs: int = 1, steps: int = 100) -> QLearning:
    return QLearning("TablePolicy", make_vec_env(Rising, n_envs=n_envs), seed=0).learn(steps, callback)


@pytest.mark.parametrize(("threshold", "window", "episodes"), [(4, 3, 5), (4.1, 3, 6), (-5, 3, 3), (4, 1, 4)])
def test_stops_at_the_first_full_window_that_reaches_the_threshold(
    threshold: float, window: int, episodes: int
) -> None:
    callback = StopTrainingOnMovingAverage(threshold, window)
    assert train(callback).num_timesteps == 2 * episodes
    assert list(callback.returns) == list(range(episodes - window + 1, episodes + 1))


def test_environments_share_the_window() -> None:
    assert train(StopTrainingOnMovingAverage(3, 4), n_envs=2).num_timesteps == 2 * 2 * 4


def test_goes_on_below_the_threshold() -> None:
    assert train(StopTrainingOnMovingAverage(1000, 3)).num_timesteps == 100


@pytest.mark.parametrize("verbose", [0, 1])
def test_says_once_why_it_stopped(verbose: int, capsys: pytest.CaptureFixture[str]) -> None:
    train(StopTrainingOnMovingAverage(4, 3, verbose=verbose))
    message = "Stopping training at 10 steps: the mean return of the last 3 episodes is 4.00, the threshold 4.\n"
    assert capsys.readouterr().out == message * verbose


def test_continues_or_starts_again_with_the_step_count() -> None:
    callback = StopTrainingOnMovingAverage(1000, 4)
    model = train(callback, steps=6)
    model.learn(4, callback, reset_num_timesteps=False)
    assert list(callback.returns) == [2, 3, 4, 5]
    model.learn(2, callback)
    assert len(callback.returns) == 1


def test_logs_the_average(tmp_path: Any) -> None:
    model = QLearning("TablePolicy", make_vec_env(Rising), seed=0)
    model.set_logger(configure(str(tmp_path), ["csv"]))
    model.learn(20, StopTrainingOnMovingAverage(1000, 3), log_interval=5)
    header, *rows = (tmp_path / "progress.csv").read_text().splitlines()
    column = header.split(",").index("rollout/ep_rew_moving_average")
    assert [float(row.split(",")[column]) for row in rows] == [4, 9]


def test_from_yaml_with_an_upstream_algorithm() -> None:
    name = "sb3_ext.common.callbacks.StopTrainingOnMovingAverage"
    callbacks = get_callback_list({"callback": [{name: {"threshold": 4, "window": 3}}]})
    model = A2C("MlpPolicy", make_vec_env(Rising), seed=0, device="cpu").learn(100, callbacks)
    assert model.num_timesteps == 10


def test_needs_episode_returns() -> None:
    plain = DummyVecEnv([Rising])
    with pytest.raises(ValueError, match="reports no episode returns; wrap it in SB3's Monitor or VecMonitor"):
        QLearning("TablePolicy", plain).learn(10, StopTrainingOnMovingAverage(4))
    model = QLearning("TablePolicy", VecMonitor(plain)).learn(100, StopTrainingOnMovingAverage(4, 3))
    assert model.num_timesteps < 100


@pytest.mark.parametrize(("name", "value"), [("threshold", float("nan")), ("threshold", "475"), ("window", 0)])
def test_bad_arguments(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"StopTrainingOnMovingAverage: {name}={value!r} is not valid"):
        StopTrainingOnMovingAverage(**{"threshold": 1.0, name: value})
