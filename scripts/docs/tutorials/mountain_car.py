"""MountainCar-v0 solved by value iteration on a grid, as the tutorial does, with the true dynamics."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sb3_ext.common.arrays import BoolArray, FloatArray, IntArray
from sb3_ext.mdp.grid import interpolated_model
from sb3_ext.mdp.value_iteration import value_iteration

LOW, HIGH = (-1.2, -0.07), (0.6, 0.07)
GOAL = 0.5


def step(states: FloatArray, action: int) -> tuple[FloatArray, FloatArray, BoolArray]:
    """
    Move many cars by one step of MountainCar-v0.

    :param states: positions and velocities, shape (n, 2)
    :param action: 0 to push left, 1 to coast, 2 to push right
    :return: next states (n, 2), rewards (n,), whether the goal is reached (n,)
    """
    position, velocity = states.T
    velocity = np.clip(velocity + (action - 1) * 0.001 - 0.0025 * np.cos(3 * position), LOW[1], HIGH[1])
    position = np.clip(position + velocity, LOW[0], HIGH[0])
    velocity = np.where((position == LOW[0]) & (velocity < 0), 0.0, velocity)
    # The goal counts with any velocity to the right; nothing passes it to the left.
    goal: BoolArray = (position >= GOAL) & (velocity >= 0)
    return np.stack([position, velocity], axis=1), np.full(len(states), -1.0), goal


class PlannedPolicy(NamedTuple):
    """Greedy on the planned values."""

    values: FloatArray
    """Value of every grid point, shape (n, n) for (position, velocity)."""
    iterations: int
    """Sweeps that the planner needed."""

    def actions(self, states: FloatArray) -> IntArray:
        """
        Look one step ahead with every action.

        :param states: positions and velocities, shape (n, 2)
        :return: best actions (n,)
        """
        q_values = []
        for action in range(3):
            next_states, rewards, goal = step(states, action)
            q_values.append(rewards + np.where(goal, 0.0, self.value_of(next_states)))
        best: IntArray = np.argmax(q_values, axis=0)
        return best

    def value_of(self, states: FloatArray) -> FloatArray:
        """
        Interpolate the values bilinearly.

        :param states: positions and velocities, shape (n, 2)
        :return: values (n,)
        """
        last = len(self.values) - 1
        place = np.clip((states - LOW) / np.subtract(HIGH, LOW), 0.0, 1.0) * last
        cell = np.minimum(place.astype(np.int64), last - 1)
        (i, j), (a, b) = cell.T, (place - cell).T
        below, above = (self.values[i + d, j] * (1 - b) + self.values[i + d, j + 1] * b for d in (0, 1))
        values: FloatArray = below * (1 - a) + above * a
        return values


def plan_mountain_car(n_points: int) -> PlannedPolicy:
    """
    Solve MountainCar-v0, undiscounted, on a square grid.

    :param n_points: grid points along position and along velocity, at least 2
    :return: the greedy policy
    :raises ValueError: if there are too few points
    """
    transitions, rewards = interpolated_model(step, LOW, HIGH, [n_points] * 2, 3)
    plan = value_iteration(transitions, rewards, gamma=1.0, tolerance=1e-4)
    return PlannedPolicy(plan.values[:-1].reshape(n_points, n_points), plan.iterations)


def returns_from_even_starts(policy: PlannedPolicy, n_starts: int = 10_001) -> FloatArray:
    """
    Let cars start at rest all over the bottom of the valley, which is where episodes start.

    :param policy: the policy
    :param n_starts: starts, evenly from -0.6 to -0.4
    :return: undiscounted returns, at least -200, shape (n_starts,)
    """
    states = np.stack([np.linspace(-0.6, -0.4, n_starts), np.zeros(n_starts)], axis=1)
    returns, alive, cars = np.zeros(n_starts), np.ones(n_starts, dtype=np.bool_), np.arange(n_starts)
    for _ in range(200):
        actions = policy.actions(states)
        moved = [step(states, action) for action in range(3)]
        returns -= alive
        alive &= ~np.stack([goal for _, _, goal in moved])[actions, cars]
        states = np.stack([next_states for next_states, _, _ in moved])[actions, cars]
    return returns
