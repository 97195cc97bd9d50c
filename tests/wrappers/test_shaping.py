"""Shaped rewards reach the learner; evaluation counts the raw ones."""

import doctest
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from rl_zoo3.utils import get_wrapper_class
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy

from sb3_ext.q_learning import QLearning
from sb3_ext.wrappers import (
    CartPoleAngleReward,
    DiscretizeObservation,
    ScaledReward,
    TerminalPenalty,
    discretize,
    shaping,
)

YAML_WRAPPERS = [
    "sb3_ext.wrappers.CartPoleAngleReward",
    {"sb3_ext.wrappers.TerminalPenalty": {"penalty": -10}},
    {"sb3_ext.wrappers.DiscretizeObservation": {"bins": 3, "low": [None, -3, None, -3], "high": [None, 3, None, 3]}},
]


@pytest.mark.parametrize("module", [shaping, discretize])
def test_examples(module: Any) -> None:
    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert result.attempted > 0 and result.failed == 0


class Scripted(gym.Env[np.ndarray, np.int64]):
    """CartPole's spaces; angles and ends as given."""

    def __init__(self, angles: list[float], terminated: bool = False, truncated: bool = False) -> None:
        self.observation_space = gym.spaces.Box(-10, 10, (4,), np.float32)
        self.action_space = gym.spaces.Discrete(2)
        self.angles, self.end = angles, (terminated, truncated)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.time = -1
        return np.zeros(4, np.float32), {}

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.time += 1
        end = self.end if self.time == len(self.angles) - 1 else (False, False)
        return np.array([9, 9, self.angles[self.time], 9], np.float32), 1.0, *end, {}


def rewards(env: gym.Env[Any, Any], n: int) -> list[float]:
    env.reset()
    return [float(env.step(0)[1]) for _ in range(n)]


def test_angle_is_subtracted_up_to_its_limit() -> None:
    angles = [0.0, 0.25, -0.5, 0.75, -5.0]
    env = CartPoleAngleReward(Scripted(angles, terminated=True))
    assert rewards(env, 5) == pytest.approx([1.0, 0.75, 0.5, 0.3, 0.3])


@pytest.mark.parametrize(
    ("terminated", "truncated", "last"), [(True, False, -10.0), (False, True, 1.0), (True, True, 1.0)]
)
def test_penalty_only_for_failures_before_the_time_limit(terminated: bool, truncated: bool, last: float) -> None:
    env = TerminalPenalty(Scripted([0.0] * 3, terminated, truncated), penalty=-10)
    assert rewards(env, 3) == [1.0, 1.0, last]


def test_default_penalty() -> None:
    assert rewards(TerminalPenalty(Scripted([0.0], terminated=True)), 1) == [-100.0]


def test_sb3_accepts_the_wrapped_environments() -> None:
    check_env(ScaledReward(TerminalPenalty(CartPoleAngleReward(gym.make("CartPole-v1"))), scale=0.1))


def shaped(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    wrap = get_wrapper_class({"env_wrapper": YAML_WRAPPERS})
    assert wrap is not None
    return wrap(env)


class Zero:
    """Always pushes to the left: CartPole falls after 8 to 10 steps."""

    def predict(self, observation: np.ndarray, **_: Any) -> tuple[np.ndarray, None]:
        return np.zeros(len(observation), dtype=np.int64), None


@pytest.mark.parametrize("how", ["zoo", "plain"])
def test_raw_return_in_evaluation_shaped_reward_for_learning(how: str) -> None:
    seen: list[float] = []

    def record(variables: dict[str, Any], _: dict[str, Any]) -> None:
        seen.append(float(variables["reward"]))

    # The zoo wraps its evaluation environment like this, on top of the Monitor of make_vec_env.
    env: Any = make_vec_env("CartPole-v1", wrapper_class=shaped) if how == "zoo" else shaped(gym.make("CartPole-v1"))
    returns, lengths = evaluate_policy(Zero(), env, 3, callback=record, return_episode_rewards=True)
    assert isinstance(returns, list) and isinstance(lengths, list)
    assert returns == lengths
    assert seen.count(-10.0) == 3
    assert all(0.7 < reward < 1 for reward in seen if reward != -10)


@pytest.mark.parametrize("how", ["zoo", "plain"])
def test_training_learns_from_the_shaped_reward_and_logs_the_raw_one(how: str) -> None:
    env: Any = make_vec_env("CartPole-v1", wrapper_class=shaped) if how == "zoo" else shaped(gym.make("CartPole-v1"))
    model = QLearning("TablePolicy", env, gamma=0.0, learning_rate=1.0, seed=0).learn(300)
    assert model.q_table.min() == -10
    assert model.ep_info_buffer
    for episode in model.ep_info_buffer:
        assert episode["r"] == episode["l"]


def test_eval_callback_reports_the_raw_return() -> None:
    callback = EvalCallback(make_vec_env("CartPole-v1", wrapper_class=shaped), n_eval_episodes=2, eval_freq=20)
    QLearning("TablePolicy", make_vec_env("CartPole-v1", wrapper_class=shaped), seed=0).learn(20, callback)
    assert callback.last_mean_reward >= 8


def test_rewards_are_scaled_and_returns_are_not() -> None:
    env = ScaledReward(CartPoleAngleReward(Scripted([0.0, 0.25, -0.5], terminated=True)), scale=0.5)
    assert rewards(env, 3) == pytest.approx([0.5, 0.375, 0.25])
    returns, lengths = evaluate_policy(
        Zero(), ScaledReward(gym.make("CartPole-v1"), scale=0.5), 2, return_episode_rewards=True
    )
    assert returns == lengths


@pytest.mark.parametrize("scale", [0, -0.1, float("inf"), float("nan"), "0.1"])
def test_bad_scale(scale: Any) -> None:
    with pytest.raises(ValueError, match=r"ScaledReward: scale=.* is not valid; pass a finite number > 0"):
        ScaledReward(gym.make("CartPole-v1"), scale=scale)


@pytest.mark.parametrize("penalty", [1, float("-inf"), float("nan"), "-10"])
def test_bad_penalty(penalty: Any) -> None:
    with pytest.raises(ValueError, match=r"TerminalPenalty: penalty=.* is not valid; pass a finite number <= 0"):
        TerminalPenalty(gym.make("CartPole-v1"), penalty=penalty)


@pytest.mark.parametrize("env", [gym.make("Pendulum-v1"), DiscretizeObservation(gym.make("Acrobot-v1"), 2)])
def test_angle_needs_cart_pole(env: gym.Env[Any, Any]) -> None:
    with pytest.raises(ValueError, match="wrap CartPole itself, before any wrapper"):
        CartPoleAngleReward(env)
