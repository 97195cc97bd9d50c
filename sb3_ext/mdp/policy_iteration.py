"""Policy evaluation and policy iteration on finite Markov decision processes whose model is known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.linalg import spsolve

from sb3_ext.common.arrays import FloatArray, IntArray
from sb3_ext.common.hyperparameters import check_hyperparameters, integer
from sb3_ext.mdp.model import Plan, SparseTransitions, Transitions, make_backup

# Relative: by how much an action must be better than that of a policy; rounding alone would go on for ever.
_BETTER = 1e-11


def policy_values(
    transitions: Transitions,
    rewards: npt.ArrayLike,
    available: npt.ArrayLike | None = None,
    *,
    gamma: float,
    policy: npt.ArrayLike,
) -> FloatArray:
    """
    Values of a policy, by solving ``(I - gamma T) V = R``.

    Arguments and errors as for :func:`value_iteration`, with ``gamma < 1``.

    :param policy: action of each state, shape (S,)
    :return: values, shape (S,)
    """
    expected = make_backup("policy_values", transitions, rewards, available, _discount("policy_values", gamma))(None)
    n_states, n_actions = expected.shape
    chosen, states = np.asarray(policy), np.arange(n_states)
    valid = chosen.shape == (n_states,) and bool(np.isin(chosen, np.arange(n_actions)).all())
    if not valid or np.isneginf(expected[states, chosen.astype(np.int64)]).any():
        raise ValueError(f"policy_values: policy={policy!r} is not valid; pass an available action for each state.")
    return _evaluate(transitions, expected, chosen.astype(np.int64), gamma)


def policy_iteration(
    transitions: Transitions,
    rewards: npt.ArrayLike,
    available: npt.ArrayLike | None = None,
    *,
    gamma: float,
    max_iterations: int = 1000,
) -> Plan:
    """
    Evaluate a policy exactly, make it greedy on its own values, and repeat until no state has a better action.

    Source: R. Howard, Dynamic Programming and Markov Processes, 1960; Sutton and Barto, 4.3. It starts from the policy
    that is greedy on the rewards, and ends after few evaluations, each of them a linear system. Arguments, result and
    errors as for :func:`value_iteration`, with ``gamma < 1``; the residual is that of a last sweep over the values of
    the policy, so the bound holds as it does there.

    :param max_iterations: evaluations after which to give up, at least 1
    :return: the optimal plan
    """
    check_hyperparameters("policy_iteration", {"max_iterations": max_iterations}, {"max_iterations": integer(1)})
    discount = _discount("policy_iteration", gamma)
    backup = make_backup("policy_iteration", transitions, rewards, available, discount)
    expected = backup(None)
    states, policy = np.arange(len(expected)), expected.argmax(axis=1)
    for iteration in range(1, max_iterations + 1):
        values = _evaluate(transitions, expected, policy, gamma)
        q_values = backup(values)
        best = q_values.max(axis=1)
        better = best > q_values[states, policy] + _BETTER * max(1.0, float(np.abs(values).max()))
        if not better.any():
            residual = float(np.abs(best - values).max())
            return Plan(q_values, best, q_values.argmax(axis=1), iteration, residual, gamma / (1 - gamma) * residual)
        policy = np.where(better, q_values.argmax(axis=1), policy)
    raise RuntimeError(
        f"policy_iteration: after {max_iterations:,} evaluations the policy still changes; raise max_iterations."
    )


def _discount(owner: str, gamma: float) -> float:
    if gamma == 1:
        raise ValueError(f"{owner}: gamma=1 is not valid; pass a number in [0, 1).")
    return gamma


def _evaluate(transitions: Transitions, expected: FloatArray, policy: IntArray, gamma: float) -> FloatArray:
    states = np.arange(len(expected))
    earned = expected[states, policy]
    if not isinstance(transitions, SparseTransitions):
        rows = np.asarray(transitions, dtype=np.float64)[states, policy]
        return np.asarray(np.linalg.solve(np.eye(len(states)) - gamma * rows, earned), dtype=np.float64)
    successors, probabilities = (part[states, policy] for part in transitions)
    starts = np.arange(len(states) + 1) * successors.shape[1]
    # Indices may be there twice: what is added up is what is meant.
    chain = sparse.csr_array((probabilities.ravel(), successors.ravel(), starts), shape=(len(states),) * 2)
    return np.asarray(spsolve((sparse.eye_array(len(states)) - gamma * chain).tocsc(), earned))
