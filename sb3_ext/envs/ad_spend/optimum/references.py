"""What campaigns are compared with: even pacing, and the best plan of someone who knows everything in advance."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.campaign.scenario import Scenario
from sb3_ext.envs.ad_spend.campaign.simulator import CampaignSimulator
from sb3_ext.envs.ad_spend.market.checks import check_count
from sb3_ext.envs.ad_spend.market.market import Market
from sb3_ext.envs.ad_spend.optimum.outlook import Outlook
from sb3_ext.envs.ad_spend.optimum.plan import Plan, plan_optimal


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

    Arguments as for :func:`plan_optimal`, with the largest spends to order.

    :param scenario: The path of the campaign.
    :return: The plan; its spends are those delivered, its value leaves out the noise of the sales.
    :raises ValueError: If the scenario is of several campaigns or another length, or an argument is out of range.
    """
    shape, drawn = (check_count(periods, "periods"), len(market.names)), scenario.curves
    fits = all(path is None or path.shape == shape for path in (scenario.media, scenario.drift, scenario.delivery))
    if not fits or (drawn is not None and drawn.beta.shape != shape[1:]):
        raise ValueError(f"the scenario must be of one campaign of {shape[0]} periods and {shape[1]} channels")
    caps = cap if scenario.delivery is None else np.asarray(cap, dtype=np.float64) * scenario.delivery
    outlook = Outlook.of_campaign(market, periods, scenario)
    return plan_optimal(market, budget, periods, cap=caps, tolerance=tolerance, outlook=outlook)


def steady_spend(money: float, weights: FloatArray, low: FloatArray, cap: FloatArray) -> FloatArray:
    """
    Spend ``money`` every period in the proportions ``weights`` (not all 0), as near as the bounds allow; all of shape
    (N,). What a channel may not spend the others with a weight do, so that plans are compared at equal spend.
    """
    spend: FloatArray = money * weights / weights.sum()
    if np.all(spend >= low) and np.all(spend <= cap):
        return spend
    most, least = np.where(weights > 0.0, cap, low), low
    if most.sum() <= money or least.sum() >= money:
        return np.asarray(most if most.sum() <= money else least)
    # Between the scale at which every channel is at its lowest and the one at which every channel is at its highest.
    ratios = most[weights > 0.0] / weights[weights > 0.0]
    few, many = 0.0, float(ratios.max())
    for _ in range(200):
        middle = 0.5 * (few + many)
        few, many = (middle, many) if np.clip(middle * weights, least, most).sum() < money else (few, middle)
    return np.asarray(np.clip(many * weights, least, most))


def campaign_references(market: Market, budget: float, periods: int, cap: FloatArray, scenario: Scenario) -> References:
    """Value of even pacing and the best plan, in one campaign; in a random market that is the clairvoyant's."""
    if not market.randomness.any:
        return reference_plans(market, budget, periods, cap)
    campaign = CampaignSimulator(market, budget, periods)
    campaign.reset(scenario)
    even = steady_spend(budget / periods, np.ones(len(cap)), np.zeros(len(cap)), cap)
    steps = [campaign.step(even) for _ in range(periods)]
    even_value = float(sum(step.value + step.tail for step in steps))
    plan = plan_clairvoyant(market, budget, periods, cap, scenario)
    # Noise hits every plan alike: with it the differences between policies are those of their decisions.
    noise = 0.0 if scenario.sales_noise is None else market.margin * float(scenario.sales_noise.sum())
    return References(even_value, replace(plan, value=plan.value + noise, upper_bound=plan.upper_bound + noise))


def reference_plans(market: Market, budget: float, periods: int, cap: FloatArray) -> References:
    """
    Value of even pacing, and the best plan; remembered for the campaigns seen last. Smallest spends do not bind here:
    an agent that has run out of money stays below them, so only the plans without them bound what it can earn.
    """
    # Draws play no part, and hashing thousands of them takes longer than a campaign.
    market = replace(market, draws=()) if market.draws else market
    return _reference_plans(market, budget, periods, tuple(cap.tolist()))


@lru_cache(maxsize=64)
def _reference_plans(market: Market, budget: float, periods: int, cap: tuple[float, ...]) -> References:
    plan = plan_optimal(market, budget, periods, cap=cap, tolerance=1e-8)
    even = steady_spend(budget / periods, np.ones(len(cap)), np.zeros(len(cap)), np.array(cap))
    even_value = CampaignSimulator(market, budget, periods).plan_value(np.tile(even, (periods, 1)))
    return References(even_value, plan)
