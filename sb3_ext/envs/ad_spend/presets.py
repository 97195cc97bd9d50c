"""The markets behind the registered AdSpend ids. The numbers are synthetic, of the size of a small online shop."""

from __future__ import annotations

import math
from dataclasses import replace

from sb3_ext.envs.ad_spend.params import Channel, Market

PERIODS = 28
BUDGET = 100_000.0
_EVEN = BUDGET / PERIODS / 2


def static() -> Market:
    """
    Static concave curves, revenue as reward, no carry-over, no noise: the problem of the tutorial.

    :return: The market of ``AdSpend-v0``.
    """
    return Market(
        (
            Channel("facebook", beta=9000.0, kappa=3000.0, historical_mean=_EVEN),
            Channel("instagram", beta=6000.0, kappa=1500.0, historical_mean=_EVEN),
        )
    )


def adstock() -> Market:
    """
    Carry-over of 0.3 and 0.1 a week, a warm start at the even split and credit for the sales after the campaign.

    :return: The market of ``AdSpendAdstock-v0``.
    """
    facebook, instagram = static().channels
    return Market((replace(facebook, theta=0.3 ** (1 / 7)), replace(instagram, theta=0.1 ** (1 / 7))))


def seasonal() -> Market:
    """
    Carry-over, a weekly season of 25 % and a promotion that doubles demand around day 21.

    :return: The market of ``AdSpendSeasonal-v0``.
    """

    def factor(day: int) -> float:
        weekly = 1.0 + 0.25 * math.sin(2.0 * math.pi * day / 7.0)
        return weekly * (1.0 + math.exp(-0.5 * ((day - 21) / 1.5) ** 2))

    return replace(adstock(), season=tuple(factor(day) for day in range(PERIODS)))


def profit() -> Market:
    """
    Carry-over where a unit of spend costs 1.5: profit is the reward, and leaving budget unspent can pay.

    :return: The market of ``AdSpendProfit-v0``.
    """
    return replace(adstock(), spend_cost=1.5)


PRESETS = {"static": static, "adstock": adstock, "seasonal": seasonal, "profit": profit}
