"""Rules of thumb: reference policies that react to a campaign without planning the rest of it."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.optimum.plan import plan_optimal
from sb3_ext.envs.ad_spend.policies.base import Memory, Observations, ObservingBaseline, Periods

_BISECTIONS = 60
_GRID = np.geomspace(1e-6, 1e6, 4001)


class RoasChasing(ObservingBaseline):
    """
    Splits each day's even share of the budget left by yesterday's return on ad spend: wrong on purpose.

    The return of a channel is its sales, as the market's curves attribute them to its adstock, over its spend. Average
    returns say nothing about the next unit of money, and carry-over is credited to the day on which it sells.

    :param env: The environment, with ``obs_mode="full"``.
    :param exploration: Share of the budget that is split evenly whatever the returns, in [0, 1]; all on the first day.
    """

    needs: tuple[str, ...] = ("spend", "budget_left", "adstock")

    def __init__(self, env: gym.Env[Any, Any], exploration: float = 0.1) -> None:
        super().__init__(env)
        self.exploration = exploration

    def spend(self, period: Periods, observation: Observations | None = None) -> FloatArray:
        """Spends by yesterday's returns."""
        spent = self.observed("spend", observation)
        sold = self._sold(observation)
        roas = np.where(spent > 0.0, sold / np.where(spent > 0.0, spent, 1.0), 0.0)
        total = roas.sum(axis=1, keepdims=True)
        by_roas = np.where(total > 0.0, roas / np.where(total > 0.0, total, 1.0), 1.0 / self.n_channels)
        share = self.exploration / self.n_channels + (1.0 - self.exploration) * by_roas
        pace = self.observed("budget_left", observation) / (self.env.periods - period)
        return np.asarray(share * pace[:, None])

    def _sold(self, observation: Observations | None) -> FloatArray:
        """Yesterday's sales as the curves attribute them, at demand factor 1, shape (n, N)."""
        curves, weights = self.market.curves, self.market.weights
        if not self.market.saturation_first or weights is None:
            return curves.response(self.observed("adstock", observation))
        return np.asarray((weights.T * curves.response(self.observed_window(observation))).sum(axis=1))


class GreedyMarginalRoas(ObservingBaseline):
    """
    Spends on every channel up to the point where one more unit returns no more than it costs.

    What a unit of money returns is valued as if today's spend were kept up: the adstock ``A`` that it leads to stays,
    so that the unit sells ``margin * media * demand * slope(A) * sum_k theta**k (1 - theta)``, with the sum over the
    periods left and the tail, ``1 - theta**K``. What it costs is ``spend_cost`` plus the price of the budget, the one
    at which such steady spends use up the budget left at ordinary prices. Nothing is expected of the prices to come.
    S-shaped curves count as their concave envelopes. Where carry-over has a window, no single spend can make up for
    what is missing, so the steady spend itself is spent.

    :param env: The environment, with ``obs_mode="full"``.
    """

    needs: tuple[str, ...] = ("budget_left", "adstock")

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        # Slopes by level, from where the concave envelope leaves its line on; both as logarithms.
        self._levels, self._slopes = [], []
        for curve in map(self.market.curves.channel, range(self.n_channels)):
            levels = curve.touching + _GRID * curve.kappa
            self._levels.append(np.log(levels[::-1]))
            self._slopes.append(np.log(np.maximum(curve.slope(levels[::-1]), 1e-300)))

    def spend(self, period: Periods, observation: Observations | None = None) -> FloatArray:
        """Spends at which marginal returns equal the price of money."""
        env, market, theta = self.env, self.market, self.market.theta
        left = (env.periods - period)[:, None]
        counts = 1.0 - theta ** (left + market.tail_periods)
        if market.weights is not None:
            share = np.cumsum(market.weights, axis=1)
            at = np.minimum(left + market.tail_periods, share.shape[1]) - 1
            counts = np.where(theta > 0.0, counts, np.take_along_axis(share.T, at, axis=0))
        worth = market.margin * market.season_factors(env.periods)[period, None] * counts
        low, cap = env.spend_bounds
        budget = self.observed("budget_left", observation)

        def steady_spend(price: FloatArray) -> FloatArray:
            steady = np.clip(self._adstock_at((market.spend_cost + price[:, None]) / worth), low, cap)
            return np.asarray((steady * left).sum(axis=1))

        cheap, dear = (
            np.zeros(len(period)),
            np.full(len(period), np.exp(max(s[-1] for s in self._slopes)) * worth.max()),
        )
        affordable = steady_spend(cheap) <= budget
        for _ in range(_BISECTIONS):
            middle = (cheap + dear) / 2.0
            over = steady_spend(middle) > budget
            cheap, dear = np.where(over, middle, cheap), np.where(over, dear, middle)
        price = np.where(affordable, 0.0, dear)[:, None] + market.spend_cost
        media = np.ones((len(period), self.n_channels))
        if market.randomness.price_sigma:
            media = np.exp(self.observed("price_shock", observation) - market.randomness.price_sigma**2 / 2.0)
        missing = self._adstock_at(price / (worth * media)) - theta * self.observed("adstock", observation)
        # With theta 0, as windows have it, this is the steady spend.
        return np.asarray(np.clip(missing / ((1.0 - theta) * media), low, cap))

    def _adstock_at(self, slope: FloatArray) -> FloatArray:
        """Adstock, shape (n, N), beyond which one more unit sells less than ``slope``."""
        wanted = np.log(np.maximum(slope, 1e-299))
        columns = [
            np.where(want < slopes[-1], np.exp(np.interp(want, slopes, levels)), 0.0)
            for want, slopes, levels in zip(wanted.T, self._slopes, self._levels, strict=True)
        ]
        return np.stack(columns, axis=1)


class PidPacing(ObservingBaseline):
    """
    Carries out the open-loop plan, times a factor that keeps the money spent at the planned pace.

    A PID controller acts on the pacing error, the planned less the actual cumulative spend in units of the plan's mean
    daily spend.

    :param env: The environment, with an observation that holds the budget left.
    :param proportional: Gain on the error.
    :param integral: Gain on the sum of all errors so far.
    :param derivative: Gain on the change of the error.
    """

    needs: tuple[str, ...] = ("budget_left",)

    def __init__(
        self, env: gym.Env[Any, Any], proportional: float = 0.2, integral: float = 0.01, derivative: float = 0.05
    ) -> None:
        super().__init__(env)
        self.gains = (proportional, integral, derivative)
        campaign = self.env
        low, cap = campaign.spend_bounds
        self.plan = plan_optimal(self.market, campaign.budget, campaign.periods, low=low, cap=cap).spend
        daily = self.plan.sum(axis=1)
        self._planned = np.cumsum(daily) - daily
        self._unit = max(float(daily.mean()), 1e-9)

    def spend(self, period: Periods, observation: Observations | None = None) -> FloatArray:
        """Spends without memory of earlier errors."""
        return self.decide(period, observation, self.start(len(period)))[0]

    def start(self, n_envs: int) -> Memory:
        """No errors yet: sum of the errors and last error, each of shape (n,)."""
        return np.zeros(n_envs), np.zeros(n_envs)

    def decide(self, period: Periods, observation: Observations | None, memory: Memory) -> tuple[FloatArray, Memory]:
        """Spends of the plan, corrected."""
        spent = self.env.budget - self.observed("budget_left", observation)
        error = (self._planned[period] - spent) / self._unit
        total, last = memory[0] + error, memory[1]
        proportional, integral, derivative = self.gains
        factor = 1.0 + proportional * error + integral * total + derivative * (error - last)
        return self.plan[period] * np.clip(factor, 0.0, 2.0)[:, None], (total, error)
