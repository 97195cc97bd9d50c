"""Checks of arguments at the door."""

from __future__ import annotations

import math
from typing import Any, get_args

import numpy as np


def check_number(
    value: Any,
    what: str,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    low_open: bool = False,
    high_open: bool = False,
) -> float:
    """``value`` as a float; a ValueError that names ``what`` if it is no finite number of the interval."""
    try:
        number = float("nan") if isinstance(value, (bool, str)) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    below = number <= low if low_open else number < low
    above = number >= high if high_open else number > high
    if not math.isfinite(number) or below or above:
        left = "(" if low_open or low == -math.inf else "["
        right = ")" if high_open or high == math.inf else "]"
        raise ValueError(f"{what} must be a finite number in {left}{low:g}, {high:g}{right}, got {value!r}")
    return number


def check_count(value: Any, what: str) -> int:
    """``value`` as an int; a ValueError that names ``what`` if it is no whole number >= 1."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{what} must be a whole number >= 1, got {value!r}")
    return int(value)


def check_choice(value: str, allowed: object, what: str) -> None:
    """Raise a ValueError that names ``what`` unless a word is one of a ``Literal``."""
    if value not in get_args(allowed):
        raise ValueError(f"{what} must be one of {list(get_args(allowed))}, got {value!r}")
