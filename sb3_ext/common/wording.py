"""Amounts, periods, numbers of things and text as people read them."""

import re

_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"  # controls, directions
)


def printable(text: str) -> str:
    """Text for a terminal: what would control it, or turn the direction of text, is shown as an escape sequence."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def amount(money: float, digits: int = 0) -> str:
    """Money with thousands separated, such as ``1,234``."""
    text = f"{money:,.{digits}f}"
    return text[1:] if text.startswith("-") and not text.strip("-0.,") else text


def format_money(amount: float) -> str:
    """Money in at most three significant digits, with k, M or B: ``-1.25M``, ``43.2k``, ``850``, ``0.5``."""
    for unit, suffix in ((1e9, "B"), (1e6, "M"), (1e3, "k"), (1.0, "")):
        # 999.6 has three significant digits only as "1k".
        if abs(amount) >= 0.9995 * unit:
            scaled = amount / unit
            digits = 2 if abs(scaled) < 9.995 else 1 if abs(scaled) < 99.95 else 0
            text = f"{scaled:.{digits}f}"
            return (text.rstrip("0").rstrip(".") if digits else text) + suffix
    return f"{amount:.3g}" if amount else "0"


def period_name(days: float) -> str:
    """What to call a period of so many days: day, week, month, or period for any other."""
    if 28.0 <= days <= 31.0:
        return "month"
    return {1.0: "day", 7.0: "week"}.get(days, "period")


def count(number: int, thing: str) -> str:
    """A number of things, such as ``1 week`` or ``2 weeks``."""
    return f"{number} {thing}{'' if number == 1 else 's'}"
