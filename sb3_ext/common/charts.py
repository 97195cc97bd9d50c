"""One look for all pictures of the package. Importing this needs matplotlib; pyplot's global state is not touched."""

from __future__ import annotations

from typing import Any

try:
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator
except ImportError as error:
    raise ImportError('pictures need matplotlib: pip install "sb3-ext[plots]"') from error

INK = "#22303c"
MUTED = "#6b7885"
GRID = "#e6eaee"
ACCENT = "#0b7a75"
PALETTE = (
    "#3b76af", "#ee854a", "#55a868", "#c44e52", "#8c72b8", "#e3b23c", "#46b1c9", "#d987b5", "#8c6d4f", "#8d99a6",
)  # fmt: skip
"""Ten colours for channels and runs, told apart on white also by most colour-blind readers."""


def color_of(index: int) -> str:
    """
    Colour of the n-th channel or run; after ten they repeat.

    :param index: Number from 0.
    :return: A hexadecimal colour.
    """
    return PALETTE[index % len(PALETTE)]


def format_money(amount: float) -> str:
    """
    An amount of money in at most three significant digits, with k, M or B for thousands, millions and billions.

    :param amount: Money.
    :return: E.g. ``"-1.25M"``, ``"43.2k"``, ``"850"``, ``"0.5"``.
    """
    for unit, suffix in ((1e9, "B"), (1e6, "M"), (1e3, "k"), (1.0, "")):
        # 999.6 has three significant digits only as "1k".
        if abs(amount) >= 0.9995 * unit:
            scaled = amount / unit
            digits = 2 if abs(scaled) < 9.995 else 1 if abs(scaled) < 99.95 else 0
            text = f"{scaled:.{digits}f}"
            return (text.rstrip("0").rstrip(".") if digits else text) + suffix
    return f"{amount:.3g}" if amount else "0"


def money_axis(axis: Any) -> None:
    """
    Format an axis as money with a few round ticks.

    :param axis: ``axes.xaxis`` or ``axes.yaxis``.
    """
    axis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda amount, _: format_money(amount)))


def new_figure(width: float, height: float) -> Figure:
    """
    An empty white figure that pyplot does not know about.

    :param width: Inches.
    :param height: Inches.
    :return: The figure, 100 dots per inch.
    """
    return Figure(figsize=(width, height), dpi=100, facecolor="white")


def style_axes(axes: Any, title: str = "") -> None:
    """
    Give axes the common look: light horizontal grid, no box, title at the left.

    :param axes: The axes.
    :param title: Their title.
    """
    axes.set_title(title, loc="left", fontsize=10.5, fontweight="bold", color=INK, pad=7)
    axes.grid(axis="y", color=GRID, linewidth=0.9)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#b8c1c9")
    axes.tick_params(colors=MUTED, labelsize=8.5, length=0)
    axes.tick_params(axis="x", length=3, color="#b8c1c9")
    axes.xaxis.label.set(color=MUTED, fontsize=9)
    axes.yaxis.label.set(color=MUTED, fontsize=9)


def period_name(days: float) -> str:
    """
    What to call a period.

    :param days: Its length in days.
    :return: ``"day"``, ``"week"``, ``"month"`` or ``"period"``.
    """
    if 28.0 <= days <= 31.0:
        return "month"
    return {1.0: "day", 7.0: "week"}.get(days, "period")
