"""One plan for several models of the same channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.market.market import Market
from sb3_ext.envs.ad_spend.market.selection import with_channels
from sb3_ext.envs.ad_spend.optimum.aim import Aim
from sb3_ext.envs.ad_spend.optimum.channel_problem import channel_problems
from sb3_ext.envs.ad_spend.optimum.conditional import plan_under_conditions
from sb3_ext.envs.ad_spend.optimum.constraints import Constraints, bounds_as_conditions
from sb3_ext.envs.ad_spend.optimum.outlook import Outlook
from sb3_ext.envs.ad_spend.optimum.plan import Plan, plan_optimal
from sb3_ext.envs.ad_spend.optimum.uncertain import Lowest


@dataclass(frozen=True, eq=False)
class Robust:
    """A plan for K models, and what it and the models' own plans earn."""

    spend: FloatArray
    """Shape (T, N), money, channels in the first model's order."""
    share: float
    """What it earns of each model's own optimum at least."""
    upper_bound: float
    """No plan earns a larger share everywhere."""
    own: tuple[Plan, ...]
    """The best plan of each model."""
    values: FloatArray
    """What the models' own plans and then the robust one earn, shape (K + 1, K): by plan, then by model, money."""


def same_channels(markets: Sequence[Market]) -> list[Market]:
    """
    The markets with their channels in the first one's order.

    :raises ValueError: If channels or lengths of periods differ.
    """
    first, ordered = markets[0], [markets[0]]
    for market in markets[1:]:
        if set(market.names) != set(first.names) or market.period_days != first.period_days:
            raise ValueError(
                f"models that are compared need the same channels and periods, got {', '.join(market.names)} every "
                f"{market.period_days:g} days and {', '.join(first.names)} every {first.period_days:g} days"
            )
        ordered.append(with_channels(market, [market.names.index(name) for name in first.names]))
    return ordered


def plan_robust(
    markets: Sequence[Market],
    budget: float,
    periods: int,
    *,
    low: FloatArray,
    cap: FloatArray,
    constraints: Constraints | None = None,
    tolerance: float = 1e-5,
) -> Robust:
    """
    The plan whose smallest share of what is best under each model is largest: no model's money counts for more because
    it promises more, and none is given up for another. Each model's value is the mean over its draws where it has some.

    The smallest of concave functions is concave, and any weighted mean of them is above it: that of the weights found
    bounds the optimum as in :class:`~sb3_ext.envs.ad_spend.optimum.uncertain.Lowest`.

    :param markets: Models of the same channels, at least 2.
    :param budget: Budget, money.
    :param periods: Length of the campaign.
    :param low: Smallest spends, shape (N,), in the first market's order.
    :param cap: Largest spends, likewise.
    :param constraints: What all plans have to keep to besides, channels likewise. Default: nothing.
    :param tolerance: Relative gap to stop at, in (0, 1).
    :return: The plan and the comparison.
    :raises ValueError: If the markets do not match, or under one of them no plan earns anything.
    :raises Infeasible: If no plan keeps to bounds, budget and constraints; it names what contradicts.
    """
    markets = same_channels(markets)
    own = tuple(
        plan_optimal(
            market,
            budget,
            periods,
            low=low,
            cap=cap,
            tolerance=0.1 * tolerance,
            constraints=constraints,
            draws=bool(market.draws),
        )
        for market in markets
    )
    if any(plan.value <= 0.0 for plan in own):
        raise ValueError("under one of the models no plan earns anything: there is nothing to compare")
    lows, caps = (np.broadcast_to(end, (periods, len(low))).T for end in (low, cap))
    outlooks = [(Outlook.of_draws if market.draws else Outlook.of_campaign)(market, periods) for market in markets]
    best = np.array([plan.value for plan in own])
    # In money, as precision is: the mean of what the models promise times the share.
    unit, share = float(best.mean()), 1.0 / len(markets)

    def aims_within(least: FloatArray, most: FloatArray) -> list[Aim]:
        return [Aim.of(market, outlook, least, most, None) for market, outlook in zip(markets, outlooks, strict=True)]

    def robust_aim(least: FloatArray, most: FloatArray) -> Aim:
        aims = aims_within(least, most)
        idle = np.array([aim.idle for aim in aims])
        objective = Lowest([aim.objective for aim in aims], idle, unit / best, share)
        if all(aim.is_concave for aim in aims):
            return Aim(objective, objective, 0.0)
        return Aim(objective, Lowest([aim.relaxation for aim in aims], idle, unit / best, share), 0.0)

    given = constraints or Constraints()
    starts = [plan.spend.T for plan in own]
    found = plan_under_conditions(
        robust_aim,
        channel_problems(markets[0], Outlook.of_campaign(markets[0], periods), lows, caps),
        budget,
        [*given.conditions, *bounds_as_conditions(markets[0].names, budget, lows.T, caps.T)],
        given.buys(lows.T.shape),
        tolerance,
        starts,
    )
    aims = aims_within(lows, caps)
    values = np.array([[aim.gain(plan) for aim in aims] for plan in (*starts, found.spend)])
    return Robust(found.spend.T.copy(), found.gain / unit, found.upper_bound / unit, own, values)
