"""Policy iteration, against value iteration, and the picture of a plan."""

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_models import gammas, models

from sb3_ext.envs.toy_mdp import AVAILABLE, REWARDS, TRANSITIONS
from sb3_ext.mdp import Model, Plan, SparseTransitions, policy_iteration, policy_values, toy_text_model, value_iteration
from sb3_ext.mdp.plots import grid_world_figure

FROZEN_LAKE = toy_text_model(gym.make("FrozenLake-v1").unwrapped.P)
LEFT, DOWN, RIGHT, UP = (0, -1), (1, 0), (0, 1), (-1, 0)


@given(model=models(), gamma=gammas)
@settings(deadline=None, max_examples=40)
def test_finds_what_value_iteration_finds(model: Model, gamma: float) -> None:
    plan, other = policy_iteration(*model, gamma=gamma), value_iteration(*model, gamma=gamma)
    scale = max(1.0, np.abs(other.values).max())
    np.testing.assert_allclose(plan.values, other.values, rtol=0, atol=1e-8 * scale)
    np.testing.assert_allclose(plan.values, plan.q_values.max(axis=1))
    assert plan.error_bound <= 1e-9 * scale


def test_is_exact_after_few_evaluations() -> None:
    plan = policy_iteration(*FROZEN_LAKE, gamma=0.99)
    np.testing.assert_allclose(plan.values, value_iteration(*FROZEN_LAKE, gamma=0.99).values, rtol=0, atol=1e-9)
    assert plan.iterations < 20
    assert plan.error_bound < 1e-12
    three = policy_iteration(TRANSITIONS, REWARDS, AVAILABLE, gamma=0.95)
    assert three.policy.tolist() == [0, 2, 1]


@given(seed=st.integers(0, 1000), gamma=gammas)
@settings(deadline=None, max_examples=20)
def test_sparse_models_give_the_same(seed: int, gamma: float) -> None:
    rng = np.random.default_rng(seed)
    successors, probabilities = rng.integers(0, 6, (6, 3, 2)), rng.dirichlet([1, 1], (6, 3))
    rewards = rng.normal(size=(6, 3))
    dense = np.zeros((6, 3, 6))
    for index in np.ndindex(6, 3, 2):
        dense[(*index[:2], successors[index])] += probabilities[index]
    sparse = SparseTransitions(successors, probabilities)
    np.testing.assert_allclose(
        policy_iteration(sparse, rewards, gamma=gamma).values, policy_iteration(dense, rewards, gamma=gamma).values
    )
    policy = rng.integers(0, 3, 6)
    of_sparse, of_dense = (policy_values(part, rewards, gamma=gamma, policy=policy) for part in (sparse, dense))
    np.testing.assert_allclose(of_sparse, of_dense, atol=1e-12)


def test_mistakes() -> None:
    with pytest.raises(ValueError, match=r"policy_iteration: gamma=1 is not valid; pass a number in \[0, 1\)"):
        policy_iteration(*FROZEN_LAKE, gamma=1)
    with pytest.raises(ValueError, match="policy_iteration: max_iterations=0"):
        policy_iteration(*FROZEN_LAKE, gamma=0.9, max_iterations=0)
    with pytest.raises(RuntimeError, match="policy_iteration: after 1 evaluations the policy still changes"):
        policy_iteration(*FROZEN_LAKE, gamma=0.99, max_iterations=1)


def test_picture_of_a_grid_world() -> None:
    plan = policy_iteration(*FROZEN_LAKE, gamma=0.99)
    ends = [5, 7, 11, 12, 15]
    figure = grid_world_figure(plan, (4, 4), [LEFT, DOWN, RIGHT, UP], ends=ends, title="a title")
    values, q_values = figure.axes
    texts = [text.get_text() for text in values.texts if text.get_text()]
    assert texts == [f"{plan.values[state]:.3g}" for state in range(16) if state not in ends]
    shown = q_values.collections[0].get_array()
    np.testing.assert_array_equal(shown, [q for state in range(16) if state not in ends for q in plan.q_values[state]])
    # The first state goes left: its arrow starts right of where it ends.
    arrow = next(text for text in values.texts if not text.get_text())
    assert arrow.xyann[0] > arrow.xy[0]
    assert arrow.xyann[1] == arrow.xy[1]


@pytest.mark.parametrize(
    ("shape", "moves", "message"),
    [
        ((5, 4), [LEFT, DOWN, RIGHT, UP], r"shape=\(5, 4\) is not valid; the plan has 17 states"),
        ((4, 4), [LEFT, DOWN], "pass a step up, down, left or right for each action"),
        ((4, 4), [LEFT, DOWN, RIGHT, (1, 1)], "pass a step up, down, left or right for each action"),
    ],
)
def test_mistakes_in_a_picture(shape: tuple[int, int], moves: list[tuple[int, int]], message: str) -> None:
    plan: Plan = policy_iteration(*FROZEN_LAKE, gamma=0.9)
    with pytest.raises(ValueError, match=message):
        grid_world_figure(plan, shape, moves)
