"""How numbers stand on the pages."""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple


class Span(NamedTuple):
    """The ends of an interval."""

    low: float
    high: float


def fixed(value: float | Span, digits: int, sign: str = "") -> str:
    """
    Write a number, or both ends of an interval, with a fixed number of digits.

    :param value: The number or interval.
    :param digits: Digits after the point.
    :param sign: ``"+"`` to write the sign of positive numbers too.
    :return: Such as ``"12 345.6"`` or ``"-0.1 to 0.0"``; no zero is negative.
    """
    if isinstance(value, Span):
        return f"{fixed(value.low, digits, sign)} to {fixed(value.high, digits, sign)}"
    return f"{round(value, digits) + 0.0:{sign},.{digits}f}".replace(",", " ")


def iqm(run: Any, digits: int, bold: bool = False) -> str:
    """
    Write an interquartile mean with its interval.

    :param run: What has them as ``iqm`` and ``interval``; its ``mark``, if it has one, comes behind them.
    :param digits: Digits after the point.
    :param bold: Whether the mean is bold.
    :return: Such as ``"**99.63** (99.33 to 99.75)"``.
    """
    mark = "**" if bold else ""
    return f"{mark}{fixed(run.iqm, digits)}{mark} ({fixed(run.interval, digits)}){getattr(run, 'mark', '')}"


def spread(ratios: Sequence[float]) -> str:
    """
    Write the ratios of repeats.

    :param ratios: At least one.
    :return: The median, and the lowest and the highest if there are several: ``"2.00 (1.00 to 3.00)"``.
    """
    median = fixed(statistics.median(ratios), 2)
    return median if len(ratios) == 1 else f"{median} ({fixed(Span(min(ratios), max(ratios)), 2)})"


def wrapped(text: str) -> str:
    """
    Break a paragraph into lines.

    :param text: The paragraph.
    :return: Lines of at most 120 characters.
    """
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)
