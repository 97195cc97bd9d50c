"""The dynamics are the environment's, and the plan is as good as it should be."""

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docs.tutorials.mountain_car import (
    HIGH,
    LOW,
    PlannedPolicy,
    plan_mountain_car,
    returns_from_even_starts,
    step,
)

ENV = gym.make("MountainCar-v0").unwrapped


@settings(max_examples=200, deadline=None)
@given(st.floats(LOW[0], HIGH[0]), st.floats(LOW[1], HIGH[1]), st.integers(0, 2))
def test_a_step_is_that_of_the_environment(position: float, velocity: float, action: int) -> None:
    ENV.reset()
    ENV.state = position, velocity
    observation, reward, terminated, *_ = ENV.step(action)
    next_states, rewards, goal = step(np.array([[position, velocity]]), action)
    np.testing.assert_allclose(next_states[0], observation, atol=1e-7)
    assert rewards[0] == reward
    assert goal[0] == terminated


def test_values_between_grid_points_are_interpolated() -> None:
    policy = PlannedPolicy(np.array([[0.0, 10.0], [20.0, 30.0]]), 0)
    corners = np.array([LOW, (LOW[0], HIGH[1]), (HIGH[0], LOW[1]), HIGH])
    np.testing.assert_allclose(policy.value_of(corners), [0, 10, 20, 30])
    np.testing.assert_allclose(policy.value_of(np.mean([LOW, HIGH], axis=0)[None]), [15])


@pytest.fixture(scope="module")
def plan() -> PlannedPolicy:
    return plan_mountain_car(100)


def test_the_plan_is_near_the_optimum(plan: PlannedPolicy) -> None:
    """The optimum is about -97.7 over all starts; no policy beats it."""
    returns = returns_from_even_starts(plan, 501)
    assert -97.0 > returns.mean() > -99.5
    assert np.array_equal(returns, returns.round())


def test_returns_are_those_of_the_environment(plan: PlannedPolicy) -> None:
    ENV.reset()
    steps, terminated = 0, False
    ENV.state = -0.6, 0.0
    while not terminated and steps < 200:
        *_, terminated, _, _ = ENV.step(int(plan.actions(np.array([ENV.state]))[0]))
        steps += 1
    assert returns_from_even_starts(plan, 2)[0] == -steps
