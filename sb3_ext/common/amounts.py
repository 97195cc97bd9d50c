"""Numbers as people type them: currency signs, thousands separators, decimal points and commas."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from decimal import Decimal

SIGNS = (".", ",")
"""The decimal signs."""

_UNITS = {
    **dict.fromkeys(("k", "tsd", "thousand"), 3),
    **dict.fromkeys(("m", "mm", "mn", "mio", "mln", "million", "millions"), 6),
    **dict.fromkeys(("b", "bn", "mrd", "billion", "billions"), 9),
}
_CODES = (
    "aed ars aud bgn brl cad chf clp cny cop czk dkk egp eur gbp hkd huf idr ils inr jpy kes krw mxn myr ngn nok nzd"
    " pen php pkr pln ron rub sar sek sgd thb try twd uah usd vnd zar kr zł kč fr rs rp lei"
).split()
_SYMBOLS = "".join(re.escape(chr(code)) for code in range(0x3000) if unicodedata.category(chr(code)) == "Sc")
_CURRENCY = rf"(?:[a-z]{{0,3}}[{_SYMBOLS}]|(?:{'|'.join(_CODES)})\.?)"
_WRITTEN = re.compile(
    rf"(?P<debit>\()?\s*(?P<minus>[+-])?\s*(?P<currency>{_CURRENCY})?\s*(?P<minus_after>[+-])?\s*"
    r"(?P<digits>[0-9.,][0-9.,'_ ]*?)(?P<exponent>e[+-]?[0-9]{1,3})?(?P<no_cents>(?<=[.,])-)?"
    rf"\s*(?:(?P<unit>{'|'.join(sorted(_UNITS, key=len, reverse=True))})\.?)?"
    rf"\s*(?P<currency_after>{_CURRENCY})?\s*(?P<percent>%)?(?(debit)\s*\))"
)
_LIKE_ASCII = str.maketrans(
    {**dict.fromkeys("\u00a0\u2007\u2009\u202f\t", " "), **dict.fromkeys("\u2212\u2013\u2014", "-"), "\u2019": "'"}
)
_LONGEST = 60


def read_amount(text: str, what: str = "the amount", *, factor: bool = False) -> float:
    """
    A number as a person types it: ``$5,000.00``, ``5.000,50 €``, ``1 234,5``, ``2,000,000``, ``2M``, ``(500)``.

    Three digits behind one point or comma, such as ``5.000``, are five thousand to some and five to others, but for
    ``$5,000`` and ``5.000 €``: nobody writes money with three decimals.

    :param text: What was typed.
    :param what: What to call it in errors.
    :param factor: Whether it is a share or a factor, which nobody means in thousands: ``40%`` is 0.4, and ``1.125`` is
        not doubtful.
    :return: The number, finite.
    :raises ValueError: If it is no number, or can be read in two ways; the message is one line that says both.
    """
    numbers = set(_readings(text, what, factor).values())
    if len(numbers) > 1:
        raise ValueError(f"{what}: {_ambiguous(text, numbers)}")
    return numbers.pop()


def read_amounts(
    texts: Sequence[str], places: Sequence[str], *, likely: str | None = None, factor: bool = False
) -> list[float]:
    """
    A column of numbers, whose decimal sign is the one that all of them can be read with.

    :param texts: What was typed.
    :param places: What to call each of them in errors, e.g. ``"line 7: spend"``.
    :param likely: The decimal sign of the rest of the file, see :func:`decimal_sign`. It settles a column in which
        every doubtful number is one of thousands: ``5.000`` where the comma is likely, not where the point is.
    :param factor: Whether they are shares or factors, see :func:`read_amount`.
    :return: The numbers, finite.
    :raises ValueError: If one is no number, or the column can be read in two ways or in none.
    """
    cells = [_readings(text, place, factor) for text, place in zip(texts, places, strict=True)]
    fitting = [sign for sign in SIGNS if all(sign in readings for readings in cells)]
    if not fitting:
        point, comma = (next(i for i, readings in enumerate(cells) if other not in readings) for other in (",", "."))
        raise ValueError(
            f"{places[point]}: {texts[point]!r} has a decimal point, but {texts[comma]!r} ({places[comma]}) a decimal "
            "comma: write all numbers alike"
        )
    doubtful = [i for i, readings in enumerate(cells) if len({readings[sign] for sign in fitting}) > 1]
    if doubtful:
        if likely is None or any(abs(cells[i][likely]) < max(map(abs, cells[i].values())) for i in doubtful):
            first = doubtful[0]
            raise ValueError(f"{places[first]}: {_ambiguous(texts[first], cells[first].values())}")
        fitting = [likely]
    return [readings[fitting[0]] for readings in cells]


def decimal_sign(texts: Sequence[str]) -> str | None:
    """The decimal sign that some texts must have been written with; None if none of them tells, or they disagree."""
    told = set()
    for text in texts:
        try:
            readings = _readings(text, "", factor=False)
        except ValueError:
            continue
        if len(readings) == 1:
            told |= set(readings)
    return told.pop() if len(told) == 1 else None


def _readings(text: str, what: str, factor: bool) -> dict[str, float]:
    """What a text says, by the decimal sign that it can be read with: one number, or two."""
    plain = text.translate(_LIKE_ASCII).strip().lower()
    written = _WRITTEN.fullmatch(plain) if len(plain) <= _LONGEST else None
    if written is None or (written["minus"] and written["minus_after"]) or (written["debit"] and written["minus"]):
        raise ValueError(f"{what} must be a number, got {text!r:.80}")
    if written["percent"] and not factor:
        raise ValueError(f"{what} must be a number, not a percentage, got {text!r:.80}")
    scale = _UNITS.get(written["unit"] or "", 0) - 2 * bool(written["percent"])
    negative = "-" in (written["minus"], written["minus_after"]) or written["debit"]
    readings = {}
    for sign in SIGNS:
        digits = _plain_digits(written["digits"].strip(), sign)
        if digits is not None:
            size = float(Decimal(digits + (written["exponent"] or "")).scaleb(scale))
            readings[sign] = -size if negative and size else size
    if not readings or not all(map(math.isfinite, readings.values())):
        raise ValueError(f"{what} must be a finite number, got {text!r:.80}")
    is_money = (written["currency"] or written["currency_after"]) and not written["unit"]
    if factor or is_money:
        meant = (min if factor else max)(map(abs, readings.values()))
        readings = {sign: number for sign, number in readings.items() if abs(number) == meant}
    return readings


def _plain_digits(text: str, sign: str) -> str | None:
    """Digits with a decimal point, from those with a decimal sign and thousands apart; None if they are not so."""
    whole, _, fraction = text.partition(sign)
    if not re.fullmatch("[0-9]*", fraction) or not (whole or fraction):
        return None
    apart = re.escape("., '_".replace(sign, ""))
    in_threes = rf"[1-9][0-9]{{0,2}}([{apart}])[0-9]{{3}}(?:\1[0-9]{{3}})*"
    in_lakhs = r"|[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3}" if sign == "." else ""
    if not re.fullmatch(rf"[0-9]*|{in_threes}{in_lakhs}", whole):
        return None
    return f"{re.sub('[^0-9]', '', whole) or '0'}.{fraction or '0'}"


def _ambiguous(text: str, numbers: Iterable[float]) -> str:
    """That a text can be read in two ways, and how to write each so that it cannot."""
    small, large = (f"{number:.15g}" for number in sorted(set(numbers), key=abs))
    small += ".0" if "." not in small else "0"
    return f"{text!r:.80} can mean {large} or {small}: write it as one of these"
