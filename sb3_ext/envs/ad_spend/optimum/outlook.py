"""What a planner assumes of the periods to come."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.campaign.scenario import Scenario
from sb3_ext.envs.ad_spend.market.market import Market


@dataclass(frozen=True, eq=False)
class Outlook:
    """What a planner assumes of the T periods to come and of the tail."""

    adstock: FloatArray
    """Adstock before the first of them, shape (N,), money."""
    media: FloatArray
    """Media that a unit of money buys, shape (T, N)."""
    demand: FloatArray
    """Demand factors, tail included, shape (T + tail, N)."""

    @property
    def periods(self) -> int:
        """Number of periods to plan."""
        return len(self.media)

    @classmethod
    def expected(cls, market: Market, periods: int) -> Outlook:
        """
        A whole campaign where nothing random happens.

        :param market: The market.
        :param periods: Length of the campaign.
        :return: The outlook before the first period.
        """
        return cls.of_scenario(market, periods, Scenario())

    @classmethod
    def of_scenario(cls, market: Market, periods: int, scenario: Scenario) -> Outlook:
        """
        A whole campaign with everything random known in advance: what a clairvoyant sees.

        Parameters drawn for the campaign are not part of it: plan on ``scenario.market(market)``.

        :param market: The market.
        :param periods: Length of the campaign.
        :param scenario: The path of a single campaign.
        :return: The outlook before the first period.
        """
        n_channels = len(market.names)
        factors = np.append(market.season_factors(periods), np.ones(market.tail_periods))
        demand = np.repeat(factors[:, None], n_channels, axis=1)
        if scenario.drift is not None:
            demand[:periods] *= scenario.drift
            demand[periods:] *= scenario.drift[-1]
        media = np.ones((periods, n_channels)) if scenario.media is None else scenario.media
        return cls(market.initial_adstock, media, demand)
