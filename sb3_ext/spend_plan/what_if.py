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

from sb3_ext.common.arrays import FloatArray
from sb3_ext.common.palette import color_of
from sb3_ext.envs.ad_spend import Market, plan_optimal
from sb3_ext.envs.ad_spend.optimum.objective import Objective
from sb3_ext.envs.ad_spend.optimum.outlook import Outlook
from sb3_ext.spend_plan.plan import SpendPlan
from sb3_ext.spend_plan.tables import money_digits

_KNOTS, _FEW_KNOTS = 20, 8
# Small amounts lie closer than large ones.
_DENSER = 2.0
# Around what the plan spends itself the amounts lie closer.
_NEAR = (0.85, 1.0, 1.2)
_POINTS = 6
_LONGEST, _LONGEST_S_SHAPED = 130, 60
_TOLERANCE = 1e-4
HIGHEST = 2.0
"""Largest budget on offer, as a multiple of the plan's."""


def what_if(plan: SpendPlan) -> dict[str, Any] | None:
    """The data as JSON-ready values; None where the campaign is too long to be planned so many times."""
    campaign, market = plan.campaign, plan.campaign.market
    longest = _LONGEST if market.is_concave else _LONGEST_S_SHAPED
    if campaign.periods > longest or not plan.total:
        return None
    channels = []
    for index, name in enumerate(market.names):
        own = _spend_range(plan, index)
        alone = _alone(market, index)
        money, plans, value, bound = _best_plans(plan, alone, index, *own)
        points = _between(money, plans)
        objective = Objective(alone, Outlook.of_campaign(alone, campaign.periods))
        sold = objective.gain(points[1][:, None, :])
        tangents = (
            _tangents(objective, plans, float(campaign.low[index]), float(campaign.cap[index]))
            if alone.is_concave
            else None
        )
        above = _above(money, value, bound, tangents)
        channels.append(
            {
                "name": name,
                "color": color_of(index),
                "least": own[0],
                "most": own[1],
                "money": _short(money),
                "plans": [_cents(each) for each in plans],
                "at": _short(points[0]),
                "value": _short(sold),
                "above": [_short(each) for each in above],
            }
        )
    numbers = plan.economics
    return {
        "budget": campaign.budget,
        "highest": HIGHEST * campaign.budget,
        "dates": [day.isoformat() for day in campaign.dates],
        "margin": market.margin,
        "cost": market.spend_cost,
        "digits": money_digits(plan),
        "spend": [_cents(each) for each in plan.spend.T],
        "value": market.margin * float(numbers.sales[-1]) - market.spend_cost * plan.total,
        "price": market.margin * float(numbers.marginal[-1]) - market.spend_cost,
        "bound": plan.upper_bound if not plan.n_paths else None,
        "interval": None,
        "draws": 0,
        "concave": market.is_concave,
        "channels": channels,
    }


def _alone(market: Market, index: int) -> Market:
    """The market with one channel only."""
    return replace(
        market,
        channels=(market.channels[index],),
        draws=tuple((draw[index],) for draw in market.draws),
        randomness=type(market.randomness)(),
    )


def _spend_range(plan: SpendPlan, index: int) -> tuple[float, float]:
    """Least and most that a channel may spend in a campaign with the highest budget, money."""
    campaign = plan.campaign
    least, most = (float(end[index]) * campaign.periods for end in (campaign.low, campaign.cap))
    return least, max(least, min(most, HIGHEST * campaign.budget))


def _best_plans(
    plan: SpendPlan, alone: Market, index: int, least: float, most: float
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Amounts of money (K,), the best plan for each (K, T), what it earns (K,) and what none earns more than (K,)."""
    campaign = plan.campaign
    own = plan.spend[:, index]
    knots = _KNOTS if alone.is_concave else _FEW_KNOTS
    amounts = least + (most - least) * np.linspace(0.0, 1.0, knots) ** _DENSER
    near = np.array(_NEAR) * own.sum()
    amounts = np.concatenate([amounts, near[(near > least) & (near < most)]])
    amounts = np.unique(np.round(amounts[amounts > 0.0], 2))
    # Amounts that lie closer than this would be the same to the eye.
    amounts = amounts[np.diff(amounts, append=np.inf) > 1e-3 * most]
    rows = [(0.0, np.zeros(campaign.periods), 0.0, 0.0)] if least == 0.0 else []
    low, cap = campaign.low[index], campaign.cap[index]
    for money in amounts:
        best = plan_optimal(alone, money, campaign.periods, low=low, cap=cap, tolerance=_TOLERANCE)
        rows.append((float(money), best.spend[:, 0], best.value, best.upper_bound))
    money, plans, value, bound = (np.array(column) for column in zip(*rows, strict=True))
    # More money is never worth less, as it may be left unspent.
    for row in range(1, len(rows)):
        if value[row] < value[row - 1]:
            value[row], plans[row] = value[row - 1], plans[row - 1]
    return money, plans, value, np.maximum(bound, value)


def _between(money: FloatArray, plans: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Amounts (M,) and plans (M, T), with some between those computed."""
    if len(money) == 1:
        return money, plans
    at = np.append(np.concatenate([np.linspace(*ends, _POINTS, endpoint=False) for ends in _pairs(money)]), money[-1])
    mixed = np.stack([np.interp(at, money, spend) for spend in plans.T], axis=1)
    return at, mixed


def _pairs(numbers: FloatArray) -> list[tuple[float, float]]:
    return list(zip(numbers[:-1].tolist(), numbers[1:].tolist(), strict=True))


def _tangents(objective: Objective, plans: FloatArray, low: float, cap: float) -> tuple[FloatArray, FloatArray]:
    """
    Slopes and levels, (K,), of lines above what a channel can earn by the money it may spend, where that is concave.

    No plan s earns more than ``value(x) + <gradient(x), s - x>``, which at a price on money that does not limit it is
    most where each spend is ``low`` or ``cap``.
    """
    spend = plans[:, None, :]
    gradient = objective.gradient(spend)
    weights = spend / np.maximum(spend.sum(axis=(1, 2), keepdims=True), 1e-300)
    price = np.maximum(
        np.where(spend.any(axis=(1, 2)), (gradient * weights).sum(axis=(1, 2)), gradient.max(axis=(1, 2))), 0.0
    )
    rest = gradient - price[:, None, None]
    levels = objective.gain(spend) + (np.maximum(rest * low, rest * cap) - gradient * spend).sum(axis=(1, 2))
    return price, levels


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
