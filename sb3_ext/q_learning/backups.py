"""What a state is worth by the values of its actions, shape (n, actions)."""

import numpy as np
import numpy.typing as npt

from sb3_ext.common.arrays import FloatArray

UPDATES = ("q", "sarsa", "expected_sarsa", "double_q")


def value_of(values: FloatArray, actions: npt.NDArray[np.int64]) -> FloatArray:
    """The value of one action of each state, shape (n,)."""
    return np.asarray(values[np.arange(len(values)), actions])


def expected_value(values: FloatArray, exploration_rate: float) -> FloatArray:
    """The mean over what an epsilon-greedy agent does there, shape (n,); for an agent that never explores the best."""
    best: FloatArray = values.max(axis=1)
    if exploration_rate == 0.0:
        return best
    return np.asarray(best + exploration_rate * (values.mean(axis=1, where=np.isfinite(values)) - best))
