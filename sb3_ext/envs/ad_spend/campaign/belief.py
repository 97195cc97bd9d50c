"""What the sales so far tell about parameters drawn for a campaign, in a few numbers an agent can observe."""

from __future__ import annotations

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.market.market import Market

_POINTS = 1024
# Relative to the sum of all beta: with less noise than this too few points would be left.
_LEAST_NOISE = 0.02
# Two far points that are left at the end may lie further apart than an observation's bounds.
MOST_DOUBT = 2.0
MOST_MARGINAL = 10.0


class Belief:
    """
    Mean and standard deviation of the standardised log parameters of n campaigns, given their sales.

    A campaign draws ``beta * exp(sigma u - sigma^2 / 2)``, and kappa likewise, with u standard normal. Fixed points of
    that distribution, the same for all campaigns, are weighted by the likelihood of the total sales of every period.
    This is coarser than :class:`ParticlePosterior`, which moves its particles, and cheap enough for an agent in
    training; where sales are nearly free of noise it trusts itself too much. Drift is not modelled.
    """

    def __init__(self, market: Market, n_campaigns: int) -> None:
        random = market.randomness
        if random.use_draws or not random.draws_parameters:
            raise ValueError("belief needs a market whose randomness has a beta_sigma or a kappa_sigma above 0")
        n_channels = len(market.names)
        half = np.random.default_rng(0).standard_normal((_POINTS // 2, 2 * n_channels))
        # Pairs around 0: before anything is seen the mean is 0, and the deviation is made 1.
        self._points: FloatArray = np.concatenate([half, -half]) / np.sqrt((half**2).mean(axis=0))
        sigmas = np.repeat([random.beta_sigma, random.kappa_sigma], n_channels)
        factors = np.exp(sigmas * self._points - sigmas**2 / 2.0)
        curves = market.curves.scaled(factors[:, :n_channels], factors[:, n_channels:])
        self._curves = [curves.channel(channel) for channel in range(n_channels)]
        self._drawn = np.flatnonzero(sigmas > 0.0)
        # Where nothing is ever sold, nothing is learned.
        self._noise = max(random.sales_sigma, _LEAST_NOISE) * float(market.beta.sum()) or 1.0
        self._n_campaigns = n_campaigns
        self.marginal_names = [f"marginal_{name}" for name in market.names]
        self.names = [
            f"{prefix}_{parameter}_{name}"
            for prefix in ("belief", "doubt")
            for parameter, sigma in (("beta", random.beta_sigma), ("kappa", random.kappa_sigma))
            if sigma > 0.0
            for name in market.names
        ]
        self.reset()

    def reset(self) -> None:
        """Forget everything: back to the distribution that parameters are drawn from."""
        self._log_weights = np.zeros((self._n_campaigns, _POINTS))
        self._weights = np.full_like(self._log_weights, 1.0 / _POINTS)

    def learn(self, adstock: FloatArray, sales: FloatArray, demand: float) -> None:
        """Learn from one period: adstock that sold (n, N), total sales with their noise (n,), and the demand factor."""
        expected = np.zeros_like(self._log_weights)
        for channel, curves in enumerate(self._curves):
            expected += curves.response(adstock[:, channel, None])
        self._log_weights -= ((sales[:, None] - demand * expected) / self._noise) ** 2 / 2.0
        self._weights = np.exp(self._log_weights - self._log_weights.max(axis=1, keepdims=True))
        self._weights /= self._weights.sum(axis=1, keepdims=True)

    @property
    def entries(self) -> FloatArray:
        """Means, then standard deviations (at most 2), of the standardised log parameters drawn, one row per name."""
        points = self._points[:, self._drawn]
        mean, square = self._weights @ points, self._weights @ points**2
        doubt = np.sqrt(np.clip(square - mean**2, 0.0, MOST_DOUBT**2))
        entries: FloatArray = np.concatenate([mean, doubt], axis=1).T
        return entries

    def marginal(self, adstock: FloatArray) -> FloatArray:
        """Posterior mean slope of every response curve at an adstock (n, N), at most ``MOST_MARGINAL``, (N, n)."""
        slopes = np.empty(adstock.T.shape)
        for channel, curves in enumerate(self._curves):
            slope = curves.slope(np.maximum(adstock[:, channel, None], 1e-9 * curves.kappa))
            slopes[channel] = np.einsum("np,np->n", self._weights, slope)
        return np.minimum(slopes, MOST_MARGINAL)
