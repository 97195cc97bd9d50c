"""Campaigns in which everything left is planned anew every period: a policy near the best one, for many at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.campaign.scenario import Scenario
from sb3_ext.envs.ad_spend.campaign.simulator import CampaignSimulator
from sb3_ext.envs.ad_spend.market.market import Market
from sb3_ext.envs.ad_spend.optimum.objective import Objective
from sb3_ext.envs.ad_spend.optimum.outlook import Outlook, expected_media
from sb3_ext.envs.ad_spend.optimum.replanning import Replanner

# Relative to the budget: what counts as all of it.
_ALL = 1e-2


@dataclass(frozen=True, eq=False)
class Replanned:
    """What re-planning does in n campaigns, and what it thinks money is worth."""

    spend: FloatArray
    """Shape (n, N, T), money."""
    adstock: FloatArray
    """Adstock that sold in every period, likewise."""
    left: FloatArray
    """Budget left after every period, shape (n, T), money."""
    price: FloatArray
    """What one more unit of budget was worth when a period was planned, shape (n, T)."""
    value: FloatArray
    """What the campaigns earned, shape (n,), money, noise of the sales included."""


def replan_campaigns(
    market: Market, budget: float, periods: int, cap: FloatArray, scenario: Scenario, tolerance: float = 1e-3
) -> Replanned:
    """
    Go through n campaigns of a market with geometric carry-over as certainty-equivalent MPC does, with as much
    foresight as the penalty takes away: what a channel's demand has become by yesterday is known.
    """
    path = scenario.drift if scenario.media is None else scenario.media
    assert path is not None
    n, n_channels = path.shape[1:]
    campaigns = CampaignSimulator(market, budget, periods, n)
    campaigns.reset(scenario)
    replanner = Replanner(market, budget, np.zeros(n_channels), cap, tolerance)
    demand, value = Outlook.expected_demand(market, periods), np.zeros(n)
    spend, adstock = np.empty((n, n_channels, periods)), np.empty((n, n_channels, periods))
    left, price = np.empty((n, periods)), np.zeros((n, periods))
    for now in range(periods):
        media = np.ones((n, n_channels, periods - now))
        if scenario.price_shock is not None:
            media = expected_media(market.randomness, scenario.price_shock[now], periods - now)
        to_come = demand[:, now:]
        if scenario.drift is not None:
            to_come = to_come * scenario.drift[max(now - 1, 0)][..., None]
        rest = Outlook(market.curves, market.theta, campaigns.adstock, media, to_come)
        money = campaigns.budget_left
        plan = replanner.plan(rest, money)
        gradient = Objective(market, rest).gradient(plan)
        # Where all money is planned, it is worth what any spend that could be larger would earn with it.
        marginal = np.where(plan < cap[:, None] * (1.0 - _ALL), gradient, 0.0).max(axis=(1, 2))
        price[:, now] = np.where(plan.sum(axis=(1, 2)) >= money * (1.0 - _ALL), np.maximum(marginal, 0.0), 0.0)
        period = campaigns.step(plan[..., 0])
        value += period.value + period.tail
        spend[..., now], adstock[..., now], left[:, now] = period.spend, period.adstock, campaigns.budget_left
    return Replanned(spend, adstock, left, price, value)
