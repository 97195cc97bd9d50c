"""Reference policies that decide before the campaign: constant spends, plans, and chance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.market.randomness import Randomness
from sb3_ext.envs.ad_spend.optimum.plan import plan_optimal
from sb3_ext.envs.ad_spend.optimum.references import steady_spend
from sb3_ext.envs.ad_spend.policies.base import Baseline, Observations, Periods, known_market, unwrap


class RandomSpend(Baseline):
    """
    Uniformly random actions.

    :param env: The environment.
    :param seed: Seed of the actions.
    """

    def __init__(self, env: gym.Env[Any, Any], seed: int | None = None) -> None:
        super().__init__(env)
        self._rng = np.random.default_rng(seed)

    def spend(self, period: Periods, observation: Observations | None = None) -> FloatArray:
        """Spends drawn uniformly between the bounds."""
        return self._rng.uniform(*self.env.spend_bounds, size=(len(period), self.n_channels))


class FixedPlan(Baseline):
    """
    A plan decided before the campaign.

    :param env: The environment.
    :param plan: Spend, shape (T, N), money.
    :raises ValueError: If the plan has another shape.
    """

    def __init__(self, env: gym.Env[Any, Any], plan: FloatArray) -> None:
        super().__init__(env)
        if np.shape(plan) != (self.env.periods, self.n_channels):
            raise ValueError(f"a plan needs the shape {(self.env.periods, self.n_channels)}, got {np.shape(plan)}")
        self.plan = plan

    def spend(self, period: Periods, observation: Observations | None = None) -> FloatArray:
        """Spends of the plan."""
        return self.plan[period]


def even_pacing(env: gym.Env[Any, Any]) -> FixedPlan:
    """The same spend every period on every channel; what a channel may not spend goes to the others."""
    campaign = unwrap(env)
    weights = np.ones(len(campaign.market.names))
    return _constant(campaign, steady_spend(campaign.budget / campaign.periods, weights, *campaign.spend_bounds))


def maximum_spend(env: gym.Env[Any, Any]) -> FixedPlan:
    """Every channel at its cap until the budget is spent."""
    return _constant(env, unwrap(env).spend_bounds[1])


def historical_proportions(env: gym.Env[Any, Any]) -> FixedPlan:
    """
    The budget spread evenly over time, and over channels as in the past; what one may not spend goes to the others.

    :raises ValueError: If the historical mean spends are unknown.
    """
    campaign = unwrap(env)
    history = known_market(campaign).historical_mean
    if history.sum() <= 0.0:
        raise ValueError("historical proportions need a market with historical mean spends, all are 0")
    return _constant(campaign, steady_spend(campaign.budget / campaign.periods, history, *campaign.spend_bounds))


def static_optimum(env: gym.Env[Any, Any]) -> FixedPlan:
    """What media-mix tools recommend: the best constant allocation on the steady-state curves at average demand."""
    campaign = unwrap(env)
    market = known_market(campaign)
    steady = replace(
        market,
        channels=tuple(replace(channel, theta=0.0, weights=None) for channel in market.channels),
        saturation_first=False,
        season=(float(market.season_factors(campaign.periods).mean()),),
        tail_periods=0,
        draws=(),
        randomness=Randomness(),
    )
    low, cap = campaign.spend_bounds
    return _constant(campaign, plan_optimal(steady, campaign.budget / campaign.periods, 1, low=low, cap=cap).spend[0])


def open_loop_optimum(env: gym.Env[Any, Any]) -> FixedPlan:
    """The plan of :func:`plan_optimal`, carried out as planned."""
    campaign = unwrap(env)
    low, cap = campaign.spend_bounds
    return FixedPlan(
        env, plan_optimal(known_market(campaign), campaign.budget, campaign.periods, low=low, cap=cap).spend
    )


def _constant(env: gym.Env[Any, Any], spend: FloatArray) -> FixedPlan:
    return FixedPlan(env, np.broadcast_to(spend, (unwrap(env).periods, len(spend))))
