"""What all reference policies share: SB3's ``predict``, the period, and reading observations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from sb3_ext.common.arrays import BoolArray, FloatArray, IntArray
from sb3_ext.envs.ad_spend.env import AdSpendEnv
from sb3_ext.envs.ad_spend.market.market import Market

Observations = npt.NDArray[np.float32]
Periods = IntArray
Memory = tuple[npt.NDArray[Any], ...]


class Baseline(ABC):
    """
    A policy that knows its campaign, and decides by the period and the observation.

    The period is counted in the ``state`` that ``predict`` takes and returns, as recurrent policies do in SB3. A caller
    that passes neither ``state`` nor ``episode_start`` gets it read off the observation, where that holds the time
    left.
    """

    observes = False
    """Whether the policy reads observations."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        self.env = unwrap(env)
        self.n_channels = len(self.env.market.names)

    @abstractmethod
    def spend(self, period: Periods, observation: Observations | None = None) -> FloatArray:
        """Spend of the periods (n,), from 0, by what is observed before them, (n, D); shape (n, N), money."""

    def start(self, n_envs: int) -> Memory:
        """What n campaigns remember at their start, arrays with n as first dimension; none if nothing."""
        return ()

    def decide(self, period: Periods, observation: Observations | None, memory: Memory) -> tuple[FloatArray, Memory]:
        """Spend of the periods (n,), shape (n, N), money, and what to remember."""
        return self.spend(period, observation), memory

    def predict(
        self,
        observation: npt.NDArray[Any] | dict[str, npt.NDArray[Any]],
        state: tuple[npt.NDArray[Any], ...] | None = None,
        episode_start: npt.NDArray[Any] | None = None,
        deterministic: bool = True,
    ) -> tuple[npt.NDArray[Any], tuple[npt.NDArray[Any], ...] | None]:
        """
        Decide as SB3's ``predict``: for one observation, shape (D,), or a batch, shape (n, D).

        :raises ValueError: If neither the arguments nor the observation tell the period, or the policy needs to
            remember the campaign and gets no state, or reads observations and they contradict the period or are those
            of another environment.
        """
        if isinstance(observation, dict):
            raise ValueError("a baseline needs the observations of an AdSpend environment, got a dictionary")
        observation = np.asarray(observation)
        batch = observation.reshape(1 if observation.ndim == 1 else len(observation), -1)
        n_envs = len(batch)
        if self.observes and batch.shape[1] != len(self.env.observation_names):
            raise ValueError(
                f"{type(self).__name__} was made for observations of {len(self.env.observation_names)} entries, got "
                f"{batch.shape[1]}: make it for an environment with the same arguments"
            )
        if state is not None or episode_start is not None:
            period = np.zeros(n_envs, dtype=np.int64) if state is None else state[0]
            memory = self.start(n_envs) if state is None else state[1:]
            if episode_start is not None and np.any(episode_start):
                started = np.broadcast_to(np.asarray(episode_start, dtype=bool), n_envs)
                period = np.where(started, 0, period)
                if memory and state is not None:
                    memory = _restarted(memory, self.start(n_envs), started)
        elif "time_left" not in self.env.observation_map.columns:
            raise ValueError(
                "this observation does not hold the time: pass episode_start, and the state that predict returned"
            )
        else:
            period, memory = self._observed_period(batch), self.start(n_envs)
            if memory and np.any(period > 0):
                raise ValueError(
                    f"{type(self).__name__} remembers campaigns: pass episode_start and the state that predict returned"
                )
        if self.observes and np.any(self._observed_period(batch) != period):
            raise ValueError(
                f"{type(self).__name__} needs the environment's own observations and its own state: the time left does "
                "not fit the period (are the observations normalized?)"
            )
        period = np.minimum(period, self.env.periods - 1)
        spend, memory = self.decide(period, batch, memory)
        action = self.env.action_map.to_action(spend)
        return action[0] if observation.ndim == 1 else action, (period + 1, *memory)

    def _observed_period(self, observation: Observations) -> Periods:
        time_left = self.env.observation_map.amounts("time_left", observation)
        return np.asarray(np.rint((1.0 - time_left) * self.env.periods), dtype=np.int64)


class ObservingBaseline(Baseline):
    """A policy that reads observations, and knows the market."""

    observes = True
    needs: tuple[str, ...] = ()
    """Entries of the observation without which the policy cannot decide."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self.market = market = known_market(self.env)
        if market.randomness.price_sigma:
            self.needs = (*self.needs, "price_shock")
        missing = [name for name in (*self.needs, "time_left") if name not in self.env.observation_map.columns]
        if missing:
            raise ValueError(
                f'{type(self).__name__} needs an environment with obs_mode="full": with obs_mode='
                f"{self.env.obs_mode!r} the observation lacks {', '.join(missing)}"
            )

    def observed(self, name: str, observation: Observations | None) -> FloatArray:
        """Entries of observations in their own units again, see :meth:`ObservationMap.amounts`."""
        if observation is None:
            raise ValueError(f"{type(self).__name__} decides by observations, got none")
        return self.env.observation_map.amounts(name, observation)

    def observed_window(self, observation: Observations | None) -> FloatArray:
        """Media of the last periods where carry-over has a window, newest first, shape (n, L, N)."""
        media = self.observed("window", observation)
        return media.reshape(len(media), -1, self.n_channels)


def unwrap(env: gym.Env[Any, Any]) -> AdSpendEnv:
    """The AdSpend environment below wrappers."""
    if not isinstance(env.unwrapped, AdSpendEnv):
        raise ValueError(
            "a baseline needs one AdSpend environment (of a DummyVecEnv `vec_env.envs[0]`; for a vector environment "
            f"one of gym.make with the same arguments), got {env}"
        )
    return env.unwrapped


def known_market(campaign: AdSpendEnv) -> Market:
    """The market of an environment; a ``sales_function`` is none."""
    if not isinstance(campaign.market, Market):
        raise ValueError("this baseline needs a Market, but the environment only has a sales_function")
    return campaign.market


def _restarted(memory: Memory, fresh: Memory, started: BoolArray) -> Memory:
    return tuple(
        np.where(started.reshape(-1, *(1,) * (old.ndim - 1)), new, old) for old, new in zip(memory, fresh, strict=True)
    )
