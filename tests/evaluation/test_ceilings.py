import math

import numpy as np
import pytest

import sb3_ext  # noqa: F401
from sb3_ext.evaluation.ceilings import (
    CEILINGS,
    as_json,
    changed_arguments,
    known_ceiling,
    known_threshold,
    unknown_with,
)


@pytest.mark.parametrize("env_id", CEILINGS)
def test_without_arguments_what_is_known_holds(env_id: str) -> None:
    assert known_ceiling(env_id, {}) == CEILINGS[env_id].value
    assert unknown_with(env_id, {}, known_threshold(env_id, {}), known_ceiling(env_id, {})) == ""


@pytest.mark.parametrize(
    ("env_id", "env_kwargs", "ceiling", "threshold"),
    [
        ("CartPole-v1", {"max_episode_steps": 200}, 200.0, math.nan),
        ("CartPole-v1", {"max_episode_steps": 500}, 500.0, 475.0),
        ("CartPole-v1", {"max_episode_steps": 1000}, 1000.0, math.nan),
        ("CartPole-v1", {"max_episode_steps": -1}, math.nan, math.nan),
        ("CartPole-v1", {"max_episode_steps": None}, 500.0, 475.0),
        ("CartPole-v1", {"sutton_barto_reward": True}, math.nan, math.nan),
        ("CartPole-v1", {"render_mode": "rgb_array"}, 500.0, 475.0),
        ("MountainCar-v0", {"max_episode_steps": 2000}, -97.7, -110.0),
        ("MountainCar-v0", {"max_episode_steps": 100}, math.nan, math.nan),
        ("MountainCar-v0", {"max_episode_steps": 2000, "goal_velocity": 0.01}, math.nan, math.nan),
        ("Pendulum-v1", {"g": 9.81}, math.nan, math.nan),
        ("Acrobot-v1", {}, math.nan, -100.0),
    ],
)
def test_ceiling_and_threshold_follow_the_arguments(
    env_id: str, env_kwargs: dict[str, object], ceiling: float, threshold: float
) -> None:
    assert known_ceiling(env_id, env_kwargs) == pytest.approx(ceiling, nan_ok=True)
    assert known_threshold(env_id, env_kwargs) == pytest.approx(threshold, nan_ok=True)


def test_what_arguments_take_away_is_told() -> None:
    missing = unknown_with("CartPole-v1", {"gravity": 5.0}, math.nan, math.nan)
    assert missing == 'No reward threshold and no ceiling is known with the arguments {"gravity": 5.0}.'
    assert "No ceiling" in unknown_with("CartPole-v1", {"gravity": 5.0}, 400.0, math.nan)
    assert unknown_with("Pendulum-v1", {"g": 5.0}, math.nan, 3.0) == ""
    assert unknown_with("Nowhere-v0", {"g": 5.0}, math.nan, math.nan) == ""


def test_arguments_that_are_registered_change_nothing() -> None:
    assert changed_arguments("MountainCar-v0", {"max_episode_steps": 200}) == {}
    assert changed_arguments("AdSpendShock-v0", {"market": "shock", "budget": 3.0}) == {"budget": 3.0}


def test_equal_arguments_look_equal() -> None:
    assert as_json({"b": np.array([1.0, 2.0]), "a": np.float64(0.1)}) == '{"a": 0.1, "b": [1.0, 2.0]}'
    assert as_json({"a": 1, "b": (2, 3)}) == as_json({"b": [2, 3], "a": 1})
