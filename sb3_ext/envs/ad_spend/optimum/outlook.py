"""What a planner assumes of the periods to come."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sb3_ext.common.arrays import BoolArray, FloatArray, IntArray
from sb3_ext.envs.ad_spend.campaign.scenario import Scenario
from sb3_ext.envs.ad_spend.market.curves import Curves
from sb3_ext.envs.ad_spend.market.market import Market

_EXPECTED = Scenario()


@dataclass(frozen=True, eq=False)
class Outlook:
    """What a planner assumes of the T periods to come and of the tail, in one campaign or in n, the first axis then."""

    curves: Curves
    """Response curves, shape (N,), or (n, N) for each campaign its own."""
    theta: FloatArray
    """Carry-over per period, likewise."""
    adstock: FloatArray
    """Adstock before the first of the periods, shape (..., N), money."""
    media: FloatArray
    """Media that a unit of money buys, shape (..., N, T)."""
    demand: FloatArray
    """Demand factors, tail included, shape (N, T + tail)."""

    @property
    def periods(self) -> int:
        """Number of periods to plan."""
        return int(self.media.shape[-1])

    def of(self, rows: BoolArray | IntArray | int) -> Outlook:
        """Some of the campaigns, by mask or numbers, or a single one by its number."""
        own = self.curves.beta.ndim == 2
        return replace(
            self,
            curves=self.curves.map(lambda parameter: parameter[rows]) if own else self.curves,
            theta=self.theta[rows] if self.theta.ndim == 2 else self.theta,
            adstock=self.adstock[rows],
            media=self.media[rows],
        )

    @classmethod
    def of_campaign(cls, market: Market, periods: int, scenario: Scenario = _EXPECTED) -> Outlook:
        """A whole campaign whose scenario (of a single campaign) is known in advance; by default nothing is random."""
        n_channels = len(market.names)
        factors = np.append(market.season_factors(periods), np.ones(market.tail_periods))
        demand = np.tile(factors, (n_channels, 1))
        if scenario.drift is not None:
            demand[:, :periods] *= scenario.drift.T
            demand[:, periods:] *= scenario.drift[-1][:, None]
        return cls(
            market.curves if scenario.curves is None else scenario.curves,
            market.theta if scenario.theta is None else scenario.theta,
            market.initial_adstock,
            np.ones((n_channels, periods)) if scenario.media is None else scenario.media.T,
            demand,
        )

    @classmethod
    def of_draws(cls, market: Market, periods: int) -> Outlook:
        """A whole campaign where nothing random happens, once under each of the market's draws."""
        expected, count = cls.of_campaign(market, periods), len(market.draws)
        return replace(
            expected,
            curves=market.draw_curves,
            theta=market.draw_theta,
            adstock=np.tile(expected.adstock, (count, 1)),
            media=np.tile(expected.media, (count, 1, 1)),
        )
