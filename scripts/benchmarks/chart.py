"""A bar chart of ratios. Importing this needs matplotlib."""

from __future__ import annotations

import itertools
import os
import statistics
import textwrap
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.groups import Result, advantage
from sb3_ext.common.charts import ACCENT, INK, MUTED, new_figure, style_axes
from sb3_ext.common.files import atomic_path

_INCHES = 0.27  # a bar
_AROUND = 2.6  # what title and axis take, in bars


class Bar(NamedTuple):
    """How many times better something is than what it is compared with."""

    panel: str
    label: str
    reference: str
    ratios: list[float]
    """One per repeat, above 1 for what is better."""
    aim: float | None = None

    @classmethod
    def of(cls, panel: str, unit: str, result: Result) -> Bar | None:
        """
        Make the bar of a result.

        :param panel: title of the panel it stands in
        :param unit: unit of the values
        :param result: the result
        :return: the bar; None if the result is compared with nothing
        """
        if result.ratios is None:
            return None
        return cls(panel, result.name, result.reference or "", [advantage(unit, ratio) for ratio in result.ratios])


def write_chart(bars: Sequence[Bar], path: str | os.PathLike[str]) -> None:
    """
    Draw medians as bars, with whiskers from the lowest to the highest repeat, a line at 1 and marks at the aims.

    :param bars: the bars, those of a panel one after another
    :param path: PNG file, written whole or not at all
    """
    panels = [(title, list(found)) for title, found in itertools.groupby(bars, lambda bar: bar.panel)]
    heights = [len(found) + _AROUND for _, found in panels] or [_AROUND]
    figure = new_figure(10.0, _INCHES * sum(heights))
    all_axes = figure.subplots(
        max(len(panels), 1),
        squeeze=False,
        gridspec_kw={"height_ratios": [height - _AROUND + 0.8 for height in heights]},
    )[:, 0]
    for axes, (title, found) in zip(all_axes, panels, strict=False):
        medians = [statistics.median(bar.ratios) for bar in found]
        whiskers = [
            [median - min(bar.ratios) for median, bar in zip(medians, found, strict=True)],
            [max(bar.ratios) - median for median, bar in zip(medians, found, strict=True)],
        ]
        rows = range(len(found))
        axes.barh(rows, medians, height=0.62, color=ACCENT, xerr=whiskers, ecolor=INK, capsize=2)
        for row, bar, median in zip(rows, found, medians, strict=True):
            worth = f"  {median:.2f} x {bar.reference}"
            axes.text(max(*bar.ratios, bar.aim or 0.0), row, worth, va="center", fontsize=8, color=MUTED)
            if bar.aim is not None:
                axes.plot([bar.aim, bar.aim], [row - 0.42, row + 0.42], color="#c44e52", linewidth=2)
        axes.axvline(1.0, color=MUTED, linewidth=1, linestyle="--")
        style_axes(axes)
        axes.set_title(textwrap.fill(title, 88), loc="left", fontsize=8.5, fontweight="bold", color=INK)
        axes.grid(visible=False)
        axes.set_yticks(rows, [bar.label for bar in found])
        axes.set_ylim(len(found) - 0.4, -0.6)
        # room for what stands at the ends of the bars
        axes.set_xlim(0.0, 1.45 * max(1.0, *(max(*bar.ratios, bar.aim or 0.0) for bar in found)))
    figure.tight_layout()
    with atomic_path(path) as temporary:
        figure.savefig(temporary)
