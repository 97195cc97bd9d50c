"""What the best plans of many budgets earn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.market.market import Market
from sb3_ext.envs.ad_spend.optimum.aim import Aim
from sb3_ext.envs.ad_spend.optimum.barrier import Polytope, maximize
from sb3_ext.envs.ad_spend.optimum.outlook import Outlook
from sb3_ext.envs.ad_spend.optimum.plan import Plan

# Gap at which the path of a plan near the best one of another budget is begun.
_LEAST_ROOM, _WARM = 1e-9, 1e-2


def frontier(
    market: Market,
    budgets: Sequence[float],
    low: FloatArray,
    cap: FloatArray,
    start: FloatArray,
    *,
    draws: bool = False,
    risk: float | None = None,
    tolerance: float = 1e-3,
) -> list[Plan]:
    """
    Plans for many budgets within the same bounds, each certified; where curves are S-shaped each search starts from a
    given plan, scaled to the budget, and from the plan of the envelopes, and the certificate is that of the envelopes.

    :param market: The market.
    :param budgets: Budgets, money, each above what ``low`` takes.
    :param low: Smallest spends, shape (T, N), money.
    :param cap: Largest spends, likewise.
    :param start: A good plan for some budget, likewise.
    :param draws: As for :func:`~sb3_ext.envs.ad_spend.optimum.plan.plan_optimal`.
    :param risk: Likewise.
    :param tolerance: Likewise.
    :return: The plans.
    """
    over_draws = draws or risk is not None
    outlook = (Outlook.of_draws if over_draws else Outlook.of_campaign)(market, len(start))
    aim = Aim.of(market, outlook, low.T, cap.T, risk)
    plans, before = [], start.T
    for budget in budgets:
        polytope = Polytope(low.T, np.maximum(cap.T, low.T * (1.0 + _LEAST_ROOM) + _LEAST_ROOM), budget)
        center = polytope.center()

        def near(plan: FloatArray, polytope: Polytope = polytope, center: FloatArray = center) -> FloatArray:
            """A plan inside, near a plan of another budget."""
            scale = min(1.0, polytope.spare / max(float((plan - low.T).sum()), 1e-300))
            return np.asarray(0.95 * np.minimum(low.T + (plan - low.T) * scale, cap.T) + 0.05 * center)

        relaxed, slack = maximize(aim.relaxation, polytope, near(before), tolerance, _WARM)
        before = relaxed
        bound, found = aim.bound(relaxed) + slack, [relaxed]
        if not aim.is_concave:
            found += [maximize(aim.objective, polytope, near(plan), tolerance)[0] for plan in (start.T, relaxed)]
        best = max((np.minimum(plan, cap.T) for plan in found), key=aim.gain)
        plans.append(Plan(best.T.copy(), aim.gain(best), bound))
    return plans
