"""The policy of tabular Q-learning: a table of Q-values with its visit counts."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch as th
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule

from sb3_ext.common.arrays import FloatArray
from sb3_ext.common.hyperparameters import check_hyperparameters, number
from sb3_ext.common.networks import SavedWhole

MAX_ENTRIES = 100_000_000


class QTablePolicy(SavedWhole, BasePolicy):
    """
    Greedy policy of a table of Q-values. The table stays in main memory, whatever the device.

    :param observation_space: ``Discrete``, or ``MultiDiscrete`` (its values are numbered as ``numpy.ravel_multi_index``
        does)
    :param action_space: ``Discrete``
    :param lr_schedule: unused, the table has no optimizer
    :param q_init: Q-value of every state and action at the start; above all returns, it makes a greedy agent try
        everything (optimism)
    :param n_tables: number of tables, whose mean acts: 2 for double Q-learning, else 1;
        set by :class:`sb3_ext.QLearning` according to its ``update``
    :raises ValueError: if a space is of another kind, the table would have more than 100 million entries, or ``q_init``
        is not a finite number
    """

    action_space: spaces.Discrete

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Discrete,
        lr_schedule: Schedule | None = None,
        q_init: float = 0.0,
        n_tables: int = 1,
    ) -> None:
        super().__init__(observation_space, action_space)
        check_hyperparameters("QLearning policy_kwargs", {"q_init": q_init}, {"q_init": number()})
        if not isinstance(action_space, spaces.Discrete):
            raise ValueError(f"QLearning: action_space={action_space} is not valid; it needs a Discrete.")
        if not isinstance(observation_space, (spaces.Discrete, spaces.MultiDiscrete)):
            raise ValueError(
                f"QLearning: observation_space={observation_space} is not valid; it needs a Discrete or MultiDiscrete "
                "(sb3_ext.wrappers.DiscretizeObservation makes one of a Box)."
            )
        self.q_init, self.n_tables = q_init, n_tables
        self._starts = np.ravel(observation_space.start)
        sizes = observation_space.n if isinstance(observation_space, spaces.Discrete) else observation_space.nvec
        self._sizes = tuple(int(size) for size in np.ravel(sizes))
        n_states, n_actions = math.prod(self._sizes), int(action_space.n)
        if n_tables * n_states * n_actions > MAX_ENTRIES:
            raise ValueError(
                f"QLearning: a table of {n_states:,} states and {n_actions:,} actions is too large; at most "
                f"{MAX_ENTRIES:,} entries are possible."
            )
        self.table: th.Tensor
        self.visits: th.Tensor
        shape = (n_states, n_actions) if n_tables == 1 else (n_tables, n_states, n_actions)
        self.register_buffer("table", th.full(shape, float(q_init), dtype=th.float64))
        self.register_buffer("visits", th.zeros((n_states, n_actions), dtype=th.int64))

    @property
    def tables(self) -> FloatArray:
        """All tables, shape (n_tables, states, actions); a view, minus infinity where ``q_table`` is."""
        values: FloatArray = self.table.numpy()
        return values.reshape(self.n_tables, *self.visits.shape)

    @property
    def q_table(self) -> FloatArray:
        """
        Q-values, shape (states, actions), minus infinity for actions known not to be available; a view, of several
        tables a copy, their mean.
        """
        values: FloatArray = self.table.numpy()
        return values if self.n_tables == 1 else np.asarray(values.mean(axis=0))

    def values(self, states: npt.NDArray[np.int64]) -> FloatArray:
        """Q-values of n states, shape (n, actions)."""
        tables = self.tables
        return tables[0, states] if self.n_tables == 1 else np.asarray(tables[:, states].mean(axis=0))

    @property
    def visit_counts(self) -> npt.NDArray[np.int64]:
        """How often each pair was updated, shape (states, actions); a view."""
        counts: npt.NDArray[np.int64] = self.visits.numpy()
        return counts

    def state_indices(self, observations: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Find the rows of n observations, shape (n,)."""
        if len(self._sizes) == 1:
            states: npt.NDArray[np.int64] = observations.reshape(-1).astype(np.int64) - self._starts[0]
            return states
        parts = observations.reshape(len(observations), -1) - self._starts
        return np.asarray(np.ravel_multi_index(tuple(parts.T), self._sizes), dtype=np.int64)

    def forward(self, observation: PyTorchObs, deterministic: bool = True) -> th.Tensor:
        """Return the greedy actions, the lowest of equally good ones; ``deterministic`` changes nothing."""
        return self._predict(observation, deterministic)

    def _predict(self, observation: PyTorchObs, deterministic: bool = True) -> th.Tensor:
        assert isinstance(observation, th.Tensor)
        rows = self.values(self.state_indices(observation.cpu().numpy()))
        return th.as_tensor(rows.argmax(axis=1) + int(self.action_space.start))

    def parameters_to_vector(self) -> FloatArray:
        """Return the Q-values of all tables and states one after another."""
        return self.tables.flatten()

    def load_from_vector(self, vector: npt.NDArray[np.floating]) -> None:
        """Set the Q-values to those of a vector like that of :meth:`parameters_to_vector`."""
        self.tables[:] = vector.reshape(self.tables.shape)

    def to(self, *args: Any, **kwargs: Any) -> "QTablePolicy":
        """Stay on the CPU: indexing single entries gains nothing from another device."""
        return self

    def _get_constructor_parameters(self) -> dict[str, Any]:
        spaces_ = {"observation_space": self.observation_space, "action_space": self.action_space}
        return {**spaces_, "q_init": self.q_init, "n_tables": self.n_tables}


TablePolicy = QTablePolicy
MlpPolicy = QTablePolicy
