"""What fate holds for a campaign: everything random, drawn before the first period and independent of the spends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.market.curves import Curves
from sb3_ext.envs.ad_spend.market.market import Market

_STREAMS = ("price", "parameters", "drift", "delivery", "sales")
MOST_DELIVERED = 2.0
# Price shocks are cut off at so many standard deviations, as observations are bounded.
EXTREME = 5.0


@dataclass(frozen=True, eq=False)
class Scenario:
    """One path per campaign, shape (T, N), or (T, n, N) for a batch of n; ``None`` where nothing is random."""

    price_shock: FloatArray | None = None
    """Log price shocks ``z``; positive where media is cheap."""
    media: FloatArray | None = None
    """Media that a unit of money buys, ``exp(z - sigma**2 / 2)``."""
    drift: FloatArray | None = None
    """Factors on beta."""
    delivery: FloatArray | None = None
    """Delivered over ordered spend."""
    sales_noise: FloatArray | None = None
    """Money added to the sales of all channels, shape (T,) or (T, n)."""
    curves: Curves | None = None
    """The campaign's own response curves, shape (N,) or (n, N)."""
    theta: FloatArray | None = None
    """The campaign's own carry-over, likewise."""
    weights: FloatArray | None = None
    """Its weights, where carry-over has a window, shape (N, L) or (n, N, L)."""
    uncut_shock: FloatArray | None = None
    """Log price shocks before they are cut off: what the next ones depend on."""

    def of(self, campaign: int) -> Scenario:
        """The path of one campaign of a batch."""

        def pick(path: FloatArray | None) -> FloatArray | None:
            return None if path is None else path[:, campaign]

        return Scenario(
            pick(self.price_shock),
            pick(self.media),
            pick(self.drift),
            pick(self.delivery),
            pick(self.sales_noise),
            None if self.curves is None else self.curves.map(lambda parameter: parameter[campaign]),
            None if self.theta is None else self.theta[campaign],
            None if self.weights is None else self.weights[campaign],
            pick(self.uncut_shock),
        )


class ScenarioSampler:
    """
    Draws the scenarios of the campaigns of a market, each from its own generator.

    Every quantity has its own stream of random numbers, so that switching one on leaves the paths of the others as they
    are, and all are drawn before the campaign, so that two policies with the same seed face the same path.
    """

    def __init__(self, market: Market, periods: int) -> None:
        self._market, self._random, self._periods = market, market.randomness, periods
        self._generators: dict[str, list[np.random.Generator]] = {}

    def seed(self, generators: Sequence[np.random.Generator | None]) -> None:
        """Derive the streams anew from one generator per campaign, not advanced; where it is ``None`` they go on."""
        random = self._random
        used = {
            "price": random.price_sigma > 0.0,
            "parameters": random.draws_parameters,
            "drift": random.drift_sigma > 0.0,
            "delivery": random.delivery_sigma > 0.0,
            "sales": random.sales_sigma > 0.0,
        }
        self._generators = {
            name: [
                self._generators[name][campaign] if generator is None else _child(generator, key)
                for campaign, generator in enumerate(generators)
            ]
            for key, name in enumerate(_STREAMS)
            if used[name]
        }

    def draw(self) -> Scenario:
        """The next scenario of every campaign, one per generator: shapes (T, n, N)."""
        random, n_channels = self._random, len(self._market.names)
        shape = (self._periods, n_channels)
        uncut = shock = media = drift = delivery = noise = None
        if "price" in self._generators:
            uncut = self._normals("price", shape)
            spread = (1.0 - random.price_persistence**2) ** 0.5
            for period in range(1, self._periods):
                uncut[period] = random.price_persistence * uncut[period - 1] + spread * uncut[period]
            shock = random.price_sigma * np.clip(uncut, -EXTREME, EXTREME)
            uncut *= random.price_sigma
            media = np.exp(shock - random.price_sigma**2 / 2.0)
        if "drift" in self._generators:
            steps = random.drift_sigma * self._normals("drift", shape) - random.drift_sigma**2 / 2.0
            steps[0] = 0.0
            drift = np.exp(np.cumsum(steps, axis=0))
        if "delivery" in self._generators:
            sigma = random.delivery_sigma
            delivery = np.exp(sigma * self._normals("delivery", shape) - sigma**2 / 2.0)
            np.minimum(delivery, MOST_DELIVERED, out=delivery)
        if "sales" in self._generators:
            scale = random.sales_sigma * float(self._market.beta.sum())
            noise = scale * self._normals("sales", (self._periods, 1))[..., 0]
        return Scenario(shock, media, drift, delivery, noise, *self._draw_parameters(), uncut_shock=uncut)

    def _draw_parameters(self) -> tuple[Curves | None, FloatArray | None, FloatArray | None]:
        market = self._market
        if "parameters" not in self._generators:
            return None, None, None
        if self._random.use_draws:
            chosen = [generator.integers(len(market.draws)) for generator in self._generators["parameters"]]
            weights = None if market.draw_weights is None else market.draw_weights[chosen]
            return market.draw_curves.map(lambda parameter: parameter[chosen]), market.draw_theta[chosen], weights
        sigmas = np.array([[self._random.beta_sigma], [self._random.kappa_sigma]])
        factors = self._normals("parameters", (2, len(market.names)))
        return market.curves.scaled(*np.exp(sigmas[:, None] * factors - sigmas[:, None] ** 2 / 2.0)), None, None

    def _normals(self, stream: str, shape: tuple[int, int]) -> FloatArray:
        """Standard normals of every campaign, with the campaigns as second axis: shape (shape[0], n, shape[1])."""
        generators = self._generators[stream]
        drawn = np.empty((len(generators), *shape))
        for row, generator in zip(drawn, generators, strict=True):
            generator.standard_normal(out=row)
        return np.ascontiguousarray(drawn.swapaxes(0, 1))


def _child(generator: np.random.Generator, key: int) -> np.random.Generator:
    """What ``generator.spawn`` returns at position ``key``, without counting as a spawn."""
    parent = generator.bit_generator.seed_seq
    assert isinstance(parent, np.random.SeedSequence)
    return np.random.default_rng(np.random.SeedSequence(parent.entropy, spawn_key=(*parent.spawn_key, key)))
