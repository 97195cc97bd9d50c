"""Observations of a ``Box`` as one integer, for tabular algorithms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from sb3_ext.common.hyperparameters import is_integer

MAX_CELLS = 100_000_000


class DiscretizeObservation(gym.ObservationWrapper[np.int64, Any, npt.NDArray[Any]], gym.utils.RecordConstructorArgs):
    """
    Cut every dimension of a ``Box`` observation into bins of equal width, and number the cells of the grid.

    A bin contains its lower edge; values outside the range belong to the first or the last bin. Cells are numbered as
    ``numpy.ravel_multi_index`` does, the last dimension fastest.

    Example::

        >>> import gymnasium as gym
        >>> from sb3_ext.wrappers import DiscretizeObservation
        >>> env = DiscretizeObservation(gym.make("MountainCar-v0"), bins=[4, 5])
        >>> env.observation_space
        Discrete(20)
        >>> int(env.observation([-1.2, 0.07]))
        4
        >>> cart_pole = gym.make("CartPole-v1")
        >>> env = DiscretizeObservation(cart_pole, bins=6, low=[None, -3, None, -3.5], high=[None, 3, None, 3.5])
        >>> env.observation_space
        Discrete(1296)

    :param env: environment with a ``Box`` of numbers as observation
    :param bins: number of bins, at least 1: one number for all d dimensions, or d numbers
    :param low: lower end of the range to cut: ``None`` for the bounds of the space, one number for all dimensions, or d
        numbers of which any may be ``None``; needed where the space has no finite bound
    :param high: upper end, same forms
    :raises ValueError: if an argument has the wrong length, a range is not finite or empty, the observation is not a
        ``Box`` of numbers, or there are more than 100 million cells
    """

    def __init__(
        self,
        env: gym.Env[npt.NDArray[Any], Any],
        bins: int | Sequence[int] = 20,
        low: float | Sequence[float | None] | None = None,
        high: float | Sequence[float | None] | None = None,
    ) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, bins=bins, low=low, high=high)
        gym.ObservationWrapper.__init__(self, env)
        box = env.observation_space
        if not isinstance(box, spaces.Box):
            raise ValueError(f"DiscretizeObservation: observation_space={box} is not valid; it needs a Box of numbers.")
        n_dims = math.prod(box.shape)
        self._bins: list[int] = _per_dimension("bins", bins, n_dims)
        for value in self._bins:
            if not is_integer(value, 1):
                raise ValueError(f"DiscretizeObservation: bins={bins!r} is not valid; pass integers >= 1.")
        lows, highs = (
            [float(bound if value is None else value) for value, bound in zip(given, bounds.ravel(), strict=True)]
            for given, bounds in (
                (_per_dimension("low", low, n_dims), box.low),
                (_per_dimension("high", high, n_dims), box.high),
            )
        )
        for index, (start, end) in enumerate(zip(lows, highs, strict=True)):
            if not (math.isfinite(start) and math.isfinite(end) and start < end):
                raise ValueError(
                    f"DiscretizeObservation: dimension {index} ranges from {start:g} to {end:g}; "
                    "pass finite low and high with low < high."
                )
        n_cells = math.prod(self._bins)
        if n_cells > MAX_CELLS:
            raise ValueError(f"DiscretizeObservation: bins={bins!r} make {n_cells:,} cells; pass fewer bins.")
        scales = [count / (end - start) for count, start, end in zip(self._bins, lows, highs, strict=True)]
        self._grid = list(zip(self._bins, lows, scales, strict=True))
        self.observation_space = spaces.Discrete(n_cells)

    def observation(self, observation: npt.ArrayLike) -> np.int64:
        """Number the cell that contains an observation; NaN raises ``ValueError``."""
        cell = 0
        # Plain Python is several times faster than NumPy for a handful of numbers.
        for value, (count, low, scale) in zip(np.ravel(observation).tolist(), self._grid, strict=True):
            position = (value - low) * scale
            cell = cell * count + (0 if position < 0 else count - 1 if position >= count else int(position))
        number: np.int64 = np.int64(cell)
        return number


def _per_dimension(name: str, value: Any, n_dims: int) -> list[Any]:
    if value is None or np.ndim(value) == 0:
        return [value] * n_dims
    values = list(np.ravel(np.array(value, dtype=object)))
    if len(values) != n_dims:
        raise ValueError(
            f"DiscretizeObservation: {name}={value!r} has {len(values)} entries; pass one number, or one for each of "
            f"the {n_dims} dimensions."
        )
    return values
