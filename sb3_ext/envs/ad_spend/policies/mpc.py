"""Reference policies that plan the rest of the campaign anew every day."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.market.curves import Curves
from sb3_ext.envs.ad_spend.optimum.outlook import Outlook, expected_media
from sb3_ext.envs.ad_spend.optimum.replanning import Replanner
from sb3_ext.envs.ad_spend.policies.base import Memory, Observations, ObservingBaseline, Periods
from sb3_ext.envs.ad_spend.policies.posterior import ParticlePosterior


class CertaintyEquivalentMPC(ObservingBaseline):
    """
    Plans the periods left every day as if everything would come as expected, and carries out today's part.

    The plan starts from the observed adstock and budget left, knows today's prices and expects
    :func:`expected_media` of later ones; delivery is expected to be as ordered. A campaign of the presets takes some
    milliseconds a day, an S-shaped one, which :func:`plan_optimal` plans, some tenths of a second.

    :param env: The environment, with ``obs_mode="full"``.
    :param tolerance: Gap of every plan, relative to what the rest of the campaign can still earn.
    """

    needs: tuple[str, ...] = ("budget_left", "adstock")

    def __init__(self, env: gym.Env[Any, Any], tolerance: float = 1e-4) -> None:
        super().__init__(env)
        low, cap = self.env.spend_bounds
        self._replanner = Replanner(self.market, self.env.budget, low, cap, tolerance)
        self._demand = Outlook.expected_demand(self.market, self.env.periods)

    def spend(self, period: Periods, observation: Observations | None = None) -> FloatArray:
        """Today's part of the plan under the market's parameters."""
        return self.replan(period, observation, self.market.curves, self.market.theta, self.market.weights)

    def replan(
        self,
        period: Periods,
        observation: Observations | None,
        curves: Curves,
        theta: FloatArray,
        weights: FloatArray | None,
    ) -> FloatArray:
        """
        Today's part of the plan, shape (n, N), under given curves and carry-over, of shape (N,) or (n, N), and weights
        of shape (N, L) or (n, N, L) where it has a window.
        """
        adstock, budget = self.observed("adstock", observation), self.observed("budget_left", observation)
        window = None if weights is None else np.moveaxis(self.observed_window(observation), 1, -1)
        shocks = np.zeros_like(adstock)
        if self.market.randomness.price_sigma:
            shocks = self.observed("price_shock", observation)
        spend = np.empty_like(adstock)
        for now in np.unique(period):
            rows = np.flatnonzero(period == now)
            n_left = self.env.periods - int(now)
            media = np.ones((len(period), self.n_channels, n_left))
            if self.market.randomness.price_sigma:
                media = expected_media(self.market.randomness, shocks, n_left)
            rest = Outlook(curves, theta, adstock, media, self._demand[:, now:], weights, window)
            rest = (rest.saturates_first if self.market.saturation_first else rest).of(rows)
            spend[rows] = self._replanner.plan(rest, budget[rows])[..., 0]
        return spend


class PosteriorMPC(CertaintyEquivalentMPC):
    """
    Learns the campaign's own parameters from its sales, and plans the periods left every day under them.

    :param env: The environment, with ``obs_mode="full"``, whose market draws parameters.
    :param sampled: Whether to plan under one particle of the posterior, drawn every day (Thompson sampling, which
        explores), or under its mean.
    :param n_particles: Particles of a campaign.
    :param seed: Seed of the particles.
    :raises ValueError: If the market draws no parameters.
    """

    needs: tuple[str, ...] = ("spend", "sales", "budget_left", "adstock")

    def __init__(
        self,
        env: gym.Env[Any, Any],
        n_particles: int = 500,
        seed: int | None = None,
        *,
        sampled: bool,
        tolerance: float = 1e-4,
    ) -> None:
        super().__init__(env, tolerance)
        self.sampled = sampled
        self.posterior = ParticlePosterior(self.market, self.env.periods, n_particles)
        self._rng = np.random.default_rng(seed)

    def start(self, n_envs: int) -> Memory:
        """
        Particles of the prior and an empty history: seeds (n,), particles (n, P, K), log weights (n, P), media bought
        (n, T, N), sales (n, T), and the media that a unit of money bought last (n, N).
        """
        seeds = self._rng.integers(2**32, size=n_envs)
        particles = np.array([self.posterior.prior(np.random.default_rng([seed])) for seed in seeds])
        periods, n_channels = self.env.periods, self.n_channels
        return (
            seeds,
            particles,
            np.zeros(particles.shape[:2]),
            np.zeros((n_envs, periods, n_channels)),
            np.zeros((n_envs, periods)),
            np.ones((n_envs, n_channels)),
        )

    def spend(self, period: Periods, observation: Observations | None = None) -> FloatArray:
        """Spends where nothing has been learned yet."""
        seeds, particles, log_weights, *_ = self.start(len(period))
        generators = [np.random.default_rng([seed, now]) for seed, now in zip(seeds, period, strict=True)]
        return self._spend(period, observation, particles, log_weights, generators)

    def decide(self, period: Periods, observation: Observations | None, memory: Memory) -> tuple[FloatArray, Memory]:
        """Learn from yesterday's sales and plan."""
        seeds, particles, log_weights, bought, sold, media = memory
        generators = [np.random.default_rng([seed, 1 + now]) for seed, now in zip(seeds, period, strict=True)]
        rows = np.flatnonzero(period > 0)
        if rows.size:
            particles, log_weights, bought, sold = (a.copy() for a in (particles, log_weights, bought, sold))
            last = period[rows] - 1
            bought[rows, last] = (media * self.observed("spend", observation))[rows]
            sold[rows, last] = self.observed("sales", observation)[rows]
            particles[rows], log_weights[rows] = self.posterior.observe(
                particles[rows],
                log_weights[rows],
                bought[rows],
                sold[rows],
                period[rows],
                [generators[r] for r in rows],
            )
        spend = self._spend(period, observation, particles, log_weights, generators)
        random = self.market.randomness
        if random.price_sigma:
            media = expected_media(random, self.observed("price_shock", observation), 1)[..., 0]
        return spend, (seeds, particles, log_weights, bought, sold, media)

    def _spend(
        self,
        period: Periods,
        observation: Observations | None,
        particles: FloatArray,
        log_weights: FloatArray,
        generators: list[np.random.Generator],
    ) -> FloatArray:
        if self.sampled:
            uniform = np.array([rng.uniform() for rng in generators])
            return self.replan(period, observation, *self.posterior.sample(particles, log_weights, uniform))
        return self.replan(period, observation, *self.posterior.mean(particles, log_weights))
