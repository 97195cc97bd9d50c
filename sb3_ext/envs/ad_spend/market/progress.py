"""A market once some periods of a campaign are over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.market.channel import Channel
from sb3_ext.envs.ad_spend.market.market import Market


def after(market: Market, spend: FloatArray) -> Market:
    """
    The market as it is after the first periods of a campaign: what they left of advertising, which are part of its
    history then, and the season to come.

    :param market: The market before the campaign.
    :param spend: What was spent in the first k periods, shape (k, N), money >= 0.
    :return: The market; a campaign of its first periods goes on as the other one would have.
    """
    spend = np.asarray(spend, dtype=np.float64)
    changes: dict[str, Any] = {}
    if market.first_day is not None:
        changes["first_day"] = market.first_day + timedelta(days=round(len(spend) * market.period_days))
    for name in ("season", "baseline"):
        repeated = getattr(market, name)
        gone = len(spend) % max(len(repeated), 1)
        changes[name] = repeated[gone:] + repeated[:gone]
    draws = tuple(_carried(draw, spend) for draw in market.draws)
    return replace(market, channels=_carried(market.channels, spend), draws=draws, **changes)


def _carried(channels: Iterable[Channel], spend: FloatArray) -> tuple[Channel, ...]:
    carried = []
    for channel, spent in zip(channels, spend.T, strict=True):
        level = None
        if channel.weights is None:
            level = channel.adstock_before
            for money in spent.tolist():
                level = channel.theta * level + (1.0 - channel.theta) * money
        carried.append(replace(channel, history=(*channel.history, *spent.tolist()), initial_adstock=level))
    return tuple(carried)
