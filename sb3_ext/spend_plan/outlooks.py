"""What a plan looks like from other budgets and other draws: the frontier, and how sure each channel's share is."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.market.randomness import Randomness
from sb3_ext.envs.ad_spend.optimum.frontier import frontier
from sb3_ext.envs.ad_spend.optimum.infeasible import Infeasible
from sb3_ext.envs.ad_spend.optimum.plan import Plan
from sb3_ext.spend_plan.campaign import Campaign

_STEPS = (0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5)
_DRAWS, _TOLERANCE = 40, 1e-3
# The middle share of the draws, and by how much its ends may differ from the plan's share for that to be sure.
_MIDDLE, _SURE = 0.8, 0.1


class Frontier(NamedTuple):
    """What the best plans of K budgets earn, ascending."""

    budget: FloatArray
    """Money, shape (K,)."""
    value: FloatArray
    """Money earned over no spend; of the mean of the lowest draws for a risk."""
    upper_bound: FloatArray
    """What no plan of the budget can earn more than."""
    spend: FloatArray
    """Spend per channel, shape (K, N), money."""
    past: float | None
    """What the past spent in as many periods, one of the budgets; None where unknown."""


class Shares(NamedTuple):
    """The shares of the channels in the spend, shapes (N,)."""

    planned: FloatArray
    low: FloatArray
    """Lower end of the middle 80% of the shares that are best under single draws."""
    high: FloatArray
    """Its upper end."""

    @property
    def sure(self) -> np.ndarray:
        """Which stay within 10 percentage points of the plan's whichever draw is true."""
        return np.maximum(self.high - self.planned, self.planned - self.low) <= _SURE


def find_frontier(campaign: Campaign, spend: FloatArray) -> Frontier:
    """The frontier around a plan of shape (T, N), money, within its bounds and its constraints, where these allow."""
    market = replace(campaign.market, randomness=Randomness())
    past = float(market.historical_mean.sum()) * campaign.periods
    low, cap = (np.broadcast_to(end, spend.shape) for end in (campaign.low, campaign.cap))
    budgets = {campaign.budget * step for step in _STEPS} | ({past} if past > 0.0 else set())
    possible = sorted(budget for budget in budgets if low.sum() * (1.0 + 1e-6) < budget)
    if campaign.constraints is not None:
        found = {budget: _best(replace(campaign, budget=budget)) for budget in possible}
        possible = [budget for budget in possible if found[budget] is not None]
        plans = [plan for plan in found.values() if plan is not None]
    else:
        plans = frontier(
            market, possible, low, cap, spend, draws=bool(market.draws), risk=campaign.risk, tolerance=_TOLERANCE
        )
    return Frontier(
        np.array(possible),
        np.array([plan.value for plan in plans]),
        np.array([plan.upper_bound for plan in plans]),
        np.array([plan.spend.sum(axis=0) for plan in plans]),
        past if past in possible else None,
    )


def _best(campaign: Campaign) -> Plan | None:
    """The best plan; None where the constraints allow none."""
    try:
        return campaign.best(_TOLERANCE)
    except Infeasible:
        return None


def find_shares(campaign: Campaign, spend: FloatArray) -> Shares:
    """How the shares of a plan, shape (T, N), compare with those that would be best under single draws."""
    market = replace(campaign.market, randomness=Randomness())
    chosen = np.unique(np.linspace(0, len(market.draws) - 1, _DRAWS).astype(int))
    best = [
        replace(campaign, market=replace(market, channels=market.draws[draw], draws=()), risk=None)
        .best(_TOLERANCE)
        .spend.sum(axis=0)
        for draw in chosen
    ]
    shares = np.array([totals / max(totals.sum(), 1e-300) for totals in best])
    low, high = np.quantile(shares, [0.5 - 0.5 * _MIDDLE, 0.5 + 0.5 * _MIDDLE], axis=0)
    totals = spend.sum(axis=0)
    return Shares(totals / max(totals.sum(), 1e-300), low, high)
