"""Pictures of plans on grid worlds. Importing this needs matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sb3_ext.common.charts import INK, add_title, new_figure, style_axes
from sb3_ext.mdp.model import Plan

# Behind the import above, which says what to do if matplotlib is missing.
from matplotlib.collections import PolyCollection  # isort: skip
from matplotlib.figure import Figure  # isort: skip

MOST_CELLS = 200
_CORNERS = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])


def grid_world_figure(
    plan: Plan, shape: tuple[int, int], moves: Sequence[tuple[int, int]], *, ends: Sequence[int] = (), title: str = ""
) -> Figure:
    """
    Draw a plan on a grid: values with the arrows of the policy, and beside them the Q-values, a triangle for each move.

    :param plan: what a planner of :mod:`sb3_ext.mdp` returned; states beyond the grid, as the end that
        :func:`sb3_ext.mdp.toy_text_model` adds, are left out
    :param shape: rows and columns; state ``row * columns + column`` is at (row, column), the first row on top
    :param moves: (down, right) of each of the A actions, e.g. ``[(0, -1), (1, 0), (0, 1), (-1, 0)]`` on FrozenLake
    :param ends: states in which an episode is over, which get no arrow and no Q-values
    :param title: title of the figure
    :return: the figure
    :raises ValueError: if the plan has fewer states than the grid, moves and actions differ in number, a move is none
        of the four directions, or the grid has more than 200 cells
    """
    rows, columns = shape
    n_states = rows * columns
    if not 0 < n_states <= min(MOST_CELLS, len(plan.values)):
        raise ValueError(
            f"shape={shape} is not valid; the plan has {len(plan.values)} states, at most {MOST_CELLS} show."
        )
    if len(moves) != plan.q_values.shape[1] or any(abs(down) + abs(right) != 1 for down, right in moves):
        raise ValueError(f"moves={list(moves)} are not valid; pass a step up, down, left or right for each action.")
    cell = max(1.0, 5.6 / columns)
    # One above the other where the grid is broad.
    panels = (2, 1) if columns >= 2 * rows else (1, 2)
    width, height = panels[1] * columns * cell + 1.2, panels[0] * (rows * cell + 0.5) + 0.8
    figure = new_figure(width, height)
    figure.subplots_adjust(
        left=0.3 / width, right=1 - 0.3 / width, top=1 - 0.95 / height, bottom=0.15 / height, wspace=0.08, hspace=0.15
    )
    left, right = figure.subplots(*panels)
    goes_on = np.setdiff1d(np.arange(n_states), np.asarray(ends, dtype=np.int64))
    shown = plan.q_values[goes_on]
    low, high = (float(end(shown[np.isfinite(shown)], initial=0.0)) for end in (np.min, np.max))
    values = np.full(n_states, np.nan)
    values[goes_on] = plan.values[goes_on]
    colors = {"cmap": "viridis", "vmin": low, "vmax": high}
    left.imshow(values.reshape(shape), **colors)
    corners, levels = [], []
    for state in goes_on.tolist():
        row, column = divmod(state, columns)
        _write(left, column, row + 0.3, plan.values[state], low, high, 8 * cell**0.5)
        down, along = moves[plan.policy[state]]
        pale = _is_dark(plan.values[state], low, high)
        arrow = {"arrowstyle": "-|>", "color": "white" if pale else INK, "linewidth": 1.4}
        start, end = (column - 0.22 * along, row - 0.1 - 0.22 * down), (column + 0.22 * along, row - 0.1 + 0.22 * down)
        left.annotate("", end, start, arrowprops=arrow)
        for action, (down, along) in enumerate(moves):
            q_value = plan.q_values[state, action]
            if not np.isfinite(q_value):
                continue
            side = [corner for corner in _CORNERS if corner @ (along, down) > 0]
            corners.append([(column, row), *((column + x, row + y) for x, y in side)])
            levels.append(q_value)
            _write(right, column + 0.31 * along, row + 0.33 * down, q_value, low, high, 6.2 * cell**0.5)
    triangles = PolyCollection(corners, array=np.array(levels), edgecolors="white", linewidths=0.6, cmap="viridis")
    triangles.set_clim(low, high)
    right.add_collection(triangles)
    for axes, name in ((left, "value and policy"), (right, "Q-value of every move")):
        style_axes(axes, name)
        axes.grid(False)
        axes.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5), aspect="equal", xticks=[], yticks=[])
    add_title(figure, title)
    return figure


def _is_dark(value: float, low: float, high: float) -> bool:
    """Of the color of a value."""
    return value < low + 0.6 * (high - low)


def _write(axes: Any, x: float, y: float, value: float, low: float, high: float, size: float) -> None:
    color = "white" if _is_dark(value, low, high) else INK
    axes.text(x, y, f"{value:.3g}", ha="center", va="center", fontsize=size, color=color)
