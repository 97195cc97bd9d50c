"""What plans lead to under every draw of the parameters."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.campaign.scenario import Scenario
from sb3_ext.envs.ad_spend.market.market import Market
from sb3_ext.spend_plan.outcome import Outcome, simulate


class Drawn(NamedTuple):
    """What P plans lead to under n draws."""

    mean: Outcome
    """Means over the draws."""
    value: FloatArray
    """Money earned, shape (P, n)."""
    sales: FloatArray
    """Sales per period, shape (P, T, n)."""


def simulate_draws(market: Market, budget: float, plans: FloatArray) -> Drawn:
    """Carry out plans, shape (P, T, N), money, under each of the market's draws."""
    scenario = Scenario(curves=market.draw_curves, theta=market.draw_theta, weights=market.draw_weights)
    count = len(market.draw_theta)
    outcomes = [simulate(market, budget, np.broadcast_to(plan, (count, *plan.shape)), scenario) for plan in plans]
    return Drawn(
        Outcome(*(np.stack([np.mean(numbers, axis=0) for numbers in each]) for each in zip(*outcomes, strict=True))),
        np.stack([outcome.value for outcome in outcomes]),
        np.stack([outcome.sales.T for outcome in outcomes]),
    )


def lowest_mean(values: FloatArray, share: float) -> FloatArray:
    """Mean of the lowest share of values of shape (..., n): conditional value at risk, shape (...)."""
    ordered = np.sort(values, axis=-1)
    mass = np.clip(share * values.shape[-1] - np.arange(values.shape[-1]), 0.0, 1.0)
    return np.asarray(ordered @ mass / mass.sum())
