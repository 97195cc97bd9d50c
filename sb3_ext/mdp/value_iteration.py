"""
Exact planning on finite Markov decision processes whose model is known.

A model is an array of transition probabilities, shape (S, A, S) for (state, action, next state), or
:class:`SparseTransitions` where each pair has few successors; and rewards, either per transition, (S, A, S), or
expected, (S, A). Actions that a state does not have are marked in ``available``, or by ``None`` in nested lists
(:func:`dense_model`). Their Q-values are minus infinity.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from sb3_ext.common.arrays import BoolArray, FloatArray, IntArray
from sb3_ext.common.hyperparameters import check_hyperparameters, integer, number, positive


class SparseTransitions(NamedTuple):
    """Transitions with at most K successors for each state and action."""

    successors: IntArray
    """Next states, shape (S, A, K)."""
    probabilities: FloatArray
    """Their probabilities, shape (S, A, K), summing to 1 over K."""


class Model(NamedTuple):
    """What the planners take: ``value_iteration(*model, gamma=0.9)``."""

    transitions: FloatArray
    """Probabilities, shape (S, A, S)."""
    rewards: FloatArray
    """Rewards, shape (S, A, S) or (S, A)."""
    available: BoolArray
    """Which actions a state has, shape (S, A)."""


class Plan(NamedTuple):
    """Result of a planner."""

    q_values: FloatArray
    """Shape (S, A), minus infinity for actions that the state does not have."""
    values: FloatArray
    """Best Q-value of each state, shape (S,)."""
    policy: IntArray
    """Greedy action of each state, shape (S,); the lowest of equally good ones."""
    iterations: int
    """Sweeps over all states."""
    residual: float
    """Largest change of a value in the last sweep."""
    error_bound: float
    """
    No value is further from the optimum, up to rounding: ``gamma / (1 - gamma) * residual``, since a sweep is a
    contraction by gamma in the maximum norm. Infinite for ``gamma=1``, unless the residual is 0.
    """


Transitions: TypeAlias = npt.ArrayLike | SparseTransitions


def dense_model(transitions: Sequence[Sequence[Sequence[float] | None]], rewards: npt.ArrayLike | None = None) -> Model:
    """
    Turn nested lists, with ``None`` for actions that a state does not have, into arrays.

    :param transitions: probabilities, ``transitions[state][action][next state]``
    :param rewards: shape (S, A, S) or (S, A); ``None`` for zeros
    :return: the model
    :raises ValueError: if the lists have different lengths
    """
    available = np.array([[row is not None for row in state] for state in transitions])
    n_states = len(transitions)
    rows = [[[0.0] * n_states if row is None else row for row in state] for state in transitions]
    given = np.zeros(available.shape) if rewards is None else np.asarray(rewards, dtype=np.float64)
    return Model(np.array(rows, dtype=np.float64), given, available)


def toy_text_model(table: Mapping[int, Mapping[int, Sequence[tuple[float, int, float, bool]]]]) -> Model:
    """
    Turn the table of a Gymnasium toy-text environment, ``env.unwrapped.P``, into arrays.

    A transition that ends the episode leads to an additional last state, which stays where it is and earns 0.

    :param table: ``table[state][action]`` lists (probability, next state, reward, terminated); the states are 0 to
        S - 1, and all have the same actions 0 to A - 1
    :return: a model with S + 1 states and expected rewards, shape (S + 1, A)
    :raises ValueError: if states or actions are not numbered like this
    """
    n_states, n_actions = len(table), len(table.get(0, {}))
    end = n_states
    transitions = np.zeros((n_states + 1, n_actions, n_states + 1))
    rewards = np.zeros((n_states + 1, n_actions))
    transitions[end, :, end] = 1.0
    for state, actions in table.items():
        if not 0 <= state < n_states or sorted(actions) != list(range(n_actions)):
            raise ValueError(
                f"toy_text_model: state {state} with actions {sorted(actions)} is not valid; number states from 0 to "
                f"{n_states - 1} and give each the actions 0 to {n_actions - 1}."
            )
        for action, outcomes in actions.items():
            for probability, next_state, reward, terminated in outcomes:
                transitions[state, action, end if terminated else next_state] += probability
                rewards[state, action] += probability * reward
    return Model(transitions, rewards, np.ones(rewards.shape, dtype=np.bool_))


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
    backup = _make_backup("value_iteration", transitions, rewards, available, gamma)
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
    backup = _make_backup("q_value_iteration", transitions, rewards, available, gamma)
    return _iterate(
        "q_value_iteration",
        sweep=lambda q_values: backup(q_values.max(axis=1)),
        values=np.where(np.isneginf(backup(None)), -np.inf, 0.0),
        result=lambda q_values: (q_values, q_values.max(axis=1)),
        gamma=gamma,
        tolerance=tolerance,
        max_iterations=max_iterations,
    )


def policy_values(
    transitions: npt.ArrayLike,
    rewards: npt.ArrayLike,
    available: npt.ArrayLike | None = None,
    *,
    gamma: float,
    policy: npt.ArrayLike,
) -> FloatArray:
    """
    Values of a policy, by solving ``(I - gamma T) V = R``.

    Arguments and errors as for :func:`value_iteration`, with ``gamma < 1`` and transitions of shape (S, A, S).

    :param policy: action of each state, shape (S,)
    :return: values, shape (S,)
    """
    if gamma == 1:
        raise ValueError("policy_values: gamma=1 is not valid; pass a number in [0, 1).")
    expected = _make_backup("policy_values", transitions, rewards, available, gamma)(None)
    n_states, n_actions = expected.shape
    chosen, states = np.asarray(policy), np.arange(n_states)
    valid = chosen.shape == (n_states,) and bool(np.isin(chosen, np.arange(n_actions)).all())
    if not valid or np.isneginf(expected[states, chosen.astype(np.int64)]).any():
        raise ValueError(f"policy_values: policy={policy!r} is not valid; pass an available action for each state.")
    chosen = chosen.astype(np.int64)
    rows = np.asarray(transitions, dtype=np.float64)[states, chosen]
    values: FloatArray = np.linalg.solve(np.eye(n_states) - gamma * rows, expected[states, chosen])
    return values


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


def _make_backup(
    owner: str, transitions: Transitions, rewards: npt.ArrayLike, available: npt.ArrayLike | None, gamma: float
) -> Callable[[FloatArray | None], FloatArray]:
    """Check a model; return the function from values of states, or ``None`` for zeros, to Q-values."""
    check_hyperparameters(owner, locals(), {"gamma": number(0, 1)})
    if isinstance(transitions, SparseTransitions):
        successors, probabilities = transitions
    else:
        successors, probabilities = None, np.asarray(transitions, dtype=np.float64)
    shape = probabilities.shape
    wrong = len(shape) != 3 or 0 in shape
    if wrong or shape != ((shape[0], shape[1], shape[0]) if successors is None else successors.shape):
        raise ValueError(f"{owner}: transitions have shape {shape}; pass (S, A, S), or (S, A, K) twice if sparse.")
    if successors is not None and not (0 <= successors.min() and successors.max() < shape[0]):
        raise ValueError(f"{owner}: successors must be states from 0 to {shape[0] - 1}.")
    mask = np.ones(shape[:2], dtype=np.bool_) if available is None else np.asarray(available, dtype=np.bool_)
    if mask.shape != shape[:2] or not mask.any(axis=1).all():
        raise ValueError(
            f"{owner}: available of shape {mask.shape} is not valid; pass {shape[:2]} with an action for every state."
        )
    _check_rows(owner, probabilities, mask)
    expected = _expected_rewards(owner, probabilities, np.asarray(rewards, dtype=np.float64), mask)

    def backup(values: FloatArray | None) -> FloatArray:
        if values is None:
            return expected
        if successors is None:
            future = probabilities @ values
        else:
            future = np.einsum("sak,sak->sa", probabilities, values[successors])
        q_values: FloatArray = expected + gamma * future
        return q_values

    return backup


def _check_rows(owner: str, probabilities: FloatArray, mask: BoolArray) -> None:
    sums = probabilities.sum(axis=2)
    bad = mask & ~((np.abs(sums - 1) <= 1e-9) & (probabilities >= 0).all(axis=2))
    if bad.any():
        state, action = np.argwhere(bad)[0]
        raise ValueError(
            f"{owner}: the probabilities of state {state}, action {action} sum to {sums[state, action]:.6g}; pass "
            "numbers >= 0 that sum to 1, or mark the action as not available."
        )


def _expected_rewards(owner: str, probabilities: FloatArray, rewards: FloatArray, mask: BoolArray) -> FloatArray:
    """Expected reward of each pair, minus infinity where there is no such action."""
    shape = probabilities.shape
    if rewards.shape == shape:
        rewards = np.einsum("sak,sak->sa", probabilities, np.where(mask[:, :, None], rewards, 0.0))
    elif rewards.shape != shape[:2]:
        raise ValueError(f"{owner}: rewards have shape {rewards.shape}; pass {shape} or {shape[:2]}.")
    if not np.isfinite(rewards[mask]).all():
        raise ValueError(f"{owner}: rewards must be finite numbers for all available actions.")
    return np.where(mask, rewards, -np.inf)
