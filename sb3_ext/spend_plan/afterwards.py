"""``--afterwards same``: after its end a campaign goes on with what its own plan spends on average."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.common.wording import amount, period_name
from sb3_ext.envs.ad_spend.optimum.references import steady_spend
from sb3_ext.spend_plan.campaign import Campaign

# How far what is spent afterwards may be from the plan's mean, relative to the spend of all channels.
_CLOSE, _MOST_ROUNDS, _FULL_STEPS = 1e-3, 25, 8

Planner = Callable[[list[Campaign]], Sequence[FloatArray]]


def gone_on_the_same(campaigns: Sequence[Campaign], plan_all: Planner) -> list[Campaign]:
    """
    The campaigns, after each of which so much is spent per period as its plan then spends on average.

    ``plan_all`` returns the best spends of each, shape (T, N), money. The amounts are a fixed point, sought from the
    past's mix on: each plan is the best one for what is spent after it, and that is its own mean.
    """
    means = [_start(campaign) for campaign in campaigns]
    best = np.inf
    for number in range(_MOST_ROUNDS):
        held = [
            replace(campaign, market=replace(campaign.market, afterwards=tuple(mean.tolist())))
            for campaign, mean in zip(campaigns, means, strict=True)
        ]
        planned = [spend.mean(axis=0) for spend in plan_all(held)]
        total = max(float(sum(mean.sum() for mean in planned)), 0.01)
        apart = [np.abs(now - before) for now, before in zip(planned, means, strict=True)]
        furthest = max(float(each.max()) for each in apart) / total
        if furthest < best:
            best, nearest, distances = furthest, held, apart
        if best <= _CLOSE:
            return nearest
        # S-shaped channels may come and go with what is spent afterwards: smaller steps settle between.
        step = 1.0 if number < _FULL_STEPS else 0.5
        means = [before + step * (now - before) for now, before in zip(planned, means, strict=True)]
    return [_with_note(campaign, each) for campaign, each in zip(nearest, distances, strict=True)]


def _start(campaign: Campaign) -> FloatArray:
    past = campaign.market.historical_mean
    weights = past if past.any() else np.ones(len(past))
    return steady_spend(campaign.budget / campaign.periods, weights, campaign.low, campaign.cap)


def _with_note(campaign: Campaign, apart: FloatArray) -> Campaign:
    """Say that no fixed point was found."""
    market, worst = campaign.market, int(np.argmax(apart))
    note = (
        "no plan was found that spends on average exactly what is spent after it: for "
        f"{market.names[worst]} they differ by {amount(apart[worst], 2)} a {period_name(market.period_days)}"
    )
    return replace(campaign, market=replace(market, notes=(*market.notes, note)))
