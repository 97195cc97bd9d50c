"""Values of constraints as people write them: amounts, shares, ranges and dates."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Any

import numpy as np

from sb3_ext.app.errors import UserError, did_you_mean
from sb3_ext.common.amounts import read_amount
from sb3_ext.common.dates import read_date
from sb3_ext.common.wording import amount

_MONTH, _QUARTER = re.compile(r"(\d{4})-(\d{1,2})"), re.compile(r"(\d{4})-?Q([1-4])", re.IGNORECASE)
_SPAN = re.compile(r"\s*(?:\.\.|\bto\b|\buntil\b)\s*")


def check_known(name: Any, names: Any, place: str, kind: str = "key") -> None:
    """Refuse a name that is none of ``names``."""
    if name not in names:
        raise UserError(f"{place}: there is no {kind} {name!r}.{did_you_mean(str(name), list(names))} "
                        f"{kind.capitalize()}s: {', '.join(names)}")  # fmt: skip


def as_mapping(value: Any, place: str) -> dict[str, Any]:
    """A mapping with texts as keys."""
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise UserError(f"{place} must be a mapping such as {{min: 5000}}, got {value!r:.80}")
    return value


def as_text(value: Any, place: str) -> str:
    """One value, as typed."""
    if not isinstance(value, str) or not value.strip():
        raise UserError(f"{place}: give one value, got {value!r:.80}")
    return value.strip()


def as_number(read: Callable[[str, str], float], text: str, place: str) -> float:
    """A number of at least 0."""
    try:
        number = read(text, place)
    except ValueError as error:
        raise UserError(str(error)) from None
    if number < 0.0:
        raise UserError(f"{place} must be 0 or more, got {text!r}")
    return number


def as_share(text: str, place: str, most: float = np.inf) -> float:
    """``20%`` or ``0.2``."""
    number = as_number(partial(read_amount, factor=True), text, place)
    if number > most or (number > 1.0 and "%" not in text):
        raise UserError(f"{place} must be a share such as 20% or 0.2, got {text!r}")
    return number


def as_range(value: Any, place: str, read: Callable[[str, str], float]) -> tuple[float, float]:
    """``{min: ..., max: ...}``, ``MIN..MAX``, or one number for exactly that."""
    if isinstance(value, dict):
        for key in value:
            check_known(key, ("min", "max"), place)
        texts = value.get("min", ""), value.get("max", "")
    else:
        text = as_text(value, place)
        left, dots, right = text.partition("..")
        texts = (left, right) if dots else (text, text)
    low, high = (
        as_number(read, str(text), place) if text else default
        for text, default in zip(texts, (0.0, np.inf), strict=True)
    )
    if low > high or not any(texts):
        raise UserError(f"{place}: give min <= max, at least one of them, got {value!r}")
    return low, high


def range_in_words(low: float, high: float) -> str:
    """Two ends of money in words."""
    if low == high:
        return f"exactly {amount(low, 2)}"
    if low > 0.0 and np.isfinite(high):
        return f"{amount(low, 2)} to {amount(high, 2)}"
    return f"at least {amount(low, 2)}" if low > 0.0 else f"at most {amount(high, 2)}"


def as_dates(text: str, place: str) -> tuple[date, date]:
    """First and last day of a date, a span, a month or a quarter."""
    if quarter := _QUARTER.fullmatch(text):
        year, number = map(int, quarter.groups())
        return date(year, 3 * number - 2, 1), _last_day(year, 3 * number)
    if (month := _MONTH.fullmatch(text)) and 1 <= int(month[2]) <= 12:
        return date(int(month[1]), int(month[2]), 1), _last_day(int(month[1]), int(month[2]))
    ends = _SPAN.split(text)
    try:
        days = [read_date(end, place) for end in ends]
    except ValueError as error:
        raise UserError(f"{error} (or a month such as 2027-03, a quarter such as 2027-Q1, a span such as 2027-03-01 to "
                        "2027-03-28)") from None  # fmt: skip
    if len(days) > 2 or days[0] > days[-1]:
        raise UserError(f"{place}: give FIRST to LAST, got {text!r}")
    return days[0], days[-1]


def _last_day(year: int, month: int) -> date:
    following = date(year + month // 12, month % 12 + 1, 1)
    return date.fromordinal(following.toordinal() - 1)
