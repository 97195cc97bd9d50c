"""Policies that learn nothing: random actions, the rules that the tutorials write by hand, and planning."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.type_aliases import PolicyPredictor
from stable_baselines3.common.vec_env import DummyVecEnv

from docs.tutorials.grid_worlds import plan_world
from docs.tutorials.mountain_car import PlannedPolicy, returns_from_even_starts
from sb3_ext.app.versions import version_columns, versions
from sb3_ext.evaluation.measure import Rule, measure, random_actions

FIRST_SEED = 10_000
_PARALLEL_EPISODES = 10


def push_towards_the_fall(observations: npt.NDArray[Any]) -> npt.ArrayLike:
    """
    CartPole, as in the tutorial: if the pole leans to the left, push to the left.

    :param observations: shape (n, 4)
    :return: n actions
    """
    return (observations[:, 2] >= 0).astype(np.int64)


def push_along(observations: npt.NDArray[Any]) -> npt.ArrayLike:
    """
    MountainCar: push in the direction in which the car moves.

    :param observations: shape (n, 2)
    :return: n actions
    """
    return np.where(observations[:, 1] >= 0, 2, 0)


def _planned(env_id: str) -> Rule:
    """Act as the best plan of a grid world does."""
    return Rule(plan_world(env_id).policy.__getitem__)


class Baseline(NamedTuple):
    """A policy to measure."""

    env_id: str
    name: str
    episodes: int
    """Episodes to evaluate, as for the trained agents of this environment."""
    make: Callable[[spaces.Space[Any]], PolicyPredictor]
    """Makes the policy from the action space."""


_EPISODES = {"CartPole-v0": 100, "CartPole-v1": 100, "MountainCar-v0": 500, "Acrobot-v1": 100, "Pendulum-v1": 500}
_WHOLE_GAMES = {"terminal_on_life_loss": False, "clip_reward": False}

BASELINES: tuple[Baseline, ...] = (
    *(
        Baseline(env_id, "random actions", episodes, lambda space: random_actions(space, FIRST_SEED))
        for env_id, episodes in _EPISODES.items()
    ),
    Baseline("MsPacmanPreprocessed-v0", "random actions", 30, lambda space: random_actions(space, FIRST_SEED)),
    Baseline("CartPole-v0", "angle < 0: push left", 100, lambda _: Rule(push_towards_the_fall)),
    Baseline("CartPole-v1", "angle < 0: push left", 100, lambda _: Rule(push_towards_the_fall)),
    Baseline("MountainCar-v0", "push where the car moves", 500, lambda _: Rule(push_along)),
    Baseline("FrozenLake-v1", "policy iteration", 1000, lambda _: _planned("FrozenLake-v1")),
    Baseline("CliffWalking-v1", "policy iteration", 1, lambda _: _planned("CliffWalking-v1")),
)


def measure_baselines(command: str, baselines: Sequence[Baseline] = BASELINES) -> Iterator[dict[str, Any]]:
    """
    Play the episodes that trained agents are evaluated on.

    :param command: what to write down as the command behind the figures
    :param baselines: what to measure
    :return: one record per baseline, for a CSV file; returns are undiscounted
    """
    for baseline in baselines:
        env = DummyVecEnv([functools.partial(_make, baseline.env_id)] * _PARALLEL_EPISODES)
        seeds = range(FIRST_SEED, FIRST_SEED + baseline.episodes)
        returns = measure(baseline.make(env.action_space), env, seeds).returns
        env.close()
        yield _record(baseline.env_id, baseline.name, returns, FIRST_SEED, command)


def measure_plan(plan: PlannedPolicy, command: str) -> Iterator[dict[str, Any]]:
    """
    Play MountainCar as planned: the episodes that trained agents are evaluated on, and evenly from all starts.

    :param plan: the plan
    :param command: what to write down as the command behind the figures
    :return: two records like those of :func:`measure_baselines`
    """
    name = "value iteration, {} x {} points".format(*plan.values.shape)
    planned = Baseline("MountainCar-v0", name, _EPISODES["MountainCar-v0"], lambda _: Rule(plan.actions))
    yield from measure_baselines(command, [planned])
    yield _record("MountainCar-v0", f"{name}, even starts", returns_from_even_starts(plan).tolist(), "", command)


def _make(env_id: str) -> gym.Env[Any, Any]:
    return Monitor(gym.make(env_id, **(_WHOLE_GAMES if env_id.startswith("MsPacman") else {})))


def _record(env_id: str, name: str, returns: list[float], first_seed: int | str, command: str) -> dict[str, Any]:
    return {
        "environment": env_id,
        "policy": name,
        "mean_return": float(np.mean(returns)),
        "std_return": float(np.std(returns)),
        "worst_return": min(returns),
        "episodes": len(returns),
        "first_evaluation_seed": first_seed,
        **version_columns(versions()),
        "command": command,
    }
