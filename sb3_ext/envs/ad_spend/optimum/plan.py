"""Optimal spend plans of deterministic markets, each with a certificate of how far from the optimum it can be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.market.checks import check_count, check_number
from sb3_ext.envs.ad_spend.market.market import Market
from sb3_ext.envs.ad_spend.optimum.barrier import Polytope, maximize
from sb3_ext.envs.ad_spend.optimum.channel_problem import channel_problems
from sb3_ext.envs.ad_spend.optimum.lagrangian_bound import lagrangian_bound
from sb3_ext.envs.ad_spend.optimum.objective import Objective
from sb3_ext.envs.ad_spend.optimum.outlook import Outlook
from sb3_ext.envs.ad_spend.optimum.pulses import pulse_plans

# Relative: what sums of money may be off by, and the least difference between the smallest and largest spend.
_ROUNDING, _LEAST_ROOM = 1e-12, 1e-9


@dataclass(frozen=True, eq=False)
class Plan:
    """A spend plan and what is known about it; values in money over a zero-spend campaign, tail included."""

    spend: FloatArray
    """Spend per period and channel, shape (T, N), money."""
    value: float
    """What the plan earns."""
    upper_bound: float
    """No plan can earn more."""

    @property
    def relative_gap(self) -> float:
        """How much better than this plan the optimum can be at most, relative to the plan's value."""
        return (self.upper_bound - self.value) / max(abs(self.value), 1e-12)


def plan_optimal(
    market: Market,
    budget: float,
    periods: int,
    *,
    low: npt.ArrayLike | None = None,
    cap: npt.ArrayLike | None = None,
    tolerance: float = 1e-6,
    outlook: Outlook | None = None,
) -> Plan:
    """
    Plan the spends of a whole campaign, or of what is left of one.

    Adstock is linear in the spends, so with concave responses this is a concave program over
    ``{low <= x <= cap, sum x <= budget}``. It is solved by a log-barrier Newton method (Boyd & Vandenberghe, Convex
    Optimization, ch. 11), which exploits that channels only share the budget: one T x T linear system a channel
    and a rank-one term. The upper bound does not rely on the solver: by concavity no plan s beats
    ``value(x) + max_s <gradient(x), s - x>`` (the Frank-Wolfe gap), and that maximum is a fractional knapsack.

    S-shaped responses are not concave. There the plan comes from local searches from several starts, among them the
    best pulses by dynamic programming, and the bound from putting a price on money instead of the budget, or from the
    concave envelopes of the curves. The gap between them is reported and can be wide where the budget is only enough
    for a part of one channel.

    :param market: The market.
    :param budget: Budget of the campaign, money, > 0.
    :param periods: Length of the campaign, >= 1.
    :param low: Smallest spend per channel and period, a number or of shape (N,) or (T, N), money. Default: 0. All of
        them together may take the whole budget.
    :param cap: Largest spend per channel and period, likewise, at least ``low``: where they are equal the spend is
        fixed. Default: ``market.spend_caps``.
    :param tolerance: Relative gap to stop at, in (0, 1).
    :param outlook: What to assume of these periods of a single campaign, its response curves and carry-over included.
        Default: a whole campaign where nothing random happens.
    :return: The plan.
    :raises ValueError: If the market is no :class:`Market`, or an argument is out of range.
    """
    if not isinstance(market, Market):
        raise ValueError(f"plan_optimal needs a Market, got {type(market).__name__}")
    budget, periods = check_number(budget, "budget", 1e-6, 1e15), check_count(periods, "periods")
    check_number(tolerance, "tolerance", 0.0, 1.0, low_open=True, high_open=True)
    n_channels = len(market.names)
    try:
        given = (0.0 if low is None else low, market.spend_caps(budget, periods) if cap is None else cap)
        lows, caps = (np.broadcast_to(np.asarray(end, dtype=np.float64), (periods, n_channels)).T for end in given)
    except (TypeError, ValueError):
        raise ValueError(
            f"low and cap must be numbers or {n_channels} numbers each, got low={low!r}, cap={cap!r}"
        ) from None
    if not (np.all(lows >= 0.0) and np.all(lows <= caps) and np.all(caps > 0.0) and np.all(np.isfinite(caps))):
        raise ValueError(
            "bounds must satisfy 0 <= low <= cap and cap > 0, "
            f"got low={lows.min(axis=1).tolist()}, cap={caps.min(axis=1).tolist()}"
        )
    if lows.sum() > budget * (1.0 + _ROUNDING):
        raise ValueError(f"the smallest spends amount to {lows.sum():g}, more than the budget {budget:g}")
    if outlook is None:
        outlook = Outlook.of_campaign(market, periods)
    elif outlook.periods != periods:
        raise ValueError(f"the outlook is on {outlook.periods} periods, the plan on {periods}")

    objective = Objective(market, outlook)
    if lows.sum() >= budget * (1.0 - _ROUNDING):
        value = float(objective.gain(lows))
        return Plan(lows.T.copy(), value, value)
    # A barrier needs some room, where a spend is fixed too; what is found there is cut off again.
    polytope = Polytope(lows, np.maximum(caps, lows * (1.0 + _LEAST_ROOM)), budget)
    highest = np.maximum.reduce([(caps * outlook.media).max(axis=1), outlook.adstock, market.spend_afterwards])
    is_concave = outlook.curves.is_concave
    relaxation = objective if is_concave else Objective(market, outlook, highest)
    if polytope.gap(lows, relaxation.gradient(lows)) <= 0.0:
        relaxed, slack = lows, 0.0
    else:
        relaxed, slack = maximize(relaxation, polytope, polytope.center(), tolerance)
    idle = float(objective.value(np.zeros_like(relaxed)))
    upper_bound = float(relaxation.value(relaxed)) + slack - idle
    relaxed = np.minimum(relaxed, caps)
    if is_concave:
        return Plan(relaxed.T.copy(), float(objective.gain(relaxed)), upper_bound)
    channels = channel_problems(market, outlook, lows, caps)
    highest_price = (upper_bound - float(objective.gain(lows))) / polytope.spare
    upper_bound = min(upper_bound, lagrangian_bound(channels, budget, max(highest_price, 0.0)) - idle)
    pulses = pulse_plans(channels, budget)
    efficient = np.minimum(outlook.curves.touching, caps.max(axis=1))
    found = [
        maximize(objective, polytope, start, tolerance)[0] for start in polytope.starts(relaxed, efficient, pulses)
    ]
    plans = [np.minimum(plan, caps) for plan in (*found, relaxed, lows, polytope.even(), *pulses)]
    best = max(plans, key=objective.gain)
    return Plan(best.T.copy(), float(objective.gain(best)), upper_bound)
