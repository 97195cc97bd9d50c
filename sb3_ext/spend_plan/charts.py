"""The figures of a plan, each wide for desks and paper or narrow for phones. Importing this needs matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np

from sb3_ext.common.charts import (
    ACCENT,
    GRID,
    INK,
    LINE,
    MUTED,
    add_legend,
    money_axis,
    new_figure,
    style_axes,
)
from sb3_ext.common.palette import color_of
from sb3_ext.common.wording import format_money
from sb3_ext.spend_plan.comparison import CLAIRVOYANT
from sb3_ext.spend_plan.plan import SpendPlan

# Behind the import above, which says what to do if matplotlib is missing.
from matplotlib.figure import Figure  # isort: skip
from matplotlib.lines import Line2D  # isort: skip
from matplotlib.patches import Patch  # isort: skip
from matplotlib.ticker import MaxNLocator  # isort: skip

WIDE, NARROW = 10.0, 4.3
_DOUBT = color_of(3)
_CURVE_POINTS = 160
_DRAWS_SHOWN = 200


def plan_figure(plan: SpendPlan, width: float) -> Figure:
    """Spend per channel over time, above the sales expected from it and from what it is measured against."""
    campaign, spend = plan.campaign, plan.spend
    names, periods = campaign.market.names, campaign.periods
    wide = width > 6.0
    beyond = plan.beyond
    handles = [Patch(color=color_of(index), label=name) for index, name in enumerate(names)]
    if np.any(beyond):
        handles.append(Patch(facecolor=LINE, edgecolor="white", hatch="///", label="beyond the data"))
    columns = max(1, min(len(handles), 6 if wide else 2))
    legend = 0.19 * -(-len(handles) // columns)
    height = (5.4 if wide else 5.0) + legend
    figure = new_figure(width, height)
    left = 0.62 / width
    top = 1.0 - (0.32 + legend) / height
    middle = 2.5 / height
    upper = figure.add_axes((left, middle, 1.0 - left - 0.01, top - middle))
    lower = figure.add_axes((left, 0.36 / height, 1.0 - left - 0.01, middle - 1.0 / height), sharex=upper)

    edges = np.arange(periods + 1) - 0.5
    bottom = np.zeros(periods)
    width_of_bar = 0.86 if periods <= 70 else 1.0
    hatched: dict[str, Any] = {"facecolor": "none", "edgecolor": "white", "hatch": "///", "linewidth": 0}
    for index in range(len(names)):
        upper.bar(np.arange(periods), spend[:, index], width_of_bar, bottom, color=color_of(index), linewidth=0)
        if np.any(beyond[:, index]):
            rows = np.flatnonzero(beyond[:, index])
            upper.bar(rows, spend[rows, index], 0.86, bottom[rows], **hatched)
        bottom = bottom + spend[:, index]
    style_axes(upper, "Spend")
    _legend(figure, handles, columns, left)

    style_axes(lower, "Expected sales" if wide else "Sales")
    sales, reference = plan.outcome.sales
    if plan.sales_interval is not None:
        low, high = (np.append(end, end[-1]) for end in plan.sales_interval)
        lower.fill_between(edges, low, high, step="post", color=ACCENT, alpha=0.18, linewidth=0)
    planned: dict[str, Any] = {"color": ACCENT, "linewidth": 2.2}
    paced: dict[str, Any] = {"color": MUTED, "linewidth": 1.3, "linestyle": (0, (4, 2))}
    lower.stairs(sales, edges, baseline=None, **planned)
    lower.stairs(reference, edges, baseline=None, **paced)
    lines: list[Any] = [Line2D([], [], **planned, label="this plan"), Line2D([], [], **paced, label=campaign.reference)]
    if plan.sales_interval is not None:
        band = "95% of campaigns" if plan.n_paths else "95% of draws"
        lines.insert(1, Patch(color=ACCENT, alpha=0.18, label=band if wide else "95%"))
    lower.legend(
        handles=lines, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, frameon=False, fontsize=8.5,
        labelcolor=INK, borderaxespad=0.1, handlelength=1.6, columnspacing=1.2,
    )  # fmt: skip
    for axes in (upper, lower):
        axes.set_xlim(-0.6, periods - 0.4)
        axes.set_ylim(0.0, 1.06 * max(axes.dataLim.y1, 1e-9))
        money_axis(axes.yaxis)
        _date_axis(axes, campaign.dates, 9 if wide else 4)
    upper.tick_params(labelbottom=False)
    return figure


def curves_figure(plan: SpendPlan, width: float) -> Figure:
    """Response curve of every channel, with the periods of the plan on it and what lies beyond the data shaded."""
    campaign, market = plan.campaign, plan.campaign.market
    n_channels = len(market.names)
    n_columns = min(n_channels, 3) if width > 6.0 else 1
    n_rows = -(-n_channels // n_columns)
    height = 0.5 + 2.55 * n_rows
    figure = new_figure(width, height)
    ends = {"left": 0.62 / width, "right": 1.0 - 0.12 / width, "top": 1.0 - 0.62 / height, "bottom": 0.52 / height}
    figure.subplots_adjust(**ends, hspace=0.62, wspace=0.24)
    past: dict[str, Any] = {"marker": "D", "color": "white", "markeredgecolor": INK, "markersize": 5, "linestyle": ""}
    border: dict[str, Any] = {"color": _DOUBT, "linewidth": 1.0, "linestyle": (0, (3, 2))}
    points = {fit.channel.name: fit for fit in campaign.fits}
    picked = np.unique(np.linspace(0, len(market.draws) - 1, _DRAWS_SHOWN).astype(int))
    seen_beyond = False
    for index, channel in enumerate(market.channels):
        axes = figure.add_subplot(n_rows, n_columns, index + 1)
        style_axes(axes, channel.name)
        curve = market.curves.channel(index)
        at_work = plan.outcome.adstock[0, :, index]
        known = channel.historical_max
        largest = 1.08 * max(at_work.max(), plan.spend[:, index].max(), known or 0.0, 0.3 * channel.kappa)
        grid = np.linspace(0.0, largest, _CURVE_POINTS)
        if market.draws:
            draws = market.draw_curves.channel(index).map(lambda parameter: parameter[picked])
            low, high = np.quantile(draws.response(grid[:, None]), [0.025, 0.975], axis=1)
            axes.fill_between(grid, low, high, color=color_of(index), alpha=0.18, linewidth=0)
        axes.plot(grid, curve.response(grid), color=color_of(index), linewidth=2.0)
        if known is not None:
            if known < largest / 1.08 * (1.0 + 1e-9):
                axes.axvspan(known, largest, color=_DOUBT, alpha=0.09, linewidth=0)
                seen_beyond = True
            axes.axvline(known, **border)
        if channel.name in points:
            fit = points[channel.name]
            axes.plot(fit.spend, fit.response, "x", color=MUTED, markersize=4, markeredgewidth=1.0)
        if channel.historical_mean > 0.0:
            mean = np.array([channel.historical_mean])
            axes.plot(mean, curve.response(mean), **past)
        axes.plot(
            at_work, curve.response(at_work), "o", color=color_of(index), markeredgecolor="white",
            markersize=6, markeredgewidth=0.8, alpha=0.9,
        )  # fmt: skip
        axes.set_xlim(0.0, largest)
        axes.set_ylim(0.0, 1.1 * max(axes.dataLim.y1, 1e-9))
        money_axis(axes.xaxis)
        money_axis(axes.yaxis)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]))
        if index >= n_channels - n_columns:
            axes.set_xlabel("advertising at work, as money per period")
    handles: list[Any] = [Line2D([], [], marker="o", color=MUTED, linestyle="", label="periods of the plan")]
    if any(channel.historical_mean > 0.0 for channel in market.channels):
        handles.append(Line2D([], [], **past, label="the past's mean"))
    if points:
        handles.append(Line2D([], [], marker="x", color=MUTED, markersize=4, linestyle="", label="data"))
    if seen_beyond:
        handles.append(Patch(color=_DOUBT, alpha=0.15, label="beyond the data"))
    elif any(channel.historical_max is not None for channel in market.channels):
        handles.append(Line2D([], [], **border, label="end of the data"))
    _legend(figure, handles, 5 if width > 6.0 else 2, 0.62 / width)
    return figure


def budget_figure(plan: SpendPlan, width: float) -> Figure:
    """What the best plans of other budgets would earn, with where this one sits; only where that is known."""
    found = plan.frontier
    assert found is not None
    wide = width > 6.0
    height, legend = 3.2, 0.19 if wide else 0.38
    figure = new_figure(width, height)
    axes = figure.add_axes((0.62 / width, 0.5 / height, 1.0 - 0.74 / width, 1.0 - (0.9 + legend) / height))
    style_axes(axes, "Earns")
    axes.fill_between(found.budget, found.value, found.upper_bound, color=ACCENT, alpha=0.18, linewidth=0)
    axes.plot(found.budget, found.value, color=ACCENT, linewidth=2.2, marker=".", markersize=5)
    aim = plan.score.value if plan.at_risk is None else plan.at_risk
    marks: list[tuple[float, float, dict[str, Any]]] = [
        (plan.campaign.budget, aim, {"marker": "o", "color": ACCENT, "markersize": 6, "label": "this plan"})
    ]
    if found.past is not None:
        value = float(found.value[int(np.argmin(np.abs(found.budget - found.past)))])
        past: dict[str, Any] = {"marker": "D", "color": "white", "markeredgecolor": INK, "markersize": 6}
        marks.append((found.past, value, {**past, "label": "the past's budget"}))
    for budget, value, look in marks:
        axes.plot([budget], [value], linestyle="", **look)
    handles: list[Any] = [Line2D([], [], linestyle="", **look) for *_, look in marks]
    handles.append(Patch(color=ACCENT, alpha=0.18, label="no plan more than"))
    _legend(figure, handles, 3 if wide else 2, 0.62 / width)
    axes.set_ylim(min(0.0, float(found.value.min())), 1.06 * max(float(found.upper_bound.max()), 1e-9))
    money_axis(axes.xaxis)
    money_axis(axes.yaxis)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7 if wide else 4, steps=[1, 2, 2.5, 5, 10]))
    axes.set_xlabel("budget")
    return figure


def comparison_figure(plan: SpendPlan, width: float) -> Figure:
    """What every policy earns, with 95% intervals where anything is uncertain."""
    scores = plan.scores[::-1]
    wide = width > 6.0
    height = 0.5 + (0.36 if wide else 0.56) * len(scores)
    figure = new_figure(width, height)
    left = 1.75 / width if wide else 0.06 / width
    axes = figure.add_axes((left, 0.34 / height, 1.0 - left - (0.95 if wide else 0.8) / width, 1.0 - 0.4 / height))
    style_axes(axes)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color=GRID, linewidth=0.9)
    rows = np.arange(len(scores))
    faces = {plan.policy: ACCENT, CLAIRVOYANT: "white"}
    colors = [faces.get(score.name, LINE) for score in scores]
    bars = axes.barh(rows, [score.value for score in scores], 0.58 if wide else 0.36, color=colors, linewidth=0)
    reach = [max(score.value, score.high or score.value, 0.0) for score in scores]
    note: dict[str, Any] = {"textcoords": "offset points", "fontsize": 9.5, "color": INK, "annotation_clip": False}
    for row, bar, score, end in zip(rows, bars, scores, reach, strict=True):
        if score.name == CLAIRVOYANT:
            bar.set(edgecolor=MUTED, linewidth=1.0, linestyle=(0, (3, 2)))
        if score.low is not None and score.high is not None:
            axes.plot([score.low, score.high], [row, row], color=INK, linewidth=1.5, solid_capstyle="butt")
            axes.plot([score.low, score.high], [row, row], "|", color=INK, markersize=7, markeredgewidth=1.5)
        weight = "bold" if score.name == plan.policy else "normal"
        axes.annotate(format_money(score.value), (end, row), (5, 0), va="center", fontweight=weight, **note)
        if not wide:
            axes.annotate(score.name, (0.0, row), (2, 9), va="bottom", fontweight=weight, **note)
    axes.set_yticks(rows, [score.name for score in scores] if wide else [""] * len(scores))
    if wide:
        axes.tick_params(axis="y", labelsize=9.5, labelcolor=INK)
    lowest = min(0.0, *(score.value if score.low is None else score.low for score in scores))
    axes.set_xlim(1.05 * lowest, 1.02 * max(*reach, 1e-9))
    axes.set_ylim(-0.6, len(scores) - (0.4 if wide else 0.1))
    axes.axvline(0.0, color=LINE, linewidth=1.0)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="x", length=0)
    money_axis(axes.xaxis)
    return figure


def _legend(figure: Figure, handles: Sequence[Any], columns: int, left: float) -> None:
    close = {"borderaxespad": 0.0, "borderpad": 0.0, "handlelength": 1.2, "handleheight": 0.9, "columnspacing": 1.5}
    add_legend(figure, handles, left, 1.0, columns, **close)


def _date_axis(axes: Any, dates: Sequence[date], most: int) -> None:
    """A tick every few periods; whole weeks for days."""
    periods = len(dates)
    days = (dates[1] - dates[0]).days if periods > 1 else 1
    steps = (1, 2, 7, 14, 28, 56, 91, 182) if days == 1 else (1, 2, 4, 6, 8, 13, 26, 52)
    step = next((step for step in steps if -(-periods // step) <= most), -(-periods // most))
    ticks = range(0, periods, step)
    axes.set_xticks(list(ticks), [f"{dates[tick]:%b} {dates[tick].day}" for tick in ticks])
