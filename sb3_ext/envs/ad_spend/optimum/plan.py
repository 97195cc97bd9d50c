"""Optimal spend plans of deterministic markets, each with a certificate of how far from the optimum it can be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.market.checks import check_count, check_number
from sb3_ext.envs.ad_spend.market.market import Market
from sb3_ext.envs.ad_spend.optimum.aim import Aim
from sb3_ext.envs.ad_spend.optimum.channel_problem import channel_problems
from sb3_ext.envs.ad_spend.optimum.conditional import plan_under_conditions
from sb3_ext.envs.ad_spend.optimum.constraints import Constraints, bounds_as_conditions
from sb3_ext.envs.ad_spend.optimum.outlook import Outlook
from sb3_ext.envs.ad_spend.optimum.within_budget import ROUNDING, BudgetProblem


@dataclass(frozen=True, eq=False)
class Plan:
    """A spend plan and what is known about it; values in money over a zero-spend campaign, tail included."""

    spend: FloatArray
    """Spend per period and channel, shape (T, N), money."""
    value: float
    """What the plan earns."""
    upper_bound: float
    """No plan can earn more."""
    prices: Mapping[str, float] = field(default_factory=dict)
    """What one more unit of money in a condition is worth, by its name, where any were given."""

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
    constraints: Constraints | None = None,
    draws: bool = False,
    risk: float | None = None,
) -> Plan:
    """
    Plan the spends of a whole campaign, or of what is left of one.

    Adstock is linear in the spends, so with concave responses this is a concave program over
    ``{low <= x <= cap, sum x <= budget}``. It is solved by a log-barrier Newton method (Boyd & Vandenberghe, Convex
    Optimization, ch. 11), which exploits that channels only share the budget: one T x T linear system a channel
    and a rank-one term. The upper bound does not rely on the solver: by concavity no plan s beats
    ``value(x) + max_s <gradient(x), s - x>`` (the Frank-Wolfe gap), and that maximum is a fractional knapsack. The mean
    over draws is concave where every draw is, and so is the mean of their lowest share; ``constraints`` leave a
    polytope, over which the maximum of the gap is a linear program, bounded by its dual. Then the system is dense.

    S-shaped responses are not concave. There the plan comes from local searches from several starts, among them the
    best pulses by dynamic programming, and the bound from putting a price on money instead of the budget, or from the
    concave envelopes of the curves (over draws, the mean of their envelopes; where carry-over has a window, whose state
    is too large for dynamic programming, those alone). The gap between them is reported and can be wide where the
    budget is only enough for a part of one channel.

    :param market: The market.
    :param budget: Budget of the campaign, money, > 0.
    :param periods: Length of the campaign, >= 1.
    :param low: Smallest spend per channel and period, a number or of shape (N,) or (T, N), money. Default: 0. All of
        them together may take the whole budget.
    :param cap: Largest spend per channel and period, likewise, at least ``low``: where they are equal the spend is
        fixed. Default: ``market.spend_caps``.
    :param tolerance: Relative gap to stop at, in (0, 1).
    :param outlook: What to assume of these periods of a single campaign, its response curves and carry-over included,
        or of n, each with parameters of its own, as of draws. Default: a whole campaign where nothing random happens.
    :param constraints: What the plan has to keep to besides. Default: nothing.
    :param draws: Maximise the mean over the market's draws in place of what the central parameters say.
    :param risk: Maximise the mean of the lowest share of the draws instead (conditional value at risk), in (0, 1].
    :return: The plan.
    :raises ValueError: If the market is no :class:`Market`, or an argument is out of range.
    :raises Infeasible: If no plan keeps to bounds, budget and constraints; it names what contradicts.
    """
    if not isinstance(market, Market):
        raise ValueError(f"plan_optimal needs a Market, got {type(market).__name__}")
    budget, periods = check_number(budget, "budget", 1e-6, 1e15), check_count(periods, "periods")
    check_number(tolerance, "tolerance", 0.0, 1.0, low_open=True, high_open=True)
    lows, caps = spend_bounds(market, budget, periods, low, cap)
    if risk is not None:
        check_number(risk, "risk", 0.0, 1.0, low_open=True)
    if outlook is None:
        if (draws or risk is not None) and not market.draws:
            raise ValueError("planning over draws, or for a risk, needs a market with draws: this one has none")
        build = Outlook.of_draws if draws or risk is not None else Outlook.of_campaign
        outlook = build(market, periods)
    elif outlook.periods != periods:
        raise ValueError(f"the outlook is on {outlook.periods} periods, the plan on {periods}")
    if constraints is not None:
        constraints.check(periods, len(market.names))
    elif lows.sum() > budget * (1.0 + ROUNDING):
        raise ValueError(f"the smallest spends amount to {lows.sum():g}, more than the budget {budget:g}")

    expected = outlook if outlook.media.ndim == 2 else Outlook.of_campaign(market, periods)
    if constraints is not None or (risk is not None and lows.sum() < budget * (1.0 - ROUNDING)):
        channels = channel_problems(market, expected, lows, caps)
        given = constraints or Constraints()
        conditions = [*given.conditions, *bounds_as_conditions(market.names, budget, lows.T, caps.T)]
        found = plan_under_conditions(
            lambda low, cap: Aim.of(market, outlook, low, cap, risk),
            channels,
            budget,
            conditions,
            given.buys(lows.T.shape),
            tolerance,
        )
        return Plan(found.spend.T.copy(), found.gain, found.upper_bound, found.prices)
    found = BudgetProblem.of(market, outlook, expected, (lows, caps), risk).best(budget, tolerance)
    return Plan(found.spend.T.copy(), found.gain, found.upper_bound)


def spend_bounds(
    market: Market, budget: float, periods: int, low: npt.ArrayLike | None, cap: npt.ArrayLike | None
) -> tuple[FloatArray, FloatArray]:
    """Smallest and largest spends, shape (N, T)."""
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
    return lows, caps
