"""The picture of a campaign that ``AdSpendEnv.render`` returns. Importing this needs matplotlib."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from sb3_ext.common.arrays import FloatArray
from sb3_ext.common.charts import ACCENT, INK, MUTED, add_legend, money_axis, new_figure, style_axes
from sb3_ext.common.palette import color_of
from sb3_ext.common.wording import format_money, period_name
from sb3_ext.envs.ad_spend.campaign.simulator import Period
from sb3_ext.envs.ad_spend.market.market import Market
from sb3_ext.envs.ad_spend.market.sales_function import SalesFunctionMarket

# Behind the import above, which says what to do if matplotlib is missing.
from matplotlib.backends.backend_agg import FigureCanvasAgg  # isort: skip
from matplotlib.collections import PolyCollection  # isort: skip
from matplotlib.lines import Line2D  # isort: skip
from matplotlib.patches import Patch  # isort: skip
from matplotlib.ticker import MaxNLocator  # isort: skip

_LONGEST_NAME = 18
_NAMES_PER_ROW = 5
_STEP = 1.4


class CampaignPicture:
    """
    Draws a campaign as 960 x 640 pixels: spend, adstock and sales per channel, and the budget left.

    The figure is built at the first frame. Later frames redraw only what moves over the stored rest, and the rest only
    when an axis has to grow.
    """

    def __init__(self, market: Market | SalesFunctionMarket, budget: float, periods: int) -> None:
        self._market, self._budget, self._periods = market, budget, periods
        self._built = False

    def __getstate__(self) -> dict[str, Any]:
        # Neither the canvas nor its stored pixels can be pickled or copied.
        return {"_market": self._market, "_budget": self._budget, "_periods": self._periods, "_built": False}

    def _build(self) -> None:
        self._built = True
        self._period_name = period_name(self._market.period_days)
        self._figure = new_figure(9.6, 6.4)
        self._canvas: Any = FigureCanvasAgg(self._figure)
        self._background: Any = None
        self._moving: list[Any] = []
        self._limits: dict[Any, tuple[float, float]] = {}

        top = 0.815 if len(self._market.names) <= _NAMES_PER_ROW else 0.785
        grid = self._figure.add_gridspec(2, 2, left=0.065, right=0.965, top=top, bottom=0.085, wspace=0.2, hspace=0.4)
        self._spend_axes, self._carry_axes, self._sales_axes, self._budget_axes = (
            self._figure.add_subplot(grid[row, column]) for row in (0, 1) for column in (0, 1)
        )
        self._add_header()
        self._add_spend()
        self._add_carry_over()
        self._add_sales()
        self._add_budget()
        for axes in (self._sales_axes, self._budget_axes):
            axes.set_xlabel(self._period_name)

    def draw(self, history: list[Period]) -> npt.NDArray[np.uint8]:
        """RGB picture, shape (640, 960, 3), of what has happened so far, one entry a period."""
        if not self._built:
            self._build()
        n_channels = len(self._market.names)
        spend = np.array([period.spend for period in history]).reshape(-1, n_channels)
        sales = np.array([period.sales for period in history]).reshape(-1, len(self._sales_areas))
        value = np.cumsum([float(period.value + period.tail) for period in history])
        left = np.append(self._budget, self._budget - np.cumsum(spend.sum(axis=1)))
        left = np.maximum(left, 0.0)

        self._show_header(len(history), self._budget - left[-1], float(value[-1]) if len(value) else 0.0)
        self._show_stack(self._spend_axes, self._spend_bars, spend, width=0.82)
        if isinstance(self._market, Market):
            adstock = np.array([self._market.initial_adstock, *(period.adstock for period in history)])
            self._show_lines(self._carry_axes, self._carry_lines, adstock)
        else:
            self._show_lines(self._carry_axes, self._carry_lines, np.append(0.0, value)[:, None])
        self._show_stack(self._sales_axes, self._sales_areas, sales, width=1.0)
        elapsed = np.arange(len(left))
        self._budget_line.set_data(elapsed, left)
        self._budget_area.set_verts([np.column_stack([[0, *elapsed, elapsed[-1]], [0, *left, 0]])])
        return self._frame()

    def _frame(self) -> npt.NDArray[np.uint8]:
        if self._background is None:
            self._canvas.draw()
            self._background = self._canvas.copy_from_bbox(self._figure.bbox)
        self._canvas.restore_region(self._background)
        renderer = self._canvas.get_renderer()
        for artist in self._moving:
            artist.draw(renderer)
        return np.array(np.asarray(self._canvas.buffer_rgba())[..., :3], dtype=np.uint8)

    def _move(self, artist: Any) -> Any:
        """Register an artist that changes with every frame; ``animated`` keeps it out of the stored background."""
        artist.set_animated(True)
        self._moving.append(artist)
        return artist

    def _add_header(self) -> None:
        figure, names = self._figure, self._market.names
        self._title = self._move(figure.text(0.03, 0.945, "", fontsize=16, fontweight="bold", color=INK, va="center"))
        self._money_text = self._move(figure.text(0.97, 0.945, "", fontsize=12, color=INK, va="center", ha="right"))
        labels = [name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…" for name in names]
        handles = [Patch(color=color_of(index), label=label) for index, label in enumerate(labels)]
        close = {"handlelength": 0.9, "handleheight": 0.9, "columnspacing": 1.6}
        add_legend(figure, handles, 0.02, 0.915, _NAMES_PER_ROW, **close)

    def _show_header(self, elapsed: int, spent: float, value: float) -> None:
        self._title.set_text(f"{self._period_name.capitalize()} {elapsed} of {self._periods}")
        budget = self._budget
        spending = f"spent {format_money(spent)} of {format_money(budget)} ({spent / budget:.0%})"
        self._money_text.set_text(f"{spending}   ·   value {format_money(value)}")

    def _add_axes(self, axes: Any, title: str, highest: float, lowest: float = 0.0) -> None:
        style_axes(axes, title)
        axes.set_xlim(0, self._periods)
        axes.set_ylim(lowest, highest)
        self._limits[axes] = (lowest, highest)
        whole_weeks = self._period_name == "day" and 14 <= self._periods
        steps = [1.4, 2.8, 7, 10] if whole_weeks else [1, 2, 5, 10]
        axes.xaxis.set_major_locator(MaxNLocator(nbins=9, integer=True, steps=steps))
        money_axis(axes.yaxis)

    def _add_spend(self) -> None:
        self._add_axes(self._spend_axes, f"Spend per {self._period_name}", 2.0 * self._budget / self._periods)
        self._spend_bars = self._new_stack(self._spend_axes, len(self._market.names), alpha=1.0)

    def _add_carry_over(self) -> None:
        axes, n_channels, market = self._carry_axes, len(self._market.names), self._market
        if isinstance(market, Market):
            even = self._budget / self._periods / n_channels
            highest = 1.6 * max(even, float(market.initial_adstock.max()))
            self._add_axes(axes, "Adstock: advertising carried over", highest)
            colors = [color_of(index) for index in range(n_channels)]
        else:
            self._add_axes(axes, "Value so far", self._budget, -0.05 * self._budget)
            colors = [ACCENT]
        self._carry_lines = [self._new_line(axes, color) for color in colors]

    def _add_sales(self) -> None:
        axes, market, season = self._sales_axes, self._market, self._market.season_factors(self._periods)
        even = np.full(len(market.names), self._budget / self._periods / len(market.names))
        self._add_axes(
            axes,
            f"Sales per {self._period_name}",
            1.3 * float(season.max()) * max(1e-9, float(market.response(even).sum())),
        )
        n_columns = market.response(even).shape[-1]
        self._sales_areas = self._new_stack(axes, n_columns, alpha=0.85)
        if n_columns < len(market.names):
            self._sales_areas[0].set_facecolor(ACCENT)
        if np.ptp(season) > 0.0:
            demand = axes.twinx()
            demand.stairs(season, color=INK, linewidth=1.0, linestyle=(0, (4, 2)), baseline=None)
            demand.set_ylim(0.0, 1.15 * float(season.max()))
            demand.tick_params(colors=MUTED, labelsize=8.5, length=0)
            demand.yaxis.set_major_locator(MaxNLocator(nbins=3, steps=[1, 2, 5, 10]))
            for spine in demand.spines.values():
                spine.set_visible(False)
            _label_dashed_line(axes, INK, "demand factor (right)")

    def _add_budget(self) -> None:
        axes, budget = self._budget_axes, self._budget
        self._add_axes(axes, "Budget left", 1.04 * budget)
        axes.plot([0, self._periods], [budget, 0], color=MUTED, linewidth=1.1, linestyle=(0, (4, 2)))
        _label_dashed_line(axes, MUTED, "even pacing")
        self._budget_area = self._move(PolyCollection([], facecolor=ACCENT, alpha=0.16))
        axes.add_collection(self._budget_area, autolim=False)
        self._budget_line = self._new_line(axes, ACCENT)

    def _new_line(self, axes: Any, color: str) -> Any:
        """A line with a dot at its end."""
        return self._move(
            axes.plot([], [], "o-", color=color, linewidth=2, markersize=5, markevery=[-1], clip_on=False)[0]
        )

    def _new_stack(self, axes: Any, n_columns: int, alpha: float) -> list[Any]:
        stack = [PolyCollection([], facecolor=color_of(index), alpha=alpha) for index in range(n_columns)]
        for polygons in stack:
            axes.add_collection(polygons, autolim=False)
            self._move(polygons)
        return stack

    def _show_stack(self, axes: Any, stack: list[Any], amounts: FloatArray, width: float) -> None:
        """Stack amounts, shape (t, columns), as one rectangle per period; period d lies between d and d + 1."""
        tops = np.cumsum(amounts, axis=1)
        bottoms = tops - amounts
        left = np.arange(len(amounts)) + (1.0 - width) / 2.0
        right = left + width
        for column, polygons in enumerate(stack):
            low, high = bottoms[:, column], tops[:, column]
            corners = [(left, low), (left, high), (right, high), (right, low)]
            polygons.set_verts(
                np.stack([np.column_stack(corner) for corner in corners], axis=1) if len(amounts) else []
            )
        self._make_room(axes, tops)

    def _show_lines(self, axes: Any, lines: list[Any], levels: FloatArray) -> None:
        for column, line in enumerate(lines):
            line.set_data(np.arange(len(levels)), levels[:, column])
        self._make_room(axes, levels)

    def _make_room(self, axes: Any, values: FloatArray) -> None:
        """Show all values. Limits grow in steps, so that few frames need a new background."""
        low, high = self._limits[axes]
        smallest, largest = float(values.min(initial=0.0)), float(values.max(initial=0.0))
        limits = (low if smallest >= low else -_grown(0.05 * high, -smallest), _grown(high, largest))
        if axes.get_ylim() != limits:
            axes.set_ylim(*limits)
            self._background = None


def _grown(limit: float, needed: float) -> float:
    """The limit, times the smallest power of the step that makes it suffice."""
    steps = 0 if needed <= limit else math.ceil(math.log(needed / limit, _STEP))
    return float(limit * _STEP**steps)


def _label_dashed_line(axes: Any, color: str, label: str) -> None:
    """A legend above the right end of the panel, clear of the data."""
    axes.legend(
        handles=[Line2D([], [], color=color, linewidth=1.0, linestyle=(0, (4, 2)), label=label)],
        loc="lower right",
        bbox_to_anchor=(1.01, 0.985),
        frameon=False,
        fontsize=8.5,
        labelcolor=MUTED,
    )
