"""One look for all pictures of the package. Importing this needs matplotlib; pyplot's global state is not touched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sb3_ext.common.requirements import install_command
from sb3_ext.common.wording import format_money

try:
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator
except ImportError as error:
    raise ImportError(f"pictures need matplotlib: {install_command('matplotlib')}") from error

INK = "#22303c"
MUTED = "#6b7885"
GRID = "#e6eaee"
LINE = "#b8c1c9"
ACCENT = "#0b7a75"


def money_axis(axis: Any) -> None:
    """Format ``axes.xaxis`` or ``axes.yaxis`` as money with a few round ticks."""
    axis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda amount, _: format_money(amount)))


def new_figure(width: float, height: float) -> Figure:
    """An empty white figure that pyplot does not know about: inches, 100 dots each."""
    return Figure(figsize=(width, height), dpi=100, facecolor="white")


def add_title(figure: Figure, title: str) -> None:
    """Write a title above everything."""
    top = 1.0 - 0.22 / figure.get_size_inches()[1]
    figure.text(0.02, top, title, fontsize=13, fontweight="bold", color=INK, va="top")


def add_legend(figure: Figure, handles: Sequence[Any], left: float, top: float, columns: int, **options: Any) -> None:
    """Explain colours and lines from a left upper corner on, in shares of the figure, in rows of a few names."""
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (left, top), "ncols": columns}
    figure.legend(handles=handles, **place, frameon=False, labelcolor=INK, **{"fontsize": 9, **options})


def style_axes(axes: Any, title: str = "") -> None:
    """Give axes the common look: light horizontal grid, no box, title at the left."""
    axes.set_title(title, loc="left", fontsize=10.5, fontweight="bold", color=INK, pad=7)
    axes.grid(axis="y", color=GRID, linewidth=0.9)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(LINE)
    axes.tick_params(colors=MUTED, labelsize=8.5, length=0)
    axes.tick_params(axis="x", length=3, color=LINE)
    axes.xaxis.label.set(color=MUTED, fontsize=9)
    axes.yaxis.label.set(color=MUTED, fontsize=9)
