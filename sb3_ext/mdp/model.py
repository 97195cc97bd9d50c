"""
Finite Markov decision processes whose model is known, and what planners make of them.

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
from sb3_ext.common.hyperparameters import check_hyperparameters, number


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
    """Sweeps over all states; of policy iteration, policies that were evaluated."""
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


def make_backup(
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
