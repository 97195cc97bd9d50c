"""What the sales of a campaign tell about its channels: a particle posterior over the drawn parameters."""

from __future__ import annotations

import numpy as np

from sb3_ext.common.arrays import FloatArray, IntArray
from sb3_ext.envs.ad_spend.market.checks import check_count
from sb3_ext.envs.ad_spend.market.curves import Curves
from sb3_ext.envs.ad_spend.market.market import Market

_MOVES = 3
# Relative to the sum of all beta: with less noise than this the particles would miss the posterior.
_LEAST_NOISE = 0.01


class ParticlePosterior:
    """
    Particles of n campaigns at once, each with its own history: shape (n, P, K), their log weights (n, P).

    Parameters are those that the market draws (``Randomness``): log-normal beta and kappa, moved by a random-walk
    Metropolis kernel on the whole history whenever the weights degenerate (resample-move, Gilks & Berzuini 2001); or
    ``Market.draws``, a finite set that needs no moving. Observed are the total sales with Gaussian noise and the
    delivered spends, from which the adstock of every particle follows. Drift is not modelled.
    """

    def __init__(self, market: Market, periods: int, n_particles: int) -> None:
        random = market.randomness
        if not random.draws_parameters:
            raise ValueError("there is nothing to learn: the market's randomness draws no parameters")
        self._market, self._periods = market, periods
        self._noise = max(random.sales_sigma, _LEAST_NOISE) * float(market.beta.sum())
        self._demand = market.season_factors(periods)
        self._sigmas = np.repeat([random.beta_sigma, random.kappa_sigma], len(market.names))
        self.n_particles = check_count(n_particles, "n_particles")
        if random.use_draws:
            self.n_particles = min(self.n_particles, len(market.draws))

    def prior(self, rng: np.random.Generator) -> FloatArray:
        """Particles of one campaign before anything is seen: standard normal (P, 2 N), or numbers of draws (P, 1)."""
        if not self._market.randomness.use_draws:
            return rng.standard_normal((self.n_particles, len(self._sigmas)))
        return rng.choice(len(self._market.draws), (self.n_particles, 1), replace=False).astype(np.float64)

    def curves(self, particles: FloatArray) -> Curves:
        """Response curves that particles (..., K) stand for, shape (..., N)."""
        if self._market.randomness.use_draws:
            chosen = particles[..., 0].astype(np.int64)
            return self._market.draw_curves.map(lambda parameter: parameter[chosen])
        factors = np.exp(self._sigmas * particles - self._sigmas**2 / 2.0)
        return self._market.curves.scaled(*np.split(factors, 2, axis=-1))

    def theta(self, particles: FloatArray) -> FloatArray:
        """Carry-over that particles (..., K) stand for, shape (..., N), or (N,) where it is known."""
        if self._market.randomness.use_draws:
            return np.asarray(self._market.draw_theta[particles[..., 0].astype(np.int64)])
        return self._market.theta

    def weights(self, particles: FloatArray) -> FloatArray | None:
        """Weights of windows that particles (..., K) stand for, shape (..., N, L), or (N, L) where they are known."""
        market = self._market
        if market.randomness.use_draws and market.draw_weights is not None:
            return np.asarray(market.draw_weights[particles[..., 0].astype(np.int64)])
        return market.weights

    def mean(self, particles: FloatArray, log_weights: FloatArray) -> tuple[Curves, FloatArray, FloatArray | None]:
        """Mean parameters: curves (n, N), carry-over (n, N) or (N,), and weights of windows (n, N, L) or (N, L)."""
        weights = _normalized(log_weights)[..., None]

        def mean(parameter: FloatArray) -> FloatArray:
            # Rounding must not lift an alpha that is 1 above it: the market would no longer be concave.
            return np.asarray(np.clip((weights * parameter).sum(axis=1), parameter.min(axis=1), parameter.max(axis=1)))

        theta, windows = self.theta(particles), self.weights(particles)
        if windows is not None and windows.ndim > 2:
            windows = (weights[..., None] * windows).sum(axis=1)
        return self.curves(particles).map(mean), mean(theta) if theta.ndim > 1 else theta, windows

    def sample(
        self, particles: FloatArray, log_weights: FloatArray, uniform: FloatArray
    ) -> tuple[Curves, FloatArray, FloatArray | None]:
        """One particle of each campaign, by uniform numbers (n,), as :meth:`mean`."""
        reached = np.cumsum(_normalized(log_weights), axis=1)
        chosen = np.minimum((reached < uniform[:, None]).sum(axis=1), self.n_particles - 1)
        one = particles[np.arange(len(particles)), chosen]
        return self.curves(one), self.theta(one), self.weights(one)

    def observe(
        self,
        particles: FloatArray,
        log_weights: FloatArray,
        bought: FloatArray,
        sold: FloatArray,
        period: IntArray,
        generators: list[np.random.Generator],
    ) -> tuple[FloatArray, FloatArray]:
        """
        Particles and log weights after the last period played: ``period`` (n,) periods, each at least 1, in which the
        media ``bought``, shape (n, T, N), money at ordinary prices, sold ``sold``, shape (n, T).
        """
        rows, last = np.arange(len(period)), period - 1
        windows = None if self._market.window is None else self._windows(bought)[rows, last, None]
        level = self._level(self._adstock(self.theta(particles), bought, period), windows, self.weights(particles))
        predicted = self._demand[last, None] * self._sales(self.curves(particles), level, self.weights(particles))
        log_weights = log_weights - ((sold[rows, last, None] - predicted) / self._noise) ** 2 / 2.0
        weights = _normalized(log_weights)
        poor = np.flatnonzero(1.0 / (weights**2).sum(axis=1) < self.n_particles / 2)
        if poor.size and not self._market.randomness.use_draws:
            particles, log_weights = particles.copy(), log_weights.copy()
            chosen = [generators[row] for row in poor]
            particles[poor] = self._renew(
                particles[poor], weights[poor], bought[poor], sold[poor], period[poor], chosen
            )
            log_weights[poor] = 0.0
        return particles, log_weights

    def _adstock(self, theta: FloatArray, bought: FloatArray, period: IntArray) -> FloatArray:
        """Adstock that sold in the last period, shape (n, P or 1, N)."""
        theta = np.broadcast_to(theta, (len(period), *theta.shape[-2:])) if theta.ndim == 3 else theta
        ages = period[:, None] - 1 - np.arange(self._periods)
        adstock = self._market.initial_adstock * theta ** period[:, None, None]
        for past in range(int(period.max())):
            age = ages[:, past, None, None]
            adstock = (
                adstock + np.where(age >= 0, (1.0 - theta) * theta ** np.maximum(age, 0), 0.0) * bought[:, None, past]
            )
        return np.asarray(adstock)

    def _windows(self, bought: FloatArray) -> FloatArray:
        """Media of every period and those before, newest first, shape (n, T, N, L), where carry-over has a window."""
        assert self._market.window is not None
        past = np.broadcast_to(self._market.window.T[::-1], (len(bought), *self._market.window.T.shape))
        media = np.concatenate([past, bought], axis=1)
        return np.lib.stride_tricks.sliding_window_view(media, past.shape[1], axis=1)[:, 1:, :, ::-1]

    def _level(self, adstock: FloatArray, windows: FloatArray | None, weights: FloatArray | None) -> FloatArray:
        """What saturates: the adstock (..., N), or the windows' media (..., N, L) where they saturate first."""
        if windows is None or weights is None:
            return adstock
        if self._market.saturation_first:
            return windows
        return np.where(self._market.theta > 0.0, adstock, (weights * windows).sum(axis=-1))

    def _sales(self, curves: Curves, level: FloatArray, weights: FloatArray | None) -> FloatArray:
        """Sales of all channels at demand factor 1, from what saturates."""
        if weights is None or not self._market.saturation_first:
            return np.asarray(curves.response(level).sum(axis=-1))
        by_period = curves.map(lambda parameter: parameter[..., None]).response(level)
        return np.asarray((weights * by_period).sum(axis=(-2, -1)))

    def _renew(
        self,
        particles: FloatArray,
        weights: FloatArray,
        bought: FloatArray,
        sold: FloatArray,
        period: IntArray,
        generators: list[np.random.Generator],
    ) -> FloatArray:
        """Resample in proportion to the weights, then spread equal particles by Metropolis moves."""
        n_particles, n_coordinates = particles.shape[1:]
        uniform = np.array([rng.uniform(size=1 + _MOVES * n_particles) for rng in generators])
        normal = np.array([rng.standard_normal((_MOVES, n_particles, n_coordinates)) for rng in generators])
        centered = particles - (weights[..., None] * particles).sum(axis=1, keepdims=True)
        covariance = np.swapaxes(weights[..., None] * centered, 1, 2) @ centered + 1e-6 * np.eye(n_coordinates)
        scale = np.swapaxes(np.linalg.cholesky(covariance), 1, 2) * 2.38 / np.sqrt(n_coordinates)

        positions = (uniform[:, :1] + np.arange(n_particles)) / n_particles
        reached = np.cumsum(weights, axis=1)
        picked = np.array([np.searchsorted(row, at) for row, at in zip(reached, positions, strict=True)])
        particles = np.take_along_axis(particles, np.minimum(picked, n_particles - 1)[..., None], axis=1)

        path = self._path(bought)
        score = self._log_posterior(particles, path, sold, period)
        accepting = np.log(uniform[:, 1:]).reshape(len(generators), _MOVES, n_particles)
        for move in range(_MOVES):
            proposed = particles + normal[:, move] @ scale
            reached_score = self._log_posterior(proposed, path, sold, period)
            better = accepting[:, move] < reached_score - score
            particles, score = np.where(better[..., None], proposed, particles), np.where(better, reached_score, score)
        return particles

    def _path(self, bought: FloatArray) -> FloatArray:
        """What saturates in every period under the market's own carry-over, shape (n, T, N) or (n, T, N, L)."""
        theta, path = self._market.theta, np.empty_like(bought)
        adstock = self._market.initial_adstock
        for period in range(self._periods):
            path[:, period] = adstock = theta * adstock + (1.0 - theta) * bought[:, period]
        return self._level(path, None if self._market.window is None else self._windows(bought), self._market.weights)

    def _log_posterior(self, particles: FloatArray, path: FloatArray, sold: FloatArray, period: IntArray) -> FloatArray:
        """Log density of particles given all sales so far, shape (n, P)."""
        curves = self.curves(particles)
        score = -(particles**2).sum(axis=-1) / 2.0
        for past in range(int(period.max())):
            predicted = self._demand[past] * self._sales(curves, path[:, None, past], self._market.weights)
            error = (sold[:, past, None] - predicted) / self._noise
            score -= np.where((past < period)[:, None], error**2 / 2.0, 0.0)
        return np.asarray(score)


def _normalized(log_weights: FloatArray) -> FloatArray:
    weights = np.exp(log_weights - log_weights.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
