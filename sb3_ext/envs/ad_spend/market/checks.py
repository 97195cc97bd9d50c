"""Checks of arguments at the door."""

from __future__ import annotations

import math
import unicodedata
from typing import Any, get_args

import numpy as np

MOST_MONEY = 1e13
"""Money that a campaign, a channel or a period may hold: larger numbers have no exact cents."""
MOST_SALES = 1e15
_LONGEST_NAME = 200
# Controls, lone surrogates, and marks that turn the direction of what follows.
_UNSHOWN = {"Cc", "Cs", "Zl", "Zp"}
_TURNING = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


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
        raise ValueError(f"{what} must be a finite number in {left}{low:g}, {high:g}{right}, got {value!r:.80}")
    return number


def check_name(value: Any, what: str) -> None:
    """Raise a ValueError that names ``what`` unless a value is text of 1 to 200 characters, all of them visible."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{what} must be a non-empty string, got {value!r:.80}")
    if len(value) > _LONGEST_NAME:
        raise ValueError(f"{what} must have at most {_LONGEST_NAME} characters, got {len(value)}: {value!r:.40}...")
    if unseen := [letter for letter in value if unicodedata.category(letter) in _UNSHOWN or letter in _TURNING]:
        raise ValueError(f"{what} must be visible text on one line, got {unseen[0]!a} in {value!a:.80}")


def check_count(value: Any, what: str, low: int = 1, high: int | None = None) -> int:
    """``value`` as an int; a ValueError that names ``what`` if it is no whole number from ``low`` to ``high``."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < low or (high is not None and value > high):
        allowed = f">= {low}" if high is None else f"from {low} to {high}"
        raise ValueError(f"{what} must be a whole number {allowed}, got {value!r:.80}")
    return int(value)


def check_choice(value: str, allowed: object, what: str) -> None:
    """Raise a ValueError that names ``what`` unless a word is one of a ``Literal``."""
    if value not in get_args(allowed):
        raise ValueError(f"{what} must be one of {list(get_args(allowed))}, got {value!r:.80}")
