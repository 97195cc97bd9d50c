"""Grid worlds solved by policy iteration, with pictures of their values, Q-values and policies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium as gym

from sb3_ext.mdp import Plan, policy_iteration, toy_text_model
from sb3_ext.mdp.plots import grid_world_figure

UP, DOWN, LEFT, RIGHT = (-1, 0), (1, 0), (0, -1), (0, 1)
WORLDS: dict[str, tuple[tuple[int, int], list[tuple[int, int]], float]] = {
    "FrozenLake-v1": ((4, 4), [LEFT, DOWN, RIGHT, UP], 0.999),
    "CliffWalking-v1": ((4, 12), [UP, RIGHT, DOWN, LEFT], 0.999),
}
"""Shape, what the actions do, and discount factor of the plan."""


def plan_world(env_id: str) -> Plan:
    """
    Solve a world.

    :param env_id: one of ``WORLDS``
    :return: the best plan
    """
    table = gym.make(env_id).unwrapped.P  # type: ignore[attr-defined]
    return policy_iteration(*toy_text_model(table), gamma=WORLDS[env_id][2])


def draw_worlds() -> Iterator[tuple[str, Any]]:
    """
    Draw every world.

    :return: ids and figures
    """
    for env_id, (shape, moves, gamma) in WORLDS.items():
        table = gym.make(env_id).unwrapped.P  # type: ignore[attr-defined]
        ways = [way for actions in table.values() for outcomes in actions.values() for way in outcomes]
        ends = {reached for _, reached, _, over in ways if over}
        unreached = set(table) - {reached for _, reached, *_ in ways}  # nobody stands in the cliff
        title = f"{env_id}: the best policy, by policy iteration, discount factor {gamma:g}"
        yield env_id, grid_world_figure(plan_world(env_id), shape, moves, ends=sorted(ends | unreached), title=title)
