"""What a planner assumes of the periods to come."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sb3_ext.common.arrays import BoolArray, FloatArray, IntArray
from sb3_ext.envs.ad_spend.campaign.scenario import Scenario
from sb3_ext.envs.ad_spend.market.carry_over import delays
from sb3_ext.envs.ad_spend.market.carry_over import impulse as impulse_of
from sb3_ext.envs.ad_spend.market.curves import Curves
from sb3_ext.envs.ad_spend.market.market import Market
from sb3_ext.envs.ad_spend.market.randomness import Randomness

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
    """Demand factors, tail included, shape (N, T + tail), or (n, N, T) of a market whose spends saturate first."""
    weights: FloatArray | None = None
    """Where carry-over has a window: its weights, newest first, shape (N, L) or (n, N, L)."""
    window: FloatArray | None = None
    """Then the media of the periods before, newest first, shape (..., N, L)."""
    charge: FloatArray | None = None
    """What a unit of money spent costs besides the market's costs of spending, any sign, shape (..., N, T)."""

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
            demand=self.demand[rows] if self.demand.ndim == 3 else self.demand,
            weights=self.weights[rows] if self.weights is not None and self.weights.ndim == 3 else self.weights,
            window=None if self.window is None else self.window[rows],
            charge=None if self.charge is None else self.charge[rows],
        )

    @property
    def most_carried(self) -> FloatArray:
        """No adstock of the periods can be higher because of what was before, shape (..., N), money."""
        return self.adstock if self.window is None else np.maximum(self.adstock, self.window.max(axis=-1))

    @property
    def saturates_first(self) -> Outlook:
        """
        The same where spends saturate before they are carried over: each then sells by itself, at a demand that adds up
        what is carried on. What spends of the past sell is a constant, and left out.
        """
        assert self.weights is not None
        impulse = impulse_of(self.theta, self.weights, self.demand.shape[-1])
        demand = (np.swapaxes(delays(impulse, self.periods), -1, -2) @ self.demand[..., None])[..., 0]
        theta, adstock = np.zeros_like(self.theta), np.zeros_like(self.adstock)
        return replace(self, theta=theta, adstock=adstock, demand=demand, weights=None, window=None)

    @classmethod
    def of_campaign(cls, market: Market, periods: int, scenario: Scenario = _EXPECTED) -> Outlook:
        """A whole campaign whose scenario (of a single campaign) is known in advance; by default nothing is random."""
        n_channels, demand = len(market.names), cls.expected_demand(market, periods)
        if scenario.drift is not None:
            demand[:, :periods] *= scenario.drift.T
            demand[:, periods:] *= scenario.drift[-1][:, None]
        outlook = cls(
            market.curves if scenario.curves is None else scenario.curves,
            market.theta if scenario.theta is None else scenario.theta,
            market.initial_adstock,
            np.ones((n_channels, periods)) if scenario.media is None else scenario.media.T,
            demand,
            market.weights if scenario.weights is None else scenario.weights,
            market.window,
        )
        return outlook.saturates_first if market.saturation_first else outlook

    @classmethod
    def of_draws(cls, market: Market, periods: int) -> Outlook:
        """A whole campaign where nothing random happens, once under each of the market's draws."""
        count, n_channels = len(market.draws), len(market.names)
        outlook = cls(
            market.draw_curves,
            market.draw_theta,
            np.tile(market.initial_adstock, (count, 1)),
            np.ones((count, n_channels, periods)),
            cls.expected_demand(market, periods),
            market.draw_weights,
            None if market.window is None else np.tile(market.window, (count, 1, 1)),
        )
        return outlook.saturates_first if market.saturation_first else outlook

    @staticmethod
    def expected_demand(market: Market, periods: int) -> FloatArray:
        """Demand factors of a campaign and its tail, shape (N, T + tail), where nothing is random."""
        factors = np.append(market.season_factors(periods), np.ones(market.tail_periods))
        return np.tile(factors, (len(market.names), 1))


def expected_media(randomness: Randomness, price_shock: FloatArray, periods: int) -> FloatArray:
    """
    What a unit of money is expected to buy after the log price shocks z of the coming period, shape (..., periods):
    ``E[exp(z_k - s**2 / 2) | z_0] = exp(rho**k * z - rho**(2 k) * s**2 / 2)`` of an AR(1) with the deviation ``s``.
    """
    kept = randomness.price_persistence ** np.arange(periods)
    return np.asarray(np.exp(kept * price_shock[..., None] - (kept * randomness.price_sigma) ** 2 / 2.0))
