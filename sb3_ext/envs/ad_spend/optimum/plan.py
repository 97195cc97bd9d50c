"""Optimal spend plans of deterministic markets, each with a certificate of how far from the optimum it can be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.campaign.scenario import Scenario
from sb3_ext.envs.ad_spend.campaign.simulator import CampaignSimulator
from sb3_ext.envs.ad_spend.market.checks import check_number, check_periods
from sb3_ext.envs.ad_spend.market.market import Market
from sb3_ext.envs.ad_spend.optimum.knapsack import channel_problems, lagrangian_bound, pulse_plans
from sb3_ext.envs.ad_spend.optimum.outlook import Outlook

_BARRIER_DECAY = 0.1
_NEWTON_STEPS = 50
_ARMIJO = 1e-4
# Relative to kappa: low enough that what it sells is nothing even for small alpha, high enough that no slope overflows.
_LEAST_ADSTOCK = 1e-120


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

    Adstock is linear in the spends, so with concave responses (``alpha <= 1``) this is a concave program over
    ``{low <= x <= cap, sum x <= budget}``. It is solved by a log-barrier Newton method (Boyd & Vandenberghe, Convex
    Optimization, ch. 11), which exploits that channels only share the budget: one T x T linear system a channel
    and a rank-one term. The upper bound does not rely on the solver: by concavity no plan s beats
    ``value(x) + max_s <gradient(x), s - x>`` (the Frank-Wolfe gap), and that maximum is a fractional knapsack.

    S-shaped responses (``alpha > 1``) are not concave. There the plan comes from local searches from several starts,
    among them the best pulses by dynamic programming, and the bound from putting a price on money instead of the
    budget, or from the concave envelopes of the curves. The gap between them is reported and can be wide where the
    budget is only enough for a part of one channel.

    :param market: The market.
    :param budget: Budget of the campaign, money, > 0.
    :param periods: Length of the campaign, >= 1.
    :param low: Smallest spend per channel and period, a number or of shape (N,) or (T, N), money. Default: 0.
    :param cap: Largest spend per channel and period, likewise. Default: ``market.spend_caps``.
    :param tolerance: Relative gap to stop at, in (0, 1).
    :param outlook: What to assume of these periods. Default: a whole campaign where nothing random happens.
    :return: The plan.
    :raises ValueError: If the market is no :class:`Market`, or an argument is out of range.
    """
    if not isinstance(market, Market):
        raise ValueError(f"plan_optimal needs a Market, got {type(market).__name__}")
    campaign = CampaignSimulator(market, budget, periods)
    check_number(tolerance, "tolerance", 0.0, 1.0, low_open=True, high_open=True)
    n_channels = len(market.names)
    shape = (campaign.periods, n_channels)
    try:
        lows = np.broadcast_to(np.asarray(0.0 if low is None else low, dtype=np.float64), shape)
        given = market.spend_caps(campaign.budget, periods) if cap is None else cap
        caps = np.broadcast_to(np.asarray(given, dtype=np.float64), shape)
    except (TypeError, ValueError):
        raise ValueError(
            f"low and cap must be numbers or {n_channels} numbers each, got low={low!r}, cap={cap!r}"
        ) from None
    if not (np.all(lows >= 0.0) and np.all(lows < caps) and np.all(np.isfinite(caps))):
        raise ValueError(
            f"bounds must satisfy 0 <= low < cap, got low={lows.min(axis=0).tolist()}, cap={caps.min(axis=0).tolist()}"
        )
    if lows.sum() >= budget:
        raise ValueError(f"the smallest spends amount to {lows.sum():g}, which leaves nothing of the budget {budget:g}")
    if outlook is None:
        outlook = Outlook.expected(market, campaign.periods)
    elif outlook.periods != campaign.periods:
        raise ValueError(f"the outlook is on {outlook.periods} periods, the plan on {campaign.periods}")
    polytope = _Polytope(lows, caps, campaign.budget, periods)

    relaxation = _Objective(market, outlook, envelope_caps=caps)
    if polytope.frank_wolfe_gap(polytope.low, relaxation.gradient(polytope.low)) <= 0.0:
        relaxed, slack = polytope.low.copy(), 0.0
    else:
        relaxed, slack = _maximize(relaxation, polytope, polytope.center(), tolerance)
    if market.is_concave:
        value = relaxation.gain(relaxed)
        return Plan(relaxed, value, value + slack)
    objective = _Objective(market, outlook)
    idle = objective.value(np.zeros_like(relaxed))
    upper_bound = relaxation.value(relaxed) + slack - idle
    channels = channel_problems(market, outlook, lows, caps)
    highest_price = (upper_bound - objective.gain(polytope.low)) / (campaign.budget - lows.sum())
    upper_bound = min(upper_bound, lagrangian_bound(channels, campaign.budget, max(highest_price, 0.0)) - idle)
    pulses = pulse_plans(channels, campaign.budget)
    starts = polytope.starts(relaxed, _tangent_points(market, caps.max(axis=0)), pulses)
    found = [_maximize(objective, polytope, start, tolerance)[0] for start in starts]
    found += [relaxed, polytope.low.copy(), polytope.even(), *pulses]
    best = max(found, key=objective.gain)
    return Plan(best, objective.gain(best), upper_bound)


class References(NamedTuple):
    """What campaigns are compared with."""

    even_value: float
    """Value of even pacing, money."""
    plan: Plan
    """The best plan."""


def plan_clairvoyant(
    market: Market, budget: float, periods: int, cap: npt.ArrayLike, scenario: Scenario, tolerance: float = 1e-6
) -> Plan:
    """
    The plan of someone who knows all prices, parameters, drift and delivery of a campaign in advance.

    :param market: The market.
    :param budget: Budget of the campaign, money.
    :param periods: Length of the campaign.
    :param cap: Largest spend to order per channel and period, shape (N,), money.
    :param scenario: The path of the campaign.
    :param tolerance: Relative gap to stop at, in (0, 1).
    :return: The plan; its spends are those delivered, its value leaves out the noise of the sales.
    :raises ValueError: If the scenario is of several campaigns or another length, or an argument is out of range.
    """
    shape, drawn = (check_periods(periods), len(market.names)), scenario.curves
    fits = all(path is None or path.shape == shape for path in (scenario.media, scenario.drift, scenario.delivery))
    if not fits or (drawn is not None and drawn.beta.shape != shape[1:]):
        raise ValueError(f"the scenario must be of one campaign of {shape[0]} periods and {shape[1]} channels")
    real = scenario.market(market)
    caps = cap if scenario.delivery is None else np.asarray(cap, dtype=np.float64) * scenario.delivery
    outlook = Outlook.of_scenario(real, periods, scenario)
    return plan_optimal(real, budget, periods, cap=caps, tolerance=tolerance, outlook=outlook)


def campaign_references(market: Market, budget: float, periods: int, cap: FloatArray, scenario: Scenario) -> References:
    """
    Value of even pacing and the best plan, in one campaign.

    :param market: The market.
    :param budget: Budget of the campaign, money.
    :param periods: Length of the campaign.
    :param cap: Largest spend per channel and period, shape (N,), money.
    :param scenario: The path of the campaign.
    :return: The references; in a random market the best plan is the clairvoyant's.
    """
    if not market.randomness.any:
        return reference_plans(market, budget, periods, cap)
    campaign = CampaignSimulator(market, budget, periods)
    campaign.reset(scenario)
    even = np.minimum(budget / periods / len(cap), cap)
    steps = [campaign.step(even) for _ in range(periods)]
    even_value = float(sum(step.value + step.tail for step in steps))
    plan = plan_clairvoyant(market, budget, periods, cap, scenario)
    # Noise hits every plan alike: with it the differences between policies are those of their decisions.
    noise = 0.0 if scenario.sales_noise is None else market.margin * float(scenario.sales_noise.sum())
    return References(even_value, replace(plan, value=plan.value + noise, upper_bound=plan.upper_bound + noise))


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

    def __init__(self, market: Market, outlook: Outlook, envelope_caps: FloatArray | None = None) -> None:
        self.market = market
        rows = np.arange(len(outlook.demand))
        lag = rows[:, None] - rows[None, : outlook.periods]
        theta = market.theta[:, None, None]
        # (N, T + tail, T): what the spend of each period contributes to the adstock of every period.
        self.carry = np.where(lag >= 0, (1.0 - theta) * theta ** np.maximum(lag, 0), 0.0) * outlook.media.T[:, None, :]
        self.start = outlook.adstock * market.theta ** (rows[:, None] + 1)
        self.demand = market.margin * outlook.demand
        self._tangent = np.zeros(len(market.names))
        if envelope_caps is not None and not market.is_concave:
            highest = (envelope_caps * outlook.media).max(axis=0)
            self._tangent = _tangent_points(market, np.maximum(highest, outlook.adstock))
        self._chord = market.response(self._tangent) / np.where(self._tangent > 0.0, self._tangent, 1.0)

    def adstock(self, spend: FloatArray) -> FloatArray:
        """Adstock of all periods and the tail, shape (T + tail, N); floored where slopes are infinite (alpha < 1)."""
        adstock = self.start + np.einsum("nrt,tn->rn", self.carry, spend)
        return np.asarray(np.maximum(adstock, _LEAST_ADSTOCK * self.market.kappa))

    def value(self, spend: FloatArray) -> float:
        adstock = self.adstock(spend)
        sales = self.market.response(np.maximum(adstock, self._tangent))
        sales = np.where(adstock < self._tangent, adstock * self._chord, sales)
        return float((self.demand * sales).sum() - self.market.spend_cost * spend.sum())

    def gain(self, spend: FloatArray) -> float:
        """Value over that of no spend."""
        return self.value(spend) - self.value(np.zeros_like(spend))

    def gradient(self, spend: FloatArray) -> FloatArray:
        adstock = self.adstock(spend)
        slope = np.where(adstock < self._tangent, self._chord, self.market.marginal_response(adstock))
        return np.asarray(np.einsum("nrt,rn->tn", self.carry, self.demand * slope) - self.market.spend_cost)

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
        bend = np.where(adstock < self._tangent, 0.0, np.maximum(bend, 0.0)) * self.demand
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
        self.low = np.broadcast_to(low, (periods, low.shape[-1]))
        self.cap = np.broadcast_to(cap, (periods, cap.shape[-1]))
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
        share = min(1.0, (self.budget - self.low.sum()) / max(above, 1e-300))
        return np.asarray(np.minimum(self.low + (plan - self.low) * share, self.cap))

    def starts(self, relaxed: FloatArray, efficient: FloatArray, pulses: Sequence[FloatArray]) -> Iterator[FloatArray]:
        """Plans to search from: center, relaxed, pulses, and bursts of each channel at its most efficient spend."""
        center = self.center()
        yield center
        yield 0.9 * relaxed + 0.1 * center
        for plan in pulses:
            yield 0.95 * plan + 0.05 * center
        spare = self.budget - self.low.sum()
        for channel in range(self.cap.shape[1]):
            low, cap = self.low[:, channel], self.cap[:, channel]
            level = efficient[channel] - low[0] if efficient[channel] > low[0] else cap[0] - low[0]
            bursts = max(1, round(spare / level))
            for first in (0, self.cap.shape[0] // 2):
                plan = self.low.copy()
                chosen = np.roll(np.arange(self.cap.shape[0]), -first)[:bursts]
                plan[chosen, channel] = np.minimum(cap[chosen], low[chosen] + spare / bursts)
                yield 0.95 * plan + 0.05 * center

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
