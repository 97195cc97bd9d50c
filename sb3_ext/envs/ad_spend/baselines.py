"""Reference policies with SB3's ``predict``, to compare an agent with; usable in ``evaluate_policy``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from sb3_ext.envs.ad_spend.env import AdSpendEnv
from sb3_ext.envs.ad_spend.optimum import plan_optimal
from sb3_ext.envs.ad_spend.params import FloatArray, Market


class Baseline(ABC):
    """
    A policy that knows its campaign, and decides by the period alone.

    The period is counted in the ``state`` that ``predict`` takes and returns, as recurrent policies do in SB3. A caller
    that passes neither ``state`` nor ``episode_start`` gets it read off the observation, where that holds the time
    left.

    :param env: The environment, possibly wrapped, whose campaigns the policy is for.
    :raises ValueError: If the environment is no AdSpend environment.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        self.env = _unwrap(env)
        self.n_channels = len(self.env.market.names)

    @abstractmethod
    def spend(self, period: npt.NDArray[np.int64]) -> FloatArray:
        """
        Spend of the given periods.

        :param period: Periods, from 0, shape (n,).
        :return: Spend, shape (n, N), money.
        """

    def predict(
        self,
        observation: npt.NDArray[Any] | dict[str, npt.NDArray[Any]],
        state: tuple[npt.NDArray[Any], ...] | None = None,
        episode_start: npt.NDArray[Any] | None = None,
        deterministic: bool = True,
    ) -> tuple[npt.NDArray[Any], tuple[npt.NDArray[Any], ...] | None]:
        """
        Decide, with the signature of SB3's ``predict``.

        :param observation: One observation, shape (D,), or a batch, shape (n, D).
        :param state: What the last call returned; ``None`` at the start of an episode.
        :param episode_start: Which environments of the batch have just been reset, shape (n,).
        :param deterministic: Accepted for SB3's sake.
        :return: Actions, shape (N,) or (n, N), and the state for the next call.
        :raises ValueError: If neither the arguments nor the observation tell the period.
        """
        if isinstance(observation, dict):
            raise ValueError("a baseline needs the observations of an AdSpend environment, got a dictionary")
        observation = np.asarray(observation)
        n_envs = 1 if observation.ndim == 1 else len(observation)
        if state is not None or episode_start is not None:
            period = np.zeros(n_envs, dtype=np.int64) if state is None else state[0]
            if episode_start is not None:
                period = np.where(episode_start, 0, period)
        elif self.env.obs_mode == "spend":
            raise ValueError(
                "this observation does not hold the time: pass episode_start, and the state that predict returned"
            )
        else:
            time_left = observation.reshape(n_envs, -1)[:, self.env.observation_names.index("time_left")]
            period = np.rint((1.0 - time_left) * self.env.periods).astype(np.int64)
        period = np.minimum(period, self.env.periods - 1)
        action = self.env.action_map.to_action(self.spend(period))
        return action[0] if observation.ndim == 1 else action, (period + 1,)


class RandomSpend(Baseline):
    """
    Uniformly random actions.

    :param env: The environment.
    :param seed: Seed of the actions.
    """

    def __init__(self, env: gym.Env[Any, Any], seed: int | None = None) -> None:
        super().__init__(env)
        self._rng = np.random.default_rng(seed)

    def spend(self, period: npt.NDArray[np.int64]) -> FloatArray:
        """
        Spends drawn uniformly between the bounds.

        :param period: Periods, shape (n,).
        :return: Spend, shape (n, N), money.
        """
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

    def spend(self, period: npt.NDArray[np.int64]) -> FloatArray:
        """
        Spends of the plan.

        :param period: Periods, shape (n,).
        :return: Spend, shape (n, N), money.
        """
        return self.plan[period]


def even_pacing(env: gym.Env[Any, Any]) -> FixedPlan:
    """
    The same spend every period on every channel.

    :param env: The environment.
    :return: The policy.
    """
    campaign = _unwrap(env)
    n_channels = len(campaign.market.names)
    return _constant(campaign, np.full(n_channels, campaign.budget / campaign.periods / n_channels))


def maximum_spend(env: gym.Env[Any, Any]) -> FixedPlan:
    """
    Every channel at its cap until the budget is spent.

    :param env: The environment.
    :return: The policy.
    """
    return _constant(env, _unwrap(env).spend_bounds[1])


def historical_proportions(env: gym.Env[Any, Any]) -> FixedPlan:
    """
    The budget spread evenly over time, and over channels as in the past.

    :param env: The environment.
    :return: The policy.
    :raises ValueError: If the historical mean spends are unknown.
    """
    campaign = _unwrap(env)
    history = _market(campaign).initial_adstock
    if history.sum() <= 0.0:
        raise ValueError("historical proportions need a market with historical mean spends, all are 0")
    return _constant(campaign, campaign.budget / campaign.periods * history / history.sum())


def static_optimum(env: gym.Env[Any, Any]) -> FixedPlan:
    """
    What media-mix tools recommend: the best constant allocation on the steady-state curves at average demand.

    :param env: The environment.
    :return: The policy.
    """
    campaign = _unwrap(env)
    market = _market(campaign)
    steady = replace(
        market,
        channels=tuple(replace(channel, theta=0.0) for channel in market.channels),
        season=(float(market.season_factors(campaign.periods).mean()),),
        tail_periods=0,
        draws=(),
    )
    low, cap = campaign.spend_bounds
    return _constant(campaign, plan_optimal(steady, campaign.budget / campaign.periods, 1, low=low, cap=cap).spend[0])


def open_loop_optimum(env: gym.Env[Any, Any]) -> FixedPlan:
    """
    The plan of :func:`plan_optimal`, carried out as planned.

    :param env: The environment.
    :return: The policy.
    """
    campaign = _unwrap(env)
    low, cap = campaign.spend_bounds
    return FixedPlan(env, plan_optimal(_market(campaign), campaign.budget, campaign.periods, low=low, cap=cap).spend)


def all_baselines(env: gym.Env[Any, Any], seed: int | None = None) -> dict[str, Baseline]:
    """
    Every baseline that can be formed for an environment.

    :param env: The environment.
    :param seed: Seed of the random policy.
    :return: Policies by name, from the naive to the informed; without a market (``sales_function``) only those that
        need none.
    """
    baselines: dict[str, Baseline] = {
        "random": RandomSpend(env, seed),
        "maximum spend": maximum_spend(env),
        "even pacing": even_pacing(env),
    }
    market = _unwrap(env).market
    if isinstance(market, Market):
        if market.initial_adstock.sum() > 0.0:
            baselines["historical proportions"] = historical_proportions(env)
        baselines["static optimum"] = static_optimum(env)
        baselines["open-loop optimum"] = open_loop_optimum(env)
    return baselines


def _unwrap(env: gym.Env[Any, Any]) -> AdSpendEnv:
    if not isinstance(env.unwrapped, AdSpendEnv):
        raise ValueError(f"a baseline needs one AdSpend environment (of a VecEnv: `vec_env.envs[0]`), got {env}")
    return env.unwrapped


def _market(campaign: AdSpendEnv) -> Market:
    if not isinstance(campaign.market, Market):
        raise ValueError("this baseline needs a Market, but the environment only has a sales_function")
    return campaign.market


def _constant(env: gym.Env[Any, Any], spend: FloatArray) -> FixedPlan:
    return FixedPlan(env, np.broadcast_to(spend, (_unwrap(env).periods, len(spend))))
