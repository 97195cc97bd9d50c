"""Value iteration on finite Markov decision processes whose model is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from sb3_ext.common.arrays import FloatArray
from sb3_ext.common.hyperparameters import check_hyperparameters, integer, positive
from sb3_ext.mdp.model import Plan, Transitions, make_backup


def value_iteration(
    transitions: Transitions,
    rewards: npt.ArrayLike,
    available: npt.ArrayLike | None = None,
    *,
    gamma: float,
    tolerance: float = 1e-10,
    max_iterations: int = 1_000_000,
) -> Plan:
    """
    Sweep over the values of the states, ``V <- max_a R + gamma T V``, until the error bound is small enough.

    Stops when the residual is at most ``tolerance * (1 - gamma) / gamma`` (``tolerance`` itself for ``gamma=1``), or
    when nothing but rounding errors is left; :attr:`Plan.error_bound` then says how far the values may be off.

    :param transitions: shape (S, A, S), or sparse
    :param rewards: shape (S, A, S), or expected rewards, shape (S, A)
    :param available: which actions a state has, shape (S, A); ``None`` for all
    :param gamma: discount factor, in [0, 1]; 1 only converges if every policy worth following ends
    :param tolerance: largest error of a value, above 0
    :param max_iterations: sweeps after which to give up, at least 1
    :return: the optimal plan
    :raises ValueError: if a shape is wrong, probabilities are negative or do not sum to 1, a state has no action, or
        an argument is out of range
    :raises RuntimeError: if ``max_iterations`` were not enough
    """
    backup = make_backup("value_iteration", transitions, rewards, available, gamma)
    return _iterate(
        "value_iteration",
        sweep=lambda values: backup(values).max(axis=1),
        values=np.zeros(len(backup(None))),
        result=lambda values: (backup(values), values),
        gamma=gamma,
        tolerance=tolerance,
        max_iterations=max_iterations,
    )


def q_value_iteration(
    transitions: Transitions,
    rewards: npt.ArrayLike,
    available: npt.ArrayLike | None = None,
    *,
    gamma: float,
    tolerance: float = 1e-10,
    max_iterations: int = 1_000_000,
) -> Plan:
    """
    Sweep over the values of the actions, ``Q <- R + gamma T max_a Q``, until the error bound is small enough.

    Arguments, result and errors as for :func:`value_iteration`; the residual and its bound are those of the Q-values.
    """
    backup = make_backup("q_value_iteration", transitions, rewards, available, gamma)
    return _iterate(
        "q_value_iteration",
        sweep=lambda q_values: backup(q_values.max(axis=1)),
        values=np.where(np.isneginf(backup(None)), -np.inf, 0.0),
        result=lambda q_values: (q_values, q_values.max(axis=1)),
        gamma=gamma,
        tolerance=tolerance,
        max_iterations=max_iterations,
    )


def _iterate(
    owner: str,
    sweep: Callable[[FloatArray], FloatArray],
    values: FloatArray,
    result: Callable[[FloatArray], tuple[FloatArray, FloatArray]],
    gamma: float,
    tolerance: float,
    max_iterations: int,
) -> Plan:
    """Apply the contraction until its residual is small enough; ``result`` turns what it reached into Q and V."""
    check_hyperparameters(owner, locals(), {"tolerance": positive(), "max_iterations": integer(1)})
    finite = np.isfinite(values)
    goal = tolerance * (1 - gamma) / gamma if 0 < gamma < 1 else tolerance
    for iteration in range(1, max_iterations + 1):
        new = sweep(values)
        residual = float(np.abs(new[finite] - values[finite]).max())
        values = new
        rounding = 2 * np.finfo(np.float64).eps * float(np.abs(new[finite]).max())
        if residual <= max(goal, rounding) or gamma == 0:
            q_values, best = result(values)
            factor = gamma / (1 - gamma) if gamma < 1 else np.inf
            bound = factor * residual if residual > 0 else 0.0
            return Plan(q_values, best, q_values.argmax(axis=1), iteration, residual, bound)
    raise RuntimeError(
        f"{owner}: after {max_iterations:,} sweeps values still change by {residual:.3g}, with gamma={gamma:g} and "
        f"tolerance={tolerance:g}; lower gamma or raise max_iterations or tolerance."
    )
