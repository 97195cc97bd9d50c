"""One channel of a campaign: without the budget that they share, channels can be planned one by one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.market.curves import Curves
from sb3_ext.envs.ad_spend.market.market import Market
from sb3_ext.envs.ad_spend.optimum.outlook import Outlook


@dataclass(frozen=True)
class ChannelProblem:
    """One channel of a campaign."""

    curve: Curves
    """Its response curve, elementwise."""
    theta: float
    """Its carry-over per period."""
    start: float
    """Adstock before the first period, money."""
    demand: FloatArray
    """Money per unit of sales in every period and in those of the tail, shape (T + tail,)."""
    media: FloatArray
    """Media that a unit of money buys, shape (T,)."""
    low: FloatArray
    """Smallest spends, shape (T,), money."""
    cap: FloatArray
    """Largest spends, shape (T,), money."""
    spend_cost: float
    """Money lost per unit of spend."""
    spend_afterwards: float
    """Spend per period of the tail, money."""

    @property
    def periods(self) -> int:
        """Number of periods to plan."""
        return len(self.media)

    @property
    def highest_adstock(self) -> float:
        """No adstock can get higher, money."""
        return max(self.start, float((self.cap * self.media).max()))

    def carry_over(self, adstock: FloatArray, spend: FloatArray, period: int) -> FloatArray:
        """Adstock of a period, from that of the period before and the spend, elementwise."""
        return np.asarray(self.theta * adstock + (1.0 - self.theta) * self.media[period] * spend)

    def tail(self, adstock: FloatArray) -> FloatArray:
        """Money that the adstocks left at the end still earn, shape (n,)."""
        powers = self.theta ** np.arange(1, len(self.demand) - self.periods + 1)
        levels = adstock[:, None] * powers + self.spend_afterwards * (1.0 - powers)
        return np.asarray(self.curve.response(levels) @ self.demand[self.periods :])


def channel_problems(market: Market, outlook: Outlook, low: FloatArray, cap: FloatArray) -> list[ChannelProblem]:
    """
    Take a campaign apart: one problem per channel, within bounds of shape (N, T), money.

    The state of a problem is one adstock. Where carry-over has a window, it stands here as a geometric one of the same
    mean delay: good enough for plans to search from, but not for bounds.
    """
    theta = outlook.theta
    if outlook.weights is not None:
        delay = (outlook.weights * np.arange(outlook.weights.shape[-1])).sum(axis=-1)
        theta = np.where(theta > 0.0, theta, delay / (1.0 + delay))
    return [
        ChannelProblem(
            outlook.curves.channel(i),
            float(theta[i]),
            float(outlook.adstock[i]),
            market.margin * outlook.demand[i],
            outlook.media[i],
            low[i],
            cap[i],
            market.spend_cost,
            float(market.spend_afterwards[i]),
        )
        for i in range(len(market.names))
    ]
