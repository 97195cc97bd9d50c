"""The three-state chapter: exact Q-values by Q-value iteration, beside those that Q-learning finds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import yaml

from sb3_ext.app.versions import version_columns, versions
from sb3_ext.common.arrays import FloatArray, IntArray
from sb3_ext.envs.toy_mdp import AVAILABLE, REWARDS, TRANSITIONS
from sb3_ext.mdp.value_iteration import q_value_iteration
from sb3_ext.q_learning import QLearning
from sb3_ext.q_learning.callbacks import RecordQValues
from sb3_ext.zoo import hyperparams_file

ENV_ID = "ThreeStateMDP-v0"
GAMMA = 0.9
SETTINGS = {"random actions": "q_learning", "exploration bonus": "tutorials/q_learning_bonus"}
"""How Q-learning explores, and the hyperparameter file that says so."""


class Learned(NamedTuple):
    """Q-values over one training."""

    exploration: str
    """Key of :data:`SETTINGS`."""
    seed: int
    steps: IntArray
    """Environment steps, shape (k,)."""
    q_values: FloatArray
    """Q-values at these steps, shape (k, 3, 3), minus infinity for actions that a state does not have."""


def exact_q_values() -> FloatArray:
    """
    Solve the process with the tutorial's discount factor.

    :return: Q-values, shape (3, 3), minus infinity for actions that a state does not have
    """
    return q_value_iteration(TRANSITIONS, REWARDS, AVAILABLE, gamma=GAMMA).q_values


def learn(exploration: str, seed: int, every: int = 50) -> Learned:
    """
    Train Q-learning with the tutorial's settings.

    :param exploration: key of :data:`SETTINGS`
    :param seed: training seed
    :param every: steps between two copies of the table
    :return: the Q-values over the training
    """
    path = hyperparams_file(SETTINGS[exploration])
    assert path is not None
    block: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))[ENV_ID]
    steps, policy = block.pop("n_timesteps"), block.pop("policy")
    record = RecordQValues(every)
    QLearning(policy, gym.make(ENV_ID), seed=seed, **block).learn(steps, callback=record)
    return Learned(exploration, seed, record.steps, record.q_values)


def records(trainings: Sequence[Learned], command: str) -> Iterator[dict[str, Any]]:
    """
    What to write into a CSV file: the exact Q-values and those at the end of every training.

    :param trainings: the trainings
    :param command: what to write down as the command behind the figures
    :return: one record per method, seed and pair of state and action
    """
    tables: list[tuple[str, int | str, int, FloatArray]] = [("exact", "", 0, exact_q_values())]
    tables += [(f"Q-learning, {run.exploration}", run.seed, int(run.steps[-1]), run.q_values[-1]) for run in trainings]
    for method, seed, steps, table in tables:
        for state, action in np.argwhere(AVAILABLE).tolist():
            yield {
                "method": method,
                "training_seed": seed,
                "training_steps": steps,
                "state": state,
                "action": action,
                "q_value": float(table[state, action]),
                **version_columns(versions()),
                "command": command,
            }
