"""Optimal spend plans of deterministic markets, each with a certificate of how far from the optimum it can be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sb3_ext.envs.ad_spend.checks import check_number
from sb3_ext.envs.ad_spend.market import CampaignSimulator
from sb3_ext.envs.ad_spend.params import FloatArray, Market

_BARRIER_DECAY = 0.1
_NEWTON_STEPS = 50
_ARMIJO = 1e-4
# Relative to kappa: low enough that what it sells is nothing even for small alpha, high enough that no slope overflows.
_LEAST_ADSTOCK = 1e-120


@dataclass(frozen=True)
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
) -> Plan:
    """
    Plan the spends of a whole campaign.

    Adstock is linear in the spends, so with concave responses (``alpha <= 1``) this is a concave program over
    ``{low <= x <= cap, sum x <= budget}``. It is solved by a log-barrier Newton method (Boyd & Vandenberghe, Convex
    Optimization, ch. 11), which exploits that channels only share the budget: one T x T linear system a channel
    and a rank-one term. The upper bound does not rely on the solver: by concavity no plan s beats
    ``value(x) + max_s <gradient(x), s - x>`` (the Frank-Wolfe gap), and that maximum is a fractional knapsack.

    S-shaped responses (``alpha > 1``) are not concave. There the bound comes from the concave envelope of every curve,
    and the plan from local searches from several starts; the gap between them is reported and can be wide.

    :param market: The market.
    :param budget: Budget of the campaign, money, > 0.
    :param periods: Length of the campaign, >= 1.
    :param low: Smallest spend per channel and period, shape (N,) or a number, money. Default: 0.
    :param cap: Largest spend per channel and period, shape (N,) or a number, money. Default: ``market.spend_caps``.
    :param tolerance: Relative gap to stop at, in (0, 1).
    :return: The plan.
    :raises ValueError: If the market is no :class:`Market`, or an argument is out of range.
    """
    if not isinstance(market, Market):
        raise ValueError(f"plan_optimal needs a Market, got {type(market).__name__}")
    campaign = CampaignSimulator(market, budget, periods)
    check_number(tolerance, "tolerance", 0.0, 1.0, low_open=True, high_open=True)
    n_channels = len(market.names)
    try:
        lows = np.broadcast_to(np.asarray(0.0 if low is None else low, dtype=np.float64), n_channels)
        given = market.spend_caps(campaign.budget, periods) if cap is None else cap
        caps = np.broadcast_to(np.asarray(given, dtype=np.float64), n_channels)
    except (TypeError, ValueError):
        raise ValueError(
            f"low and cap must be numbers or {n_channels} numbers each, got low={low!r}, cap={cap!r}"
        ) from None
    if not (np.all(lows >= 0.0) and np.all(lows < caps) and np.all(np.isfinite(caps))):
        raise ValueError(f"bounds must satisfy 0 <= low < cap, got low={lows.tolist()}, cap={caps.tolist()}")
    if lows.sum() * periods >= budget:
        raise ValueError(
            f"the smallest spends amount to {lows.sum() * periods:g}, which leaves nothing of the budget {budget:g}"
        )
    polytope = _Polytope(lows, caps, campaign.budget, periods)

    relaxation = _Objective(market, periods, envelope_caps=caps)
    if polytope.frank_wolfe_gap(polytope.low, relaxation.gradient(polytope.low)) <= 0.0:
        relaxed, slack = polytope.low.copy(), 0.0
    else:
        relaxed, slack = _maximize(relaxation, polytope, polytope.center(), tolerance)
    if market.is_concave:
        value = campaign.plan_value(relaxed)
        return Plan(relaxed, value, value + slack)
    objective = _Objective(market, periods)
    idle = objective.value(np.zeros_like(relaxed))
    upper_bound = relaxation.value(relaxed) + slack - idle
    efficient = _tangent_points(market, caps)
    found = [_maximize(objective, polytope, start, tolerance)[0] for start in polytope.starts(relaxed, efficient)]
    found += [relaxed, polytope.low.copy(), polytope.even()]
    best = max(found, key=campaign.plan_value)
    return Plan(best, campaign.plan_value(best), upper_bound)


class References(NamedTuple):
    """What campaigns are compared with."""

    even_value: float
    """Value of even pacing, money."""
    plan: Plan
    """The best plan."""


def reference_plans(market: Market, budget: float, periods: int, cap: FloatArray) -> References:
    """
    Value of even pacing, and the best plan; remembered for the campaigns seen last.

    Smallest spends do not bind here: an agent that has run out of money stays below them, so only the plans without
    them bound what it can earn.

    :param market: The market.
    :param budget: Budget of the campaign, money.
    :param periods: Length of the campaign.
    :param cap: Largest spend per channel and period, shape (N,), money.
    :return: The references.
    """
    # Draws play no part, and hashing thousands of them takes longer than a campaign.
    market = replace(market, draws=()) if market.draws else market
    return _reference_plans(market, budget, periods, tuple(cap.tolist()))


@lru_cache(maxsize=64)
def _reference_plans(market: Market, budget: float, periods: int, cap: tuple[float, ...]) -> References:
    plan = plan_optimal(market, budget, periods, cap=cap, tolerance=1e-8)
    even = np.full((periods, len(cap)), budget / periods / len(cap))
    even_value = CampaignSimulator(market, budget, periods).plan_value(np.minimum(even, cap))
    return References(even_value, plan)


class _Objective:
    """Value of a plan, with gradient and curvature by channel. ``envelope_caps``: of the curves' concave envelopes."""

    def __init__(self, market: Market, periods: int, envelope_caps: FloatArray | None = None) -> None:
        self.market = market
        rows = np.arange(periods + market.tail_periods)
        lag = rows[:, None] - rows[None, :periods]
        theta = market.theta[:, None, None]
        # (N, T + tail, T): what the spend of each period contributes to the adstock of every period.
        self.carry = np.where(lag >= 0, (1.0 - theta) * theta ** np.maximum(lag, 0), 0.0)
        self.start = market.initial_adstock * market.theta ** (rows[:, None] + 1)
        self.demand = market.margin * np.append(market.season_factors(periods), np.ones(market.tail_periods))
        self._tangent = np.zeros(len(market.names))
        if envelope_caps is not None and not market.is_concave:
            self._tangent = _tangent_points(market, np.maximum(envelope_caps, market.initial_adstock))
        self._chord = market.response(self._tangent) / np.where(self._tangent > 0.0, self._tangent, 1.0)

    def adstock(self, spend: FloatArray) -> FloatArray:
        """Adstock of all periods and the tail, shape (T + tail, N); floored where slopes are infinite (alpha < 1)."""
        adstock = self.start + np.einsum("nrt,tn->rn", self.carry, spend)
        return np.asarray(np.maximum(adstock, _LEAST_ADSTOCK * self.market.kappa))

    def value(self, spend: FloatArray) -> float:
        adstock = self.adstock(spend)
        sales = self.market.response(np.maximum(adstock, self._tangent))
        sales = np.where(adstock < self._tangent, adstock * self._chord, sales)
        return float(self.demand @ sales.sum(axis=1) - self.market.spend_cost * spend.sum())

    def gradient(self, spend: FloatArray) -> FloatArray:
        adstock = self.adstock(spend)
        slope = np.where(adstock < self._tangent, self._chord, self.market.marginal_response(adstock))
        return np.asarray(np.einsum("nrt,rn->tn", self.carry, self.demand[:, None] * slope) - self.market.spend_cost)

    def curvature(self, spend: FloatArray) -> FloatArray:
        """Negative Hessians (N, T, T); where a curve is convex its curvature is left out, so they are semi-definite."""
        adstock = self.adstock(spend)
        market, ratio = self.market, adstock / self.market.kappa
        power = ratio**market.alpha
        scale = market.beta * market.alpha / market.kappa**2
        bend = (
            scale
            * ratio ** (market.alpha - 2.0)
            * ((1.0 + market.alpha) * power - (market.alpha - 1.0))
            / (1.0 + power) ** 3
        )
        bend = np.where(adstock < self._tangent, 0.0, np.maximum(bend, 0.0)) * self.demand[:, None]
        return np.asarray(self.carry.transpose(0, 2, 1) @ (bend.T[:, :, None] * self.carry))


def _tangent_points(market: Market, highest: FloatArray) -> FloatArray:
    """
    Where the line from the origin touches each curve: the concave envelope follows the line up to there.

    With ``u = (A/kappa)**alpha`` tangency reads ``u = alpha - 1``. Beyond ``highest`` no adstock can get, so the chord
    to that point is already an upper bound.
    """
    touching = market.kappa * np.maximum(market.alpha - 1.0, 0.0) ** (1.0 / market.alpha)
    return np.minimum(touching, highest)


class _Polytope:
    """The feasible plans ``{low <= x <= cap, sum x <= budget}``."""

    def __init__(self, low: FloatArray, cap: FloatArray, budget: float, periods: int) -> None:
        self.low = np.broadcast_to(low, (periods, len(low)))
        self.cap = np.broadcast_to(cap, (periods, len(cap)))
        self.budget = budget
        self.n_constraints = 2 * self.low.size + 1

    def center(self) -> FloatArray:
        """A plan well inside: all channels the same share of their range."""
        spare = self.budget - self.low.sum()
        share = min(0.5, 0.5 * spare / (self.cap - self.low).sum())
        return np.asarray(self.low + share * (self.cap - self.low))

    def even(self) -> FloatArray:
        """The budget spread alike over periods and channels, as far as the bounds allow."""
        plan = np.clip(self.budget / self.low.size, self.low, self.cap)
        above = (plan - self.low).sum()
        return np.asarray(self.low + (plan - self.low) * min(1.0, (self.budget - self.low.sum()) / max(above, 1e-300)))

    def starts(self, relaxed: FloatArray, efficient: FloatArray) -> Iterator[FloatArray]:
        """Plans to search from: center, relaxed solution, and bursts of each channel at its most efficient spend."""
        center = self.center()
        yield center
        yield 0.9 * relaxed + 0.1 * center
        spare = self.budget - self.low.sum()
        for channel in range(self.cap.shape[1]):
            low, cap = self.low[0, channel], self.cap[0, channel]
            level = efficient[channel] - low if efficient[channel] > low else cap - low
            bursts = max(1, round(spare / level))
            for first in (0, self.cap.shape[0] // 2):
                pulse = self.low.copy()
                order = np.roll(np.arange(self.cap.shape[0]), -first)
                pulse[order[:bursts], channel] = min(cap, low + spare / bursts)
                yield 0.95 * pulse + 0.05 * center

    def barrier(self, spend: FloatArray) -> float:
        room = self.budget - spend.sum()
        if room <= 0.0 or np.any(spend <= self.low) or np.any(spend >= self.cap):
            return -np.inf
        return float(np.log(spend - self.low).sum() + np.log(self.cap - spend).sum() + np.log(room))

    def frank_wolfe_gap(self, spend: FloatArray, gradient: FloatArray) -> float:
        """``max_s <gradient, s - spend>`` over the plans: spend the budget where the gradient is largest."""
        order = np.argsort(-gradient, axis=None)
        steepest = np.maximum(gradient.ravel()[order], 0.0)
        room = (self.cap - self.low).ravel()[order]
        bought = np.clip(self.budget - self.low.sum() - (np.cumsum(room) - room), 0.0, room)
        return float(steepest @ bought - (gradient * (spend - self.low)).sum())


def _maximize(
    objective: _Objective, polytope: _Polytope, spend: FloatArray, tolerance: float
) -> tuple[FloatArray, float]:
    """Follow the central path from a plan inside; return the plan at its end and its Frank-Wolfe gap."""
    idle = objective.value(np.zeros_like(spend))

    def worth(spend: FloatArray) -> float:
        return max(abs(objective.value(spend) - idle), 1e-9 * polytope.budget)

    # On the central path the gap is weight * n_constraints.
    weight = 0.1 * worth(spend) / polytope.n_constraints
    while True:
        spend = _newton(objective, polytope, spend, weight)
        gap = polytope.frank_wolfe_gap(spend, objective.gradient(spend))
        if not np.isfinite(gap):
            raise FloatingPointError(f"the planner met a value that is not finite at barrier weight {weight:g}")
        target = tolerance * worth(spend)
        if gap <= target or weight * polytope.n_constraints < 0.01 * target:
            return spend, gap
        weight *= _BARRIER_DECAY


def _newton(objective: _Objective, polytope: _Polytope, spend: FloatArray, weight: float) -> FloatArray:
    """Maximize ``objective + weight * barrier`` from a plan inside."""
    periods = spend.shape[0]
    score = objective.value(spend) + weight * polytope.barrier(spend)
    for _ in range(_NEWTON_STEPS):
        above, below = spend - polytope.low, polytope.cap - spend
        room = polytope.budget - spend.sum()
        gradient = objective.gradient(spend) + weight * (1.0 / above - 1.0 / below - 1.0 / room)
        system = objective.curvature(spend)
        system[:, np.arange(periods), np.arange(periods)] += (weight * (above**-2 + below**-2)).T
        # The budget adds weight / room**2 * ones: solved by Sherman and Morrison's formula.
        right = np.stack([gradient.T, np.ones_like(gradient.T)], axis=-1)
        along, ones = np.moveaxis(np.linalg.solve(system, right), -1, 0)
        coupling = weight / room**2
        direction = (along - ones * coupling * along.sum() / (1.0 + coupling * ones.sum())).T
        decrement = float((gradient * direction).sum())
        if decrement <= 1e-3 * weight:
            break
        step = 1.0
        while step > 1e-10:
            candidate = spend + step * direction
            barrier = polytope.barrier(candidate)
            if barrier > -np.inf:
                reached = objective.value(candidate) + weight * barrier
                if reached >= score + _ARMIJO * step * decrement:
                    break
            step *= 0.5
        else:
            break
        spend, score = candidate, reached
    return spend
