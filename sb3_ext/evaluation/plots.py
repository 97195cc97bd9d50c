"""Figures of an evaluation: functions from data to matplotlib figures. Importing this needs matplotlib."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.common.charts import (
    ACCENT,
    INK,
    LINE,
    MUTED,
    add_legend,
    add_title,
    money_axis,
    new_figure,
    style_axes,
)
from sb3_ext.common.palette import color_of
from sb3_ext.evaluation.statistics import bootstrap_interval, iqm

# Behind the import above, which says what to do if matplotlib is missing.
from matplotlib.figure import Figure  # isort: skip
from matplotlib.lines import Line2D  # isort: skip
from matplotlib.patches import Patch  # isort: skip
from matplotlib.ticker import MaxNLocator  # isort: skip

_CURVE_RESAMPLES = 2000
_REFERENCE_STYLES: tuple[dict[str, Any], ...] = (
    {"color": INK, "linewidth": 1.5},
    {"color": MUTED, "linewidth": 1.3, "linestyle": (0, (4, 2))},
    {"color": MUTED, "linewidth": 1.3, "linestyle": (0, (1, 1.5))},
)


class Campaign(NamedTuple):
    """Spend, shape (T, N), and sales, shape (T, N) or (T, 1), of N channels in T periods, money."""

    spend: FloatArray
    sales: FloatArray


def spend_plan(
    agent: Campaign,
    references: Mapping[str, Campaign],
    channels: Sequence[str],
    budget: float,
    *,
    agent_name: str = "agent",
    title: str = "",
    period: str = "day",
) -> Figure:
    """What an agent spent, channel by channel, the cumulative spend and the sales, against up to three other plans."""
    n_panels = len(channels) + 2
    n_rows = (n_panels + 1) // 2
    height = 1.3 + 2.25 * n_rows
    figure = new_figure(10.0, height)
    figure.subplots_adjust(
        left=0.07, right=0.975, top=1.0 - 1.15 / height, bottom=0.6 / height, hspace=0.42, wspace=0.15
    )
    panels = [figure.add_subplot(n_rows, 2, index + 1) for index in range(n_panels)]
    n_periods = len(agent.spend)
    for index, name in enumerate(channels):
        axes = panels[index]
        style_axes(axes, f"{name}: spend per {period}")
        axes.stairs(agent.spend[:, index], fill=True, color=color_of(index), alpha=0.75)
        for campaign, style in zip(references.values(), _REFERENCE_STYLES, strict=False):
            axes.stairs(campaign.spend[:, index], baseline=None, **style)
    cumulative, sales = panels[-2:]
    style_axes(cumulative, "Cumulative spend")
    style_axes(sales, f"Sales per {period}, all channels")
    elapsed = np.arange(n_periods + 1)
    spent = np.append(0.0, np.cumsum(agent.spend.sum(axis=1)))
    cumulative.fill_between(elapsed, spent, color=ACCENT, alpha=0.16, linewidth=0)
    cumulative.plot(elapsed, spent, color=ACCENT, linewidth=2.2)
    cumulative.axhline(budget, color=LINE, linewidth=1.0, zorder=1)
    cumulative.annotate(
        "budget", (0.0, budget), (3, -3), textcoords="offset points", va="top", fontsize=8.5, color=MUTED
    )
    sales.stairs(agent.sales.sum(axis=1), fill=True, color=ACCENT, alpha=0.75)
    for campaign, style in zip(references.values(), _REFERENCE_STYLES, strict=False):
        cumulative.plot(elapsed, np.append(0.0, np.cumsum(campaign.spend.sum(axis=1))), **style)
        sales.stairs(campaign.sales.sum(axis=1), baseline=None, **style)

    for index, axes in enumerate(panels):
        axes.set_xlim(0, n_periods)
        axes.set_ylim(bottom=min(0.0, axes.dataLim.y0), top=1.08 * max(axes.dataLim.y1, 1e-9))
        money_axis(axes.yaxis)
        steps = [1.4, 2.8, 7, 10] if period == "day" and n_periods >= 14 else [1, 2, 5, 10]
        axes.xaxis.set_major_locator(MaxNLocator(nbins=9, integer=True, steps=steps))
        if index >= n_panels - 2:
            axes.set_xlabel(period)
    _header(figure, title, [Patch(color=MUTED, alpha=0.5, label=f"{agent_name} (filled)")], references)
    return figure


def learning_curve(
    steps: FloatArray,
    returns: FloatArray,
    *,
    references: Mapping[str, float] | None = None,
    title: str = "",
    source: str = "",
    y_label: str = "mean return",
    label: str = "agent",
) -> Figure:
    """A single run as a line, several, shape (runs, k), as their interquartile mean with a 95 % bootstrap band."""
    references = references or {}
    zoom = _zoom(returns, list(references.values()))
    n_panels, width, left, top = (1, 7.6, 0.095, 0.72) if zoom is None else (2, 11.0, 0.065, 0.77)
    figure = new_figure(width, 4.6)
    figure.subplots_adjust(left=left, right=0.97, top=top, bottom=0.12, wspace=0.16)
    panels = [figure.add_subplot(1, n_panels, index + 1) for index in range(n_panels)]
    middle = iqm(returns.T)
    for axes in panels:
        style_axes(axes)
        if len(returns) > 1:
            axes.plot(steps, returns.T, color=ACCENT, linewidth=0.7, alpha=0.3)
            low, high = bootstrap_interval(returns.T, n_resamples=_CURVE_RESAMPLES)
            axes.fill_between(steps, low, high, color=ACCENT, alpha=0.2, linewidth=0)
        axes.plot(steps, middle, color=ACCENT, linewidth=2.2)
        for value, style in zip(references.values(), _REFERENCE_STYLES, strict=False):
            axes.axhline(value, **style)
        axes.set_xlim(0, steps[-1])
        axes.set_xlabel("environment steps")
        money_axis(axes.xaxis)
    panels[0].set_ylabel(y_label)
    panels[0].set_title(source, loc="left", fontsize=9, color=MUTED)
    if zoom is not None:
        panels[1].set_ylim(*zoom)
        panels[1].set_title("the same, close to the references", loc="left", fontsize=9, color=MUTED)
    handles: list[Any] = [Line2D([], [], color=ACCENT, linewidth=2.2, label=label)]
    if len(returns) > 1:
        handles[0].set_label(f"{label}, interquartile mean of {len(returns)} runs")
        handles.append(Patch(color=ACCENT, alpha=0.2, label="95 % bootstrap interval"))
        handles.append(Line2D([], [], color=ACCENT, linewidth=0.7, alpha=0.5, label="single runs"))
    _header(figure, title, handles, references)
    return figure


def _zoom(returns: FloatArray, references: list[float]) -> tuple[float, float] | None:
    """A second panel's limits, around references and the last quarter of the curves, if those are a small part."""
    if not references:
        return None
    late: FloatArray = iqm(returns.T)[-max(1, returns.shape[1] // 4) :]
    low, high = min(*references, float(late.min())), max(*references, float(late.max()))
    whole = max(high, float(returns.max())) - min(low, float(returns.min()))
    margin = 0.12 * (high - low)
    return (low - margin, high + margin) if 0.0 < 3.0 * (high - low) < whole else None


def _header(figure: Figure, title: str, handles: list[Any], references: Iterable[str]) -> None:
    width, height = figure.get_size_inches()
    lines = [Line2D([], [], label=name, **style) for name, style in zip(references, _REFERENCE_STYLES, strict=False)]
    add_title(figure, title)
    add_legend(figure, [*handles, *lines], 0.012, 1.0 - 0.48 / height, 5 if width >= 10.0 else 3, columnspacing=1.8)
