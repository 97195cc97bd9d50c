"""Some channels of a market, or all in another order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sb3_ext.envs.ad_spend.market.market import Market


def with_channels(market: Market, order: Sequence[int]) -> Market:
    """
    The market with these of its channels alone.

    :param market: The market.
    :param order: Their places, at least one, in the order they shall have.
    :return: The market; what is spent afterwards is given as amounts.
    :raises ValueError: If there is none, or one twice.
    """
    channels, *draws = (tuple(each[index] for index in order) for each in (market.channels, *market.draws))
    afterwards = market.spend_afterwards[list(order)]
    return replace(
        market,
        channels=channels,
        draws=tuple(draws),
        afterwards=tuple(afterwards.tolist()) if afterwards.any() else "nothing",
    )
