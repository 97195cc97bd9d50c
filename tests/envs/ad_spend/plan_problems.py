"""Problems for ``plan_optimal``, and what plans are checked by."""

from typing import Any

import numpy as np
from ad_spend_strategies import markets
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, minimize

from sb3_ext.envs.ad_spend import Plan
from sb3_ext.envs.ad_spend.campaign.simulator import CampaignSimulator
from sb3_ext.envs.ad_spend.optimum.barrier import Polytope


@st.composite
def problems(draw: st.DrawFn, alpha: tuple[float, float]) -> dict[str, Any]:
    """Arguments of ``plan_optimal``."""
    market = draw(markets(alpha))
    n_channels, periods = len(market.names), draw(st.integers(1, 12))
    cap = np.array(draw(st.lists(st.floats(5.0, 200.0), min_size=n_channels, max_size=n_channels)))
    low = cap * draw(st.sampled_from([0.0, 0.0, 0.05, 0.4]))
    fullness = draw(st.sampled_from([1.5]) | st.floats(0.05, 1.0))
    budget = float(low.sum() * periods + fullness * (cap - low).sum() * periods)
    return {"market": market, "budget": budget, "periods": periods, "low": low, "cap": cap}


def value_of(problem: dict[str, Any], spend: np.ndarray) -> float:
    return CampaignSimulator(problem["market"], problem["budget"], problem["periods"]).plan_value(spend)


def polytope_of(problem: dict[str, Any]) -> Polytope:
    low, cap = (np.tile(problem[end][:, None], problem["periods"]) for end in ("low", "cap"))
    return Polytope(low, cap, problem["budget"])


def money_scale(problem: dict[str, Any]) -> float:
    """Turnover of a problem: what rounding errors are relative to."""
    market, periods = problem["market"], problem["periods"]
    sales = market.margin * (market.season_factors(periods).sum() + market.tail_periods) * market.beta.sum()
    return float(sales + market.spend_cost * problem["budget"])


def assert_feasible(plan: Plan, problem: dict[str, Any]) -> None:
    assert plan.spend.shape == (problem["periods"], len(problem["market"].names))
    assert np.all(plan.spend >= problem["low"]) and np.all(plan.spend <= problem["cap"])
    assert plan.spend.sum() <= problem["budget"] * (1 + 1e-12)


def scipy_optimum(problem: dict[str, Any], *starts: np.ndarray) -> float:
    """Best of SciPy's SLSQP from several plans, on the simulator itself: no formula is shared with the planner."""
    shape = starts[0].shape
    low, cap = (np.broadcast_to(problem[end], shape).ravel() for end in ("low", "cap"))
    scale = max(abs(value_of(problem, start)) for start in starts) + 1e-9
    best = -np.inf
    for start in starts:
        found = minimize(
            lambda share: -value_of(problem, (low + np.clip(share, 0, 1) * (cap - low)).reshape(shape)) / scale,
            (start.ravel() - low) / (cap - low),
            method="SLSQP",
            bounds=[(0.0, 1.0)] * low.size,
            constraints=LinearConstraint(
                (cap - low)[None] / problem["budget"], -np.inf, 1.0 - low.sum() / problem["budget"]
            ),
            options={"maxiter": 500, "ftol": 1e-13},
        )
        plan = (low + np.clip(found.x, 0, 1) * (cap - low)).reshape(shape)
        if plan.sum() <= problem["budget"] * (1 + 1e-9):
            best = max(best, value_of(problem, plan))
    return best
