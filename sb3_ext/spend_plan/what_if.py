"""
What the page needs to plan for another budget and other limits: each channel's best plans for a few amounts of money.

Channels share the budget and nothing else, so a plan is a split of the budget between them and each one's best dates
for its part. Between the amounts computed, a channel's plan is a mean of its neighbours, which keeps to all bounds.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from sb3_ext.common.arrays import FloatArray, IntArray
from sb3_ext.common.palette import color_of
from sb3_ext.envs.ad_spend import Market, plan_optimal
from sb3_ext.envs.ad_spend.market.randomness import Randomness
from sb3_ext.envs.ad_spend.market.selection import with_channels
from sb3_ext.envs.ad_spend.optimum.objective import Objective
from sb3_ext.envs.ad_spend.optimum.outlook import Outlook
from sb3_ext.envs.ad_spend.optimum.uncertain import Mean
from sb3_ext.spend_plan.economics import expected_earnings
from sb3_ext.spend_plan.plan import SpendPlan
from sb3_ext.spend_plan.tables import money_digits

_KNOTS, _FEW_KNOTS = 20, 8
# Small amounts lie closer than large ones.
_DENSER = 2.0
# Around what the plan spends itself the amounts lie closer.
_NEAR = (0.85, 1.0, 1.2)
_POINTS = 6
_DRAWS, _PLANNING_DRAWS = 100, 24
_LONGEST, _LONGEST_S_SHAPED = 130, 60
_TOLERANCE = 1e-4
HIGHEST = 2.0
"""Largest budget on offer, as a multiple of the plan's."""


def what_if(plan: SpendPlan) -> dict[str, Any] | None:
    """
    The data as JSON-ready values.

    None where planning so many times takes too long, or where channels share more than a budget.
    """
    campaign, market = plan.campaign, plan.campaign.market
    longest = _LONGEST if market.is_concave else _LONGEST_S_SHAPED
    slow = campaign.periods > longest or (not market.is_concave and len(market.draws) > _PLANNING_DRAWS)
    if slow or not plan.total or campaign.constraints is not None or campaign.risk is not None:
        return None
    numbers, score = plan.economics, plan.score
    known = score.low is not None and score.high is not None and not plan.n_paths
    return {
        "budget": campaign.budget,
        "highest": HIGHEST * campaign.budget,
        "dates": [day.isoformat() for day in campaign.dates],
        "margin": market.margin,
        "cost": market.spend_cost,
        "digits": money_digits(plan),
        "spend": [_cents(each) for each in plan.spend.T],
        "value": market.margin * float(numbers.sales[-1]) - market.spend_cost * plan.total,
        "sales": _cents(numbers.sales[:-1]),
        "price": market.margin * float(numbers.marginal[-1]) - market.spend_cost,
        "bound": plan.upper_bound if not plan.n_paths else None,
        "interval": [score.low, score.high] if known else None,
        "draws": len(_shown_draws(market)) if known else 0,
        "concave": market.is_concave,
        "channels": [_channel(plan, index) for index in range(len(market.names))],
    }


def _channel(plan: SpendPlan, index: int) -> dict[str, Any]:
    """One channel's plans for a few amounts of money."""
    campaign = plan.campaign
    least, most = (float(end[index]) * campaign.periods for end in (campaign.low, campaign.cap))
    most = max(least, min(most, HIGHEST * campaign.budget))
    alone = replace(with_channels(campaign.market, [index]), randomness=Randomness())
    amounts = _amounts(plan.spend[:, index].sum(), least, most, alone.is_concave)
    earnings = expected_earnings(alone, campaign.periods)
    bounds = float(campaign.low[index]), float(campaign.cap[index])
    money, plans, bound = _best_plans(alone, campaign.periods, amounts, *bounds)
    at, mixed = _between(money, plans, _POINTS if isinstance(earnings, Objective) else 1)
    value = np.array([float(earnings.gain(spend[None])) for spend in mixed])
    tangents = None
    if alone.is_concave:
        tangents = _tangents(earnings, plans, *bounds)
        bound = (tangents[1][:, None] + tangents[0][:, None] * money).min(axis=0)
    best = np.interp(money, at, value)
    channel = {
        "name": alone.names[0],
        "color": color_of(index),
        "least": least,
        "most": most,
        "money": _short(money),
        "plans": [_cents(each) for each in plans],
        "at": _short(at),
        "value": _short(value),
        "above": [_short(each) for each in _above(money, best, np.maximum(bound, best), tangents)],
    }
    if isinstance(earnings, Mean):
        idle = earnings.values(np.zeros((1, campaign.periods)))
        drawn = np.array([earnings.values(spend[None]) - idle for spend in plans])
        channel["drawn"] = [_short(each) for each in drawn.T[_shown_draws(campaign.market)]]
    return channel


def _shown_draws(market: Market) -> IntArray:
    """Numbers of the draws that the page's interval comes from."""
    return np.unique(np.linspace(0, len(market.draws) - 1, _DRAWS).astype(np.int64))


def _amounts(own: float, least: float, most: float, is_concave: bool) -> FloatArray:
    """Amounts of money, above 0 and ascending, to plan a channel for that spends ``own`` in the plan."""
    amounts = least + (most - least) * np.linspace(0.0, 1.0, _KNOTS if is_concave else _FEW_KNOTS) ** _DENSER
    near = np.array(_NEAR) * own
    amounts = np.concatenate([amounts, near[(near > least) & (near < most)]])
    amounts = np.unique(np.round(amounts, 2))
    # Amounts that lie closer than this would be the same to the eye.
    return np.asarray(amounts[(amounts > 0.0) & (np.diff(amounts, append=np.inf) > 1e-3 * most)])


def _best_plans(
    alone: Market, periods: int, amounts: FloatArray, low: float, cap: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Amounts of money (K,), the best plan for each (K, T), and what none earns more than (K,)."""
    rows = [(0.0, np.zeros(periods), 0.0)] if low == 0.0 else []
    settings: dict[str, Any] = {"low": low, "cap": cap, "tolerance": _TOLERANCE}
    if alone.draws and alone.is_concave:
        # A few draws are enough to find good plans: what they earn, and what bounds them, comes from all.
        chosen = np.unique(np.linspace(0, len(alone.draws) - 1, _PLANNING_DRAWS).astype(np.int64))
        settings["outlook"] = Outlook.of_draws(alone, periods).of(chosen)
    else:
        settings["draws"] = bool(alone.draws)
    for money in amounts:
        best = plan_optimal(alone, money, periods, **settings)
        rows.append((float(money), best.spend[:, 0], best.upper_bound))
    money, plans, bound = (np.array(column) for column in zip(*rows, strict=True))
    return money, plans, bound


def _between(money: FloatArray, plans: FloatArray, points: int) -> tuple[FloatArray, FloatArray]:
    """Amounts (M,) and plans (M, T), with some between those computed."""
    if len(money) == 1:
        return money, plans
    at = np.append(np.concatenate([np.linspace(*ends, points, endpoint=False) for ends in _pairs(money)]), money[-1])
    mixed = np.stack([np.interp(at, money, spend) for spend in plans.T], axis=1)
    return at, mixed


def _pairs(numbers: FloatArray) -> list[tuple[float, float]]:
    return list(zip(numbers[:-1].tolist(), numbers[1:].tolist(), strict=True))


def _tangents(earnings: Objective | Mean, plans: FloatArray, low: float, cap: float) -> tuple[FloatArray, FloatArray]:
    """
    Slopes and levels, (K,), of lines above what a channel can earn by the money it may spend, where that is concave.

    No plan s earns more than ``value(x) + <gradient(x), s - x>``, which at a price on money that does not limit it is
    most where each spend is ``low`` or ``cap``.
    """
    prices, levels = [], []
    for spend in plans:
        gradient = earnings.gradient(spend[None])[0]
        price = max(float(gradient @ spend / spend.sum() if spend.any() else gradient.max()), 0.0)
        rest = gradient - price
        prices.append(price)
        levels.append(float(earnings.gain(spend[None]) + np.maximum(rest * low, rest * cap).sum() - gradient @ spend))
    return np.array(prices), np.array(levels)


def _above(
    money: FloatArray, value: FloatArray, bound: FloatArray, tangents: tuple[FloatArray, FloatArray] | None
) -> tuple[FloatArray, FloatArray]:
    """
    Corners of a line, (C,) amounts and (C,) money earned, above what the channel can earn with any amount.

    The least concave function above the best values lies between ``value`` and ``bound`` at the amounts computed. So
    beyond an amount it rises by no more than from ``value`` one before to ``bound`` there, and below an amount it falls
    by no less than from ``bound`` there to ``value`` one after; and more money is never worth less.
    """
    steps = np.diff(money)
    corners = [(float(money[0]), float(bound[0]))]
    for left, step in enumerate(steps):
        lines = [(0.0, float(bound[left + 1]))]
        if left > 0:
            rise = float((bound[left] - value[left - 1]) / steps[left - 1])
            lines.append((rise, float(bound[left])))
        if left + 2 < len(money):
            rise = max(0.0, float((value[left + 2] - bound[left + 1]) / steps[left + 1]))
            lines.append((rise, float(bound[left + 1]) - rise * step))
        if tangents is not None:
            lines += [
                (float(rise), float(level + rise * money[left]))
                for rise, level in zip(*(each[left : left + 2] for each in tangents), strict=True)
            ]
        crossings = [
            (level - other) / (steep - rise)
            for (rise, level), (steep, other) in combinations(lines, 2)
            if rise != steep and 0.0 < (level - other) / (steep - rise) < step
        ]
        for along in (*sorted(crossings), step):
            lowest = min(level + rise * along for rise, level in lines)
            # Only where the lowest of the lines changes.
            if along == step or sum(level + rise * along <= lowest * (1.0 + 1e-9) for rise, level in lines) > 1:
                corners.append((float(money[left] + along), lowest))
    at, above = np.array(corners).T
    return at, above


def _short(numbers: FloatArray) -> list[float]:
    """Seven significant digits, which are enough for pictures and sums."""
    return [float(f"{number:.7g}") for number in numbers]


def _cents(numbers: FloatArray) -> list[float]:
    return [float(f"{number:.2f}") for number in numbers]
