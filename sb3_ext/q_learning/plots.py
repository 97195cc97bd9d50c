"""Pictures of tabular learning. Importing this needs matplotlib."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sb3_ext.common.charts import MUTED, add_legend, add_title, money_axis, new_figure, style_axes
from sb3_ext.common.palette import color_of

# Behind the import above, which says what to do if matplotlib is missing.
from matplotlib.figure import Figure  # isort: skip
from matplotlib.lines import Line2D  # isort: skip

MAX_STATES = 12


def q_values_over_training(
    steps: npt.ArrayLike,
    q_values: npt.ArrayLike,
    exact: npt.ArrayLike | None = None,
    *,
    action_names: Sequence[str] | None = None,
    title: str = "Q-values over training",
) -> Figure:
    """
    Draw how Q-values approach the exact ones: one panel for each state, one line for each of its actions.

    :param steps: environment steps, shape (k,), as :attr:`RecordQValues.steps`
    :param q_values: Q-values at these steps, shape (k, S, A), minus infinity for actions that a state does not have
    :param exact: the limits, shape (S, A), drawn as dashed lines; ``None`` for none
    :param action_names: names of the A actions, ``None`` for numbers
    :param title: title of the figure
    :return: the figure
    :raises ValueError: if shapes do not fit, or there are more than 12 states
    """
    x, tables = np.asarray(steps), np.asarray(q_values, dtype=np.float64)
    if tables.ndim != 3 or x.shape != tables.shape[:1] or len(x) == 0:
        raise ValueError(f"steps of shape {x.shape} and q_values of shape {tables.shape}: pass (k,) and (k, S, A)")
    n_states, n_actions = tables.shape[1:]
    if n_states > MAX_STATES:
        raise ValueError(f"q_values have {n_states} states: pass a selection of at most {MAX_STATES}")
    limits = None if exact is None else np.asarray(exact, dtype=np.float64)
    if limits is not None and limits.shape != tables.shape[1:]:
        raise ValueError(f"exact values of shape {limits.shape}: pass {tables.shape[1:]}")
    names = [f"action {action}" for action in range(n_actions)] if action_names is None else list(action_names)
    if len(names) != n_actions:
        raise ValueError(f"{len(names)} action names for {n_actions} actions")

    n_columns = min(n_states, 3)
    n_rows = -(-n_states // n_columns)
    width, height = 1.2 + 3.3 * n_columns, 1.3 + 2.6 * n_rows
    figure = new_figure(width, height)
    figure.subplots_adjust(
        left=0.6 / width, right=1 - 0.25 / width, top=1 - 1.15 / height, bottom=0.5 / height, wspace=0.22, hspace=0.45
    )
    for state in range(n_states):
        axes = figure.add_subplot(n_rows, n_columns, state + 1)
        style_axes(axes, f"state {state}")
        for action in range(n_actions):
            line = np.where(np.isfinite(tables[:, state, action]), tables[:, state, action], np.nan)
            # An action may only turn out to be unavailable when its state is first visited.
            if np.isnan(line[-1]):
                continue
            axes.plot(x, line, color=color_of(action), linewidth=1.8)
            if limits is not None and np.isfinite(limits[state, action]):
                axes.axhline(limits[state, action], color=color_of(action), linewidth=1.2, linestyle=(0, (4, 2)))
        axes.set_xlim(x[0], max(x[-1], x[0] + 1))
        money_axis(axes.xaxis)
        if state >= n_states - n_columns:
            axes.set_xlabel("environment steps")
    add_title(figure, title)
    handles = [Line2D([], [], color=color_of(action), linewidth=1.8, label=name) for action, name in enumerate(names)]
    if limits is not None:
        handles.append(Line2D([], [], color=MUTED, linewidth=1.2, linestyle=(0, (4, 2)), label="exact"))
    add_legend(figure, handles, 0.012, 1 - 0.48 / height, max(3, n_columns + 2))
    return figure
