"""Watching a table while it is learned."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.callbacks import BaseCallback

from sb3_ext.common.hyperparameters import check_hyperparameters, integer


class RecordQValues(BaseCallback):
    """
    Keep copies of the Q-table of :class:`sb3_ext.q_learning.QLearning` during training, for
    :func:`sb3_ext.q_learning.plots.q_values_over_training`.

    The first copy shows the table before the first update; the last one the table at the end of training.

    :param every: environment steps between two copies, at least 1
    :raises ValueError: if ``every`` is out of range, or, when training starts, if the algorithm has no ``q_table``
    """

    def __init__(self, every: int = 100) -> None:
        super().__init__()
        check_hyperparameters("RecordQValues", {"every": every}, {"every": integer(1)})
        self.every = every
        self._steps: list[int] = []
        self._tables: list[npt.NDArray[np.float64]] = []

    @property
    def steps(self) -> npt.NDArray[np.int64]:
        """Environment steps before each copy, shape (k,)."""
        return np.array(self._steps, dtype=np.int64)

    @property
    def q_values(self) -> npt.NDArray[np.float64]:
        """The copies, shape (k, states, actions)."""
        return np.array(self._tables)

    def _on_training_start(self) -> None:
        if not hasattr(self.model, "q_table"):
            raise ValueError(f"RecordQValues: {type(self.model).__name__} has no q_table; use QLearning.")
        if self.model.num_timesteps == 0:
            self._steps, self._tables = [], []
        self._record()

    def _on_step(self) -> bool:
        if self.num_timesteps >= self._steps[-1] + self.every:
            self._record()
        return True

    def _on_training_end(self) -> None:
        self._record()

    def _record(self) -> None:
        if self._steps and self._steps[-1] == self.model.num_timesteps:
            return
        self._steps.append(self.model.num_timesteps)
        self._tables.append(np.array(self.model.q_table))  # type: ignore[attr-defined]
