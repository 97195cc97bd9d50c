"""Planners, against linear solves, brute force and hand calculations."""

import itertools
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_models import gammas, models

from sb3_ext.envs.toy_mdp import AVAILABLE, REWARDS, TRANSITIONS
from sb3_ext.mdp import (
    Model,
    SparseTransitions,
    dense_model,
    policy_values,
    q_value_iteration,
    toy_text_model,
    value_iteration,
)
from sb3_ext.mdp.grid import interpolated_model

PLANNERS = pytest.mark.parametrize("planner", [value_iteration, q_value_iteration])
T = [[[0.7, 0.3, 0], [1, 0, 0], [0.8, 0.2, 0]], [[0, 1, 0], None, [0, 0, 1]], [None, [0.8, 0.1, 0.1], None]]


def greedy_values(model: Model, policy: Any, gamma: float) -> np.ndarray:
    states = np.arange(len(policy))
    rows = model.transitions[states, policy]
    return np.linalg.solve(np.eye(len(policy)) - gamma * rows, (rows * model.rewards[states, policy]).sum(axis=1))


@PLANNERS
@pytest.mark.parametrize(("gamma", "policy"), [(0.9, [0, 0, 1]), (0.95, [0, 2, 1])])
def test_three_states_exact_to_1e_10(planner: Any, gamma: float, policy: list[int]) -> None:
    plan = planner(TRANSITIONS, REWARDS, AVAILABLE, gamma=gamma)
    assert plan.policy.tolist() == policy
    exact = policy_values(TRANSITIONS, REWARDS, AVAILABLE, gamma=gamma, policy=policy)
    q_exact = np.where(AVAILABLE, (TRANSITIONS * (REWARDS + gamma * exact)).sum(axis=2), -np.inf)
    np.testing.assert_allclose(plan.values, exact, rtol=0, atol=1e-10)
    np.testing.assert_array_equal(np.isneginf(plan.q_values), ~AVAILABLE)
    np.testing.assert_allclose(plan.q_values[AVAILABLE], q_exact[AVAILABLE], rtol=0, atol=1e-10)
    assert plan.error_bound <= 1e-10
    assert plan.error_bound == pytest.approx(gamma / (1 - gamma) * plan.residual)


def test_nested_lists_with_missing_actions() -> None:
    model = dense_model(T, REWARDS)
    np.testing.assert_array_equal(model.transitions, TRANSITIONS)
    np.testing.assert_array_equal(model.available, AVAILABLE)
    np.testing.assert_array_equal(dense_model(T).rewards, np.zeros((3, 3)))


@PLANNERS
@given(model=models(), gamma=gammas)
@settings(deadline=None, max_examples=40)
def test_optimal_among_all_policies(planner: Any, model: Model, gamma: float) -> None:
    plan = planner(*model, gamma=gamma)
    choices = [np.flatnonzero(row) for row in model.available]
    best = np.max([greedy_values(model, list(policy), gamma) for policy in itertools.product(*choices)], axis=0)
    scale = max(1.0, np.abs(best).max())
    np.testing.assert_allclose(plan.values, best, rtol=0, atol=1e-9 * scale)
    np.testing.assert_allclose(greedy_values(model, plan.policy, gamma), best, rtol=0, atol=1e-8 * scale)


@PLANNERS
@given(model=models(), gamma=gammas, tolerance=st.sampled_from([1.0, 1e-2, 1e-4]))
@settings(deadline=None, max_examples=40)
def test_the_error_bound_holds(planner: Any, model: Model, gamma: float, tolerance: float) -> None:
    rough = planner(*model, gamma=gamma, tolerance=tolerance)
    exact = planner(*model, gamma=gamma, tolerance=1e-11)
    rounding = 1e-9 * max(1.0, np.abs(exact.values).max())
    assert np.abs(rough.values - exact.values).max() <= rough.error_bound + rounding
    assert rough.error_bound <= tolerance * (1 + 1e-12)


@PLANNERS
@given(model=models(), gamma=gammas, tolerance=st.sampled_from([1e3, 1.0, 1e-2]))
@settings(deadline=None, max_examples=40)
def test_every_sweep_contracts_by_gamma(planner: Any, model: Model, gamma: float, tolerance: float) -> None:
    exact = planner(*model, gamma=gamma, tolerance=1e-11)
    rough = planner(*model, gamma=gamma, tolerance=tolerance)
    q_star = exact.q_values[model.available]
    start = np.abs(q_star).max() if planner is q_value_iteration else np.abs(exact.values).max()
    assert np.abs(rough.values - exact.values).max() <= gamma**rough.iterations * start + 1e-9 * max(1.0, start)


@given(model=models(), gamma=gammas)
@settings(deadline=None, max_examples=20)
def test_both_planners_and_both_forms_agree(model: Model, gamma: float) -> None:
    n_states = len(model.transitions)
    successors = np.broadcast_to(np.arange(n_states), model.transitions.shape)
    expected = (model.transitions * model.rewards).sum(axis=2)
    plans = [
        value_iteration(*model, gamma=gamma),
        q_value_iteration(*model, gamma=gamma),
        value_iteration(SparseTransitions(successors, model.transitions), model.rewards, model.available, gamma=gamma),
        value_iteration(model.transitions, expected, model.available, gamma=gamma),
    ]
    for plan in plans[1:]:
        np.testing.assert_allclose(plan.values, plans[0].values, atol=1e-8 * max(1.0, np.abs(plans[0].values).max()))


@PLANNERS
def test_values_too_large_for_the_tolerance_stop_at_rounding(planner: Any) -> None:
    plan = planner(np.ones((1, 1, 1)), np.full((1, 1), 1e12), gamma=0.9)
    assert plan.values[0] == pytest.approx(1e13)
    assert plan.error_bound < 1


class TestToyText:
    def test_terminal_transitions_have_no_future(self) -> None:
        table = {0: {0: [(0.5, 0, 1.0, False), (0.5, 1, 2.0, True)]}, 1: {0: [(1.0, 1, 5.0, False)]}}
        model = toy_text_model(table)
        assert model.transitions.shape == (3, 1, 3)
        plan = value_iteration(*model, gamma=0.5)
        np.testing.assert_allclose(plan.values, [1.5 / (1 - 0.25), 10.0, 0.0], atol=1e-9)

    @PLANNERS
    def test_frozen_lake(self, planner: Any) -> None:
        table = gym.make("FrozenLake-v1").unwrapped.P
        plan = planner(*toy_text_model(table), gamma=1.0, tolerance=1e-12)
        assert plan.values[0] == pytest.approx(14 / 17, abs=1e-6)
        assert plan.values[-1] == 0

    def test_cliff_walking_and_taxi(self) -> None:
        cliff = value_iteration(*toy_text_model(gym.make("CliffWalking-v1").unwrapped.P), gamma=1.0)
        assert cliff.values[36] == -13 and cliff.error_bound == 0
        taxi = value_iteration(*toy_text_model(gym.make("Taxi-v4").unwrapped.P), gamma=1.0)
        assert taxi.values[:-1].max() == 20

    def test_bad_tables(self) -> None:
        with pytest.raises(ValueError, match=r"state 1 with actions \[0\] is not valid; .* actions 0 to 1"):
            toy_text_model({0: {0: [], 1: []}, 1: {0: []}})
        with pytest.raises(ValueError, match="number states from 0 to 0"):
            toy_text_model({5: {}})


@PLANNERS
class TestErrors:
    @pytest.mark.parametrize("gamma", [-0.1, 1.1, float("nan"), "0.9"])
    def test_gamma(self, planner: Any, gamma: Any) -> None:
        with pytest.raises(ValueError, match=r"gamma=.* is not valid; pass a number in \[0, 1\]"):
            planner(TRANSITIONS, REWARDS, AVAILABLE, gamma=gamma)

    def test_probabilities(self, planner: Any) -> None:
        with pytest.raises(ValueError, match=r"probabilities of state 1, action 1 sum to 0; .* not available"):
            planner(TRANSITIONS, REWARDS, gamma=0.9)
        bad = np.array([[[1.5, -0.5], [1, 0]], [[1, 0], [1, 0]]])
        with pytest.raises(ValueError, match="state 0, action 0 sum to 1; pass numbers >= 0"):
            planner(bad, np.zeros((2, 2)), gamma=0.9)

    def test_shapes(self, planner: Any) -> None:
        with pytest.raises(ValueError, match=r"transitions have shape \(2, 3, 3\)"):
            planner(TRANSITIONS[:2], REWARDS, gamma=0.9)
        with pytest.raises(ValueError, match=r"rewards have shape \(3,\); pass \(3, 3, 3\) or \(3, 3\)"):
            planner(TRANSITIONS, np.zeros(3), AVAILABLE, gamma=0.9)
        with pytest.raises(ValueError, match=r"available of shape \(2, 3\) is not valid"):
            planner(TRANSITIONS, REWARDS, AVAILABLE[:2], gamma=0.9)
        with pytest.raises(ValueError, match="an action for every state"):
            planner(TRANSITIONS, REWARDS, np.zeros((3, 3)), gamma=0.9)
        with pytest.raises(ValueError, match="successors must be states from 0 to 0"):
            planner(SparseTransitions(np.ones((1, 1, 1), int), np.ones((1, 1, 1))), np.zeros((1, 1)), gamma=0.9)

    def test_rewards(self, planner: Any) -> None:
        with pytest.raises(ValueError, match="rewards must be finite"):
            planner(np.ones((1, 1, 1)), [[float("nan")]], gamma=0.9)

    def test_limits(self, planner: Any) -> None:
        with pytest.raises(ValueError, match="tolerance=0 is not valid"):
            planner(TRANSITIONS, REWARDS, AVAILABLE, gamma=0.9, tolerance=0)
        with pytest.raises(ValueError, match="max_iterations=0 is not valid"):
            planner(TRANSITIONS, REWARDS, AVAILABLE, gamma=0.9, max_iterations=0)
        with pytest.raises(
            RuntimeError, match=r"after 50 sweeps values still change by 1, with gamma=1 .* lower gamma"
        ):
            planner(np.ones((1, 1, 1)), [[1.0]], gamma=1.0, max_iterations=50)


@pytest.mark.parametrize("policy", [[0, 1, 1], [0, 0], [0, 0, 3], [0, 0.5, 1]])
def test_policy_must_be_available(policy: Any) -> None:
    with pytest.raises(ValueError, match="pass an available action for each state"):
        policy_values(TRANSITIONS, REWARDS, AVAILABLE, gamma=0.9, policy=policy)


def test_policy_values_need_discounting() -> None:
    with pytest.raises(ValueError, match="gamma=1 is not valid"):
        policy_values(TRANSITIONS, REWARDS, AVAILABLE, gamma=1, policy=[0, 0, 1])


def test_interpolation_is_exact_for_linear_values() -> None:
    """One step in the plane that earns x + 2 y of where it leads, and ends."""

    def step(states: np.ndarray, action: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        moved = states + np.array([0.13, -0.07]) if action else states
        return moved, moved @ [1.0, 2.0], np.full(len(states), action == 1)

    transitions, rewards = interpolated_model(step, [0, 0], [1, 2], [3, 5], 2)
    assert transitions.successors.shape == (16, 2, 4)
    np.testing.assert_allclose(transitions.probabilities.sum(axis=2), 1)
    assert (transitions.successors[:, 1] == 15).all()
    np.testing.assert_allclose(rewards[7], [0.5 + 2 * 1.0, 0.63 + 2 * 0.93])

    def drift(states: np.ndarray, _: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return states + np.array([0.13, 0.07]), np.zeros(len(states)), np.zeros(len(states), bool)

    transitions, _ = interpolated_model(drift, [0, 0], [1, 2], [3, 5], 1)
    points = np.stack(np.meshgrid(np.linspace(0, 1, 3), np.linspace(0, 2, 5), indexing="ij"), axis=-1).reshape(-1, 2)
    reached = np.einsum("sk,skd->sd", transitions.probabilities[:-1, 0], points[transitions.successors[:-1, 0]])
    np.testing.assert_allclose(reached, np.minimum(points + np.array([0.13, 0.07]), [1, 2]))


@pytest.mark.parametrize(
    ("low", "high", "points", "n_actions"),
    [([0], [1], [1], 1), ([0, 0], [1], [2], 1), ([1], [0], [2], 1), ([], [], [], 1), ([0], [1], [2], 0)],
)
def test_bad_grids(low: list[float], high: list[float], points: list[int], n_actions: int) -> None:
    with pytest.raises(ValueError, match=r"interpolated_model: .* are not valid"):
        interpolated_model(lambda s, a: (s, 0.0, False), low, high, points, n_actions)


LOW, HIGH = np.array([-1.2, -0.07]), np.array([0.6, 0.07])


def mountain_car(states: np.ndarray, action: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The dynamics of MountainCar-v0."""
    position, velocity = states.T
    velocity = np.clip(velocity + (action - 1) * 0.001 - 0.0025 * np.cos(3 * position), -0.07, 0.07)
    position = np.clip(position + velocity, -1.2, 0.6)
    velocity = np.where((position == -1.2) & (velocity < 0), 0, velocity)
    return np.stack([position, velocity], axis=1), np.full(len(states), -1.0), position >= 0.5


def interpolate(values: np.ndarray, states: np.ndarray) -> np.ndarray:
    """Bilinear interpolation on a square grid."""
    n = len(values)
    place = np.clip((states - LOW) / (HIGH - LOW), 0, 1) * (n - 1)
    (i, j), (a, b) = (cell := np.minimum(place.astype(int), n - 2)).T, (place - cell).T
    below, above = (values[i + d, j] * (1 - b) + values[i + d, j + 1] * b for d in (0, 1))
    return below * (1 - a) + above * a


@pytest.mark.parametrize(("n_points", "ceiling"), [(100, -99.5), pytest.param(400, -97.9, marks=pytest.mark.slow)])
def test_planning_solves_mountain_car(n_points: int, ceiling: float) -> None:
    """The greedy policy on a grid comes near the best mean return over starts, about -97.7."""
    transitions, rewards = interpolated_model(mountain_car, LOW.tolist(), HIGH.tolist(), [n_points] * 2, 3)
    plan = value_iteration(transitions, rewards, gamma=1.0, tolerance=1e-4)
    values = plan.values[:-1].reshape(n_points, n_points)
    states = np.stack([np.linspace(-0.6, -0.4, 501), np.zeros(501)], axis=1)
    alive, returns = np.ones(501, bool), np.zeros(501)
    for _ in range(200):
        outcomes = [mountain_car(states, action) for action in range(3)]
        best = np.argmax([r + np.where(end, 0, interpolate(values, s)) for s, r, end in outcomes], axis=0)
        returns -= alive
        states, ended = (np.array([o[k] for o in outcomes])[best, np.arange(501)] for k in (0, 2))
        alive &= ~ended
    assert -97.0 > returns.mean() > ceiling
    assert returns.min() > -110
