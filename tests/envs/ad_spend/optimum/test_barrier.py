"""The plans within bounds and a budget."""

from typing import Any

import numpy as np
from ad_spend_strategies import feasible_plans
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_problems import polytope_of, problems

from sb3_ext.envs.ad_spend.optimum.barrier import Polytope


def test_an_even_plan_of_all_that_may_be_spent_keeps_the_caps() -> None:
    low, cap = np.array([[24.4], [44.908]]), np.array([[61.0], [112.27042094]])
    for scale in np.random.default_rng(0).uniform(0.1, 10, 200):
        even = Polytope(scale * low, scale * cap, 1.3 * scale * cap.sum()).even()
        assert np.all(even <= scale * cap)


@given(problems(alpha=(0.3, 4.0)), st.integers(0, 2**20))
@settings(max_examples=60, deadline=None)
def test_frank_wolfe_gap_is_the_best_linear_gain(problem: dict[str, Any], seed: int) -> None:
    rng = np.random.default_rng(seed)
    spend, *others = feasible_plans(rng, 40, problem["low"], problem["cap"], problem["budget"], problem["periods"])
    gradient = rng.normal(size=spend.shape)
    gap = polytope_of(problem).gap(spend.T, gradient.T)
    assert gap >= -1e-9 * problem["budget"]
    assert max(float((gradient * (other - spend)).sum()) for other in others) <= gap + 1e-9 * problem["budget"]
