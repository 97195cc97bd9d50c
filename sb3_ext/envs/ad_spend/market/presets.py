"""The markets behind the registered AdSpend ids. The numbers are synthetic, of the size of a small online shop."""

from __future__ import annotations

import math
import os
from dataclasses import replace

from sb3_ext.envs.ad_spend.market.channel import Channel
from sb3_ext.envs.ad_spend.market.market import Market
from sb3_ext.envs.ad_spend.market.randomness import Randomness

__all__ = [
    "PRESETS",
    "adstock",
    "delivery",
    "drift",
    "noisy",
    "profit",
    "resolve_market",
    "s_shape",
    "seasonal",
    "shock",
    "static",
    "uncertain",
]

PERIODS = 28
BUDGET = 100_000.0
_EVEN = BUDGET / PERIODS / 2


def static() -> Market:
    """``AdSpend-v0``: static concave curves, revenue as reward, no carry-over, no noise: the tutorial's problem."""
    return Market(
        (
            Channel("facebook", beta=9000.0, kappa=3000.0, historical_mean=_EVEN),
            Channel("instagram", beta=6000.0, kappa=1500.0, historical_mean=_EVEN),
        )
    )


def adstock() -> Market:
    """``AdSpendAdstock-v0``: carry-over of 0.3 and 0.1 a week, a warm start at the even split, and a credited tail."""
    facebook, instagram = static().channels
    return Market((replace(facebook, theta=0.3 ** (1 / 7)), replace(instagram, theta=0.1 ** (1 / 7))))


def seasonal() -> Market:
    """``AdSpendSeasonal-v0``: carry-over, a weekly season of 25 % and a promotion that doubles demand around day 21."""

    def factor(day: int) -> float:
        weekly = 1.0 + 0.25 * math.sin(2.0 * math.pi * day / 7.0)
        return weekly * (1.0 + math.exp(-0.5 * ((day - 21) / 1.5) ** 2))

    return replace(adstock(), season=tuple(factor(day) for day in range(PERIODS)))


def profit() -> Market:
    """``AdSpendProfit-v0``: carry-over where a unit of spend costs 1.5: profit is the reward, saving can pay."""
    return replace(adstock(), spend_cost=1.5)


def s_shape() -> Market:
    """
    ``AdSpendSShape-v0``: carry-over with S-shaped responses (``alpha`` 3): little money sells next to nothing, so
    bursts beat even pacing.
    """
    return replace(adstock(), channels=tuple(replace(channel, alpha=3.0) for channel in adstock().channels))


def shock() -> Market:
    """``AdSpendShock-v0``: profit where media prices vary: observed log shocks of deviation 0.3, AR(1) with 0.7."""
    return replace(profit(), randomness=Randomness(price_sigma=0.3, price_persistence=0.7))


def uncertain() -> Market:
    """
    ``AdSpendUncertain-v0``: profit where nobody knows the curves: beta and kappa are drawn anew for every campaign (log
    standard deviation 0.5), and only noisy total sales are seen (noise of 5 % of the saturation sales).
    """
    return replace(profit(), randomness=Randomness(beta_sigma=0.5, kappa_sigma=0.5, sales_sigma=0.05))


def drift() -> Market:
    """``AdSpendDrift-v0``: profit where beta drifts by 10 % a day, unobserved but for the sales."""
    return replace(profit(), randomness=Randomness(drift_sigma=0.1))


def delivery() -> Market:
    """``AdSpendDelivery-v0``: profit where platforms deliver more or less than ordered (log standard deviation 0.3)."""
    return replace(profit(), randomness=Randomness(delivery_sigma=0.3))


def noisy() -> Market:
    """``AdSpendNoisy-v0``: profit with noise of 10 % of the saturation sales: a documented null, feedback gains 0."""
    return replace(profit(), randomness=Randomness(sales_sigma=0.1))


PRESETS = {
    "static": static,
    "adstock": adstock,
    "seasonal": seasonal,
    "profit": profit,
    "shock": shock,
    "s_shape": s_shape,
    "uncertain": uncertain,
    "drift": drift,
    "delivery": delivery,
    "noisy": noisy,
}
"""The markets of the registered ids, by the names that ``--market`` and ``AdSpendEnv(market=...)`` take."""


def resolve_market(market: Market | str | os.PathLike[str]) -> Market:
    """A market as the user names it: itself, a preset, or the path of a market file (ours or a Robyn export)."""
    if isinstance(market, Market):
        return market
    if not isinstance(market, (str, os.PathLike)):
        raise ValueError(f"market must be a Market, a preset's name or a file's path, got {type(market).__name__}")
    name = os.fspath(market)
    if name in PRESETS:
        return PRESETS[name]()
    if not os.path.isfile(name):
        raise ValueError(f"market {name!r} is neither a preset ({', '.join(PRESETS)}) nor a file")
    return Market.load(name)
