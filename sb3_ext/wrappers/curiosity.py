"""A bonus for states that were seldom seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from sb3_ext.common.hyperparameters import check_hyperparameters, positive
from sb3_ext.wrappers.discretize import DiscretizeObservation
from sb3_ext.wrappers.shaping import with_monitor


class CountBonus(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """
    Add ``bonus / sqrt(n)`` to the reward, where n counts the visits to the state that was reached, this one included.

    The states of a ``Box`` are the cells of a grid, see :class:`DiscretizeObservation`. Counts go on over episodes, and
    each environment has its own. The agent seeks what it does not know, and the less of it there is, the more it cares
    for the reward alone. M. Bellemare et al., Unifying Count-Based Exploration and Intrinsic Motivation, 2016,
    https://arxiv.org/abs/1606.01868, estimate the counts by a density model where a grid would have too many cells.

    Returns of evaluations stay raw, see :mod:`sb3_ext.wrappers.shaping`. Wrap before anything that changes observations
    so that the grid fits; an agent that does not see the counts meets rewards that change over time.

    Example::

        >>> import gymnasium as gym
        >>> from sb3_ext.wrappers import CountBonus
        >>> env = CountBonus(gym.make("MountainCar-v0"), bonus=1.0, bins=20)
        >>> _ = env.reset(seed=0)
        >>> [round(float(env.step(1)[1]), 2) for _ in range(3)]
        [0.0, -0.29, -0.42]

    :param env: environment with a ``Discrete`` observation or a ``Box`` of numbers
    :param bonus: bonus of the first visit, in units of the reward, greater than 0
    :param bins: number of bins of a ``Box``: one number for all dimensions, or one for each
    :param low: lower end of the range to cut into bins, as in :class:`DiscretizeObservation`
    :param high: upper end, same forms
    :raises ValueError: if an argument is out of range, or the observation is of another kind
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        bonus: float = 1.0,
        bins: int | Sequence[int] = 20,
        low: float | Sequence[float | None] | None = None,
        high: float | Sequence[float | None] | None = None,
    ) -> None:
        check_hyperparameters("CountBonus", {"bonus": bonus}, {"bonus": positive()})
        gym.utils.RecordConstructorArgs.__init__(self, bonus=bonus, bins=bins, low=low, high=high)
        gym.Wrapper.__init__(self, with_monitor(env))
        self.bonus = float(bonus)
        space = env.observation_space
        self._grid = None if isinstance(space, spaces.Discrete) else DiscretizeObservation(env, bins, low, high)
        cells: Any = space if self._grid is None else self._grid.observation_space
        self._first = int(cells.start)
        #: Visits of each state or cell, shape (n,)
        self.counts = np.zeros(int(cells.n), dtype=np.int64)

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step, with the bonus."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        cell = int(observation if self._grid is None else self._grid.observation(observation)) - self._first
        self.counts[cell] += 1
        return observation, float(reward) + self.bonus / math.sqrt(self.counts[cell]), terminated, truncated, info
