"""Deterministic dynamics on a box as a finite Markov decision process, for the planners of :mod:`sb3_ext.mdp`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sb3_ext.common.arrays import FloatArray
from sb3_ext.common.hyperparameters import is_integer
from sb3_ext.mdp.model import SparseTransitions


def interpolated_model(
    step: Callable[[FloatArray, int], tuple[FloatArray, npt.ArrayLike, npt.ArrayLike]],
    low: Sequence[float],
    high: Sequence[float],
    points: Sequence[int],
    n_actions: int,
) -> tuple[SparseTransitions, FloatArray]:
    """
    Turn deterministic dynamics on a box into a finite process on a regular grid.

    A next state between grid points becomes a draw among the corners of its cell, with the weights of multilinear
    interpolation, so its value is the interpolated one. Terminal states become one additional last state.

    :param step: from states, shape (n, d), and an action to next states (n, d), rewards (n,) and terminal flags (n,)
    :param low: lower corner of the box, d numbers; next states outside the box are moved to its border
    :param high: upper corner
    :param points: grid points along each dimension, at least 2
    :param n_actions: number of actions, at least 1
    :return: transitions with K = 2^d successors, and expected rewards, shape (S + 1, A); states are numbered as
        ``numpy.ravel_multi_index`` does
    :raises ValueError: if the lengths differ, a range is empty, or there are too few points
    """
    axes_valid = len(low) == len(high) == len(points) > 0 and all(a < b for a, b in zip(low, high, strict=True))
    if not axes_valid or not all(is_integer(count, 2) for count in points) or not is_integer(n_actions, 1):
        raise ValueError(
            f"interpolated_model: low={low!r}, high={high!r}, points={points!r}, n_actions={n_actions!r} are not valid;"
            " pass d numbers each with low < high, at least 2 points, and at least 1 action."
        )
    start, size, counts = np.asarray(low, float), np.subtract(high, low), np.asarray(points)
    axes = [np.linspace(*ends) for ends in zip(low, high, points, strict=True)]
    states = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)
    n_states, n_corners = len(states), 2 ** len(points)
    successors = np.full((n_states + 1, n_actions, n_corners), n_states)
    probabilities = np.full(successors.shape, 1.0 / n_corners)
    rewards = np.zeros((n_states + 1, n_actions))
    corners = np.array(list(np.ndindex(*[2] * len(points))))
    for action in range(n_actions):
        next_states, reward, terminal = step(states, action)
        rewards[:-1, action] = reward
        position = np.clip((next_states - start) / size, 0.0, 1.0) * (counts - 1)
        cell = np.minimum(position.astype(np.int64), counts - 2)
        share = (position - cell)[:, None, :]
        weights: Any = np.where(corners, share, 1 - share).prod(axis=2)
        index = np.ravel_multi_index(tuple(np.moveaxis(cell[:, None, :] + corners, 2, 0)), tuple(points))
        alive = ~np.asarray(terminal, dtype=np.bool_)
        successors[:-1, action][alive] = index[alive]
        probabilities[:-1, action][alive] = weights[alive]
    return SparseTransitions(successors, probabilities), rewards
