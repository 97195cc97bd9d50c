"""What finance asks of a plan: sales, ROAS, marginal ROAS and net result, by channel and in total."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sb3_ext.common.arrays import BoolArray, FloatArray
from sb3_ext.envs.ad_spend import Market
from sb3_ext.envs.ad_spend.optimum.objective import Objective
from sb3_ext.envs.ad_spend.optimum.outlook import Outlook
from sb3_ext.envs.ad_spend.optimum.uncertain import DrawnObjectives, Mean
from sb3_ext.spend_plan.campaign import Campaign

_CENT = 0.01


class Economics(NamedTuple):
    """Numbers of the plan, shape (N + 1,): by channel, then in total; all as if everything happened as expected."""

    spend: FloatArray
    """Money."""
    sales: FloatArray
    """Sales over a campaign that spends nothing, carry-over afterwards included."""
    roas: FloatArray
    """Sales per unit of spend; NaN where nothing is spent."""
    marginal: FloatArray
    """Sales of the next unit of spend where the plan spends and may spend more; without spend, in the best period."""
    net: FloatArray
    """Margin times sales, less spend."""
    past: FloatArray
    """What the past spent in as many periods, at its mean."""
    break_even: float
    """The ROAS at which the net result is 0."""


def economics(campaign: Campaign, spend: FloatArray) -> Economics:
    """What spends of shape (T, N), money, lead to."""
    market = campaign.market
    objective = expected_earnings(market, campaign.periods)
    # Channels do not influence each other: what one earns alone it earns in any plan.
    alone = np.array([objective.gain(spend.T * own[:, None]) for own in np.eye(len(market.names))])
    totals = spend.sum(axis=0)
    sales = (alone + market.spend_cost * totals) / market.margin
    slopes = (objective.gradient(spend.T) + market.spend_cost) / market.margin
    room = spend.T < np.transpose(np.broadcast_to(campaign.cap, spend.shape)) - _CENT
    marginal = [_mean_slope(*channel) for channel in zip(slopes, spend.T, room, strict=True)]
    total = float(totals.sum())
    spends, all_sales = np.append(totals, total), np.append(sales, sales.sum())
    return Economics(
        spends,
        all_sales,
        np.divide(all_sales, spends, out=np.full_like(spends, np.nan), where=spends > 0.0),
        np.array([*marginal, _mean_slope(slopes.ravel(), spend.T.ravel(), room.ravel())]),
        market.margin * all_sales - spends,
        np.append(market.historical_mean, market.historical_mean.sum()) * campaign.periods,
        1.0 / market.margin,
    )


def expected_earnings(market: Market, periods: int) -> Objective | Mean:
    """What spends of shape (N, T) earn as expected: on average over the draws, where there are any."""
    if not market.draws:
        return Objective(market, Outlook.of_campaign(market, periods))
    count = len(market.draws)
    return Mean(DrawnObjectives(market, Outlook.of_draws(market, periods)), np.full(count, 1.0 / count))


def _mean_slope(slopes: FloatArray, spend: FloatArray, room: BoolArray) -> float:
    """Mean of slopes, weighted by the spends with room for more; by all spends where none has."""
    weights = np.where(room, spend, 0.0) if np.any(spend[room] > _CENT) else spend
    return float(slopes @ weights / weights.sum()) if weights.sum() > _CENT else float(slopes.max())
