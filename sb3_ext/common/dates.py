"""Days as people type them and as spreadsheets hold them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import date, datetime, time, timedelta

DAY_FIRST, MONTH_FIRST = "day first", "month first"

_MONTHS = tuple(
    names.split()
    for names in (
        *(
            "january januar",
            "february februar",
            "march märz mrz",
            "april",
            "may mai",
            "june juni",
            "july juli",
            "august",
        ),
        *("september", "october oktober", "november", "december dezember"),
    )
)
_WEEKDAYS = tuple(
    names.split()
    for names in (
        *("monday montag", "tuesday dienstag", "wednesday mittwoch", "thursday donnerstag", "friday freitag"),
        *("saturday samstag", "sunday sonntag"),
    )
)
_WEEKDAY = re.compile(r"([a-z]{2,10})[.,]* ")
_TIME = re.compile(
    r"(?<=[0-9])[t\s]+(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}(?:\.[0-9]+)?))?\s*(?P<half>am|pm)?"
    r"\s*(?:z|utc|gmt|[+-][0-9]{2}:?[0-9]{2})?$"
)
_YEAR_FIRST = re.compile(r"([0-9]{4})([-/. ]?)([0-9]{1,2})\2([0-9]{1,2})")
_YEAR_LAST = re.compile(r"([0-9]{1,2})([-/.])([0-9]{1,2})\2([0-9]{4}|[0-9]{2})")
_NAMED = re.compile(r"([0-9]{1,2})(?:st|nd|rd|th)?[-. ]+([a-zä]+)[-., ]+([0-9]{4}|[0-9]{2})")
_NAME_FIRST = re.compile(r"([a-zä]+)[-. ]+([0-9]{1,2})(?:st|nd|rd|th)?[-, ]+([0-9]{4})")
_MONTH_ALONE = re.compile(r"(?P<year>[0-9]{4})-(?P<month>[0-9]{1,2})|(?P<name>[a-zä]+)[-. ]+(?P<its_year>[0-9]{4})")
_EXCEL_EPOCH = date(1899, 12, 30)
# Spreadsheets count days: 1982 to 2064.
_SERIALS = range(30_000, 60_001)

Day = str | int | float | date | datetime


def read_date(value: Day, what: str = "the date", *, order: str | None = None, months: bool = False) -> date:
    """
    A day as a person types it (``2026-12-31``, ``31.12.2026``, ``Mon 2026-01-05``, ``5 Jan 2026``), or a spreadsheet's.

    A midnight is its day, in whatever time zone it is told; any other time is refused, since in another one it may be
    the day before or after.

    :param value: What was typed, or a date, or the number of days that a spreadsheet counts.
    :param what: What to call it in errors.
    :param order: ``"day first"`` or ``"month first"`` where the order of such as ``01/02/2026`` is known.
    :param months: Whether ``2026-01`` is the first day of the month; refused otherwise.
    :return: The day.
    :raises ValueError: If it is no day, or can be read in two ways; the message is one line that says both.
    """
    readings = _readings(value, what, months)
    if len(set(readings.values())) > 1 and order not in readings:
        raise ValueError(f"{what}: {_ambiguous(value, readings)}")
    return readings[order] if order in readings else next(iter(readings.values()))


def read_dates(
    values: Sequence[Day], places: Sequence[str], *, expected: Collection[date] = (), months: bool = False
) -> list[date]:
    """
    A column of days, whose order of day and month is the one that all of them can be read with.

    :param values: What was typed, or what a spreadsheet holds.
    :param places: What to call each of them in errors, e.g. ``"line 7: date"``.
    :param expected: Days of which those are some, if they are known: they settle the order if only one gives them.
    :param months: Whether ``2026-01`` is the first day of the month; refused otherwise.
    :return: The days.
    :raises ValueError: If one is no day, or the column can be read in two ways or in none.
    """
    cells = [_readings(value, place, months) for value, place in zip(values, places, strict=True)]
    fitting = [order for order in (DAY_FIRST, MONTH_FIRST) if all(order in readings for readings in cells)]
    if not fitting:
        one, other = (
            next(i for i, readings in enumerate(cells) if order not in readings) for order in (MONTH_FIRST, DAY_FIRST)
        )
        raise ValueError(
            f"{places[one]}: {values[one]!r} has the day first, but {values[other]!r} ({places[other]}) the month: "
            "write all dates alike, e.g. 2026-12-31"
        )
    doubtful = [i for i, readings in enumerate(cells) if len({readings[order] for order in fitting}) > 1]
    if doubtful:
        known = [order for order in fitting if all(readings[order] in expected for readings in cells)]
        if len(known) != 1:
            raise ValueError(f"{places[doubtful[0]]}: {_ambiguous(values[doubtful[0]], cells[doubtful[0]])}")
        fitting = known
    return [readings[fitting[0]] for readings in cells]


def _readings(value: Day, what: str, months: bool) -> dict[str, date]:
    """What a value says, by the order of day and month that it can be read with: one day, or two."""
    wrong = ValueError(f"{what} must be a date such as 2026-12-31, got {value!r:.80}")
    if isinstance(value, datetime):
        _check_midnight(value.time(), value, what)
        return dict.fromkeys((DAY_FIRST, MONTH_FIRST), value.date())
    if isinstance(value, date):
        return dict.fromkeys((DAY_FIRST, MONTH_FIRST), value)
    text = " ".join(str(value).split()).lower() if isinstance(value, str) else f"{value:.15g}"
    weekday = None
    if (word := _WEEKDAY.match(text)) and (weekday := _number_of(word[1], _WEEKDAYS, 2)) is not None:
        text = text[word.end() :]
    if clock := _TIME.search(text):
        hour = int(clock["hour"]) % 12 + 12 * (clock["half"] == "pm") if clock["half"] else int(clock["hour"])
        if hour > 23 or int(clock["minute"]) > 59 or float(clock["second"] or 0) >= 60:
            raise wrong
        _check_midnight(time(hour, int(clock["minute"]), int(float(clock["second"] or 0))), value, what)
        text = text[: clock.start()]
    try:
        readings = _written(text, months)
    except (ValueError, OverflowError):
        raise wrong from None
    if weekday is not None and readings:
        readings = {order: day for order, day in readings.items() if day.weekday() == weekday}
        if not readings:
            raise ValueError(f"{what}: {value!r:.80} is not the weekday that it says")
    if not readings:
        raise wrong
    return readings


def _written(text: str, months: bool) -> dict[str, date]:
    if re.fullmatch(r"[0-9]{5}(\.0+)?", text) and (serial := int(float(text))) in _SERIALS:
        return dict.fromkeys((DAY_FIRST, MONTH_FIRST), _EXCEL_EPOCH + timedelta(days=serial))
    if found := _YEAR_FIRST.fullmatch(text):
        if not found[2] and len(text) != 8:
            return {}
        return dict.fromkeys((DAY_FIRST, MONTH_FIRST), date(int(found[1]), int(found[3]), int(found[4])))
    if found := re.fullmatch(r"([0-9]{4})-?w([0-9]{2})(?:-?([1-7]))?", text):
        monday = date.fromisocalendar(int(found[1]), int(found[2]), int(found[3] or 1))
        return dict.fromkeys((DAY_FIRST, MONTH_FIRST), monday)
    if found := _NAMED.fullmatch(text):
        return dict.fromkeys((DAY_FIRST, MONTH_FIRST), date(_year(found[3]), _month(found[2]), int(found[1])))
    if found := _NAME_FIRST.fullmatch(text):
        return dict.fromkeys((DAY_FIRST, MONTH_FIRST), date(_year(found[3]), _month(found[1]), int(found[2])))
    if found := _MONTH_ALONE.fullmatch(text):
        if not months:
            return {}
        month = int(found["month"]) if found["month"] else _month(found["name"])
        return dict.fromkeys((DAY_FIRST, MONTH_FIRST), date(int(found["year"] or found["its_year"]), month, 1))
    readings = {}
    if found := _YEAR_LAST.fullmatch(text):
        first, second, year = int(found[1]), int(found[3]), _year(found[4])
        # Nobody writes 12.31.2026.
        orders = {DAY_FIRST: (second, first)} | ({} if found[2] == "." else {MONTH_FIRST: (first, second)})
        for order, (month, day) in orders.items():
            try:
                readings[order] = date(year, month, day)
            except ValueError:
                continue
        if found[2] == "." and readings:
            readings[MONTH_FIRST] = readings[DAY_FIRST]
    return readings


def _year(digits: str) -> int:
    return int(digits) + (2000 if len(digits) == 2 else 0)


def _month(word: str) -> int:
    number = _number_of(word, _MONTHS, 3)
    if number is None:
        raise ValueError(word)
    return number + 1


def _number_of(word: str, names: Sequence[Sequence[str]], least: int) -> int | None:
    """Which of some things a word names, by at least its first letters."""
    fitting = (i for i, spellings in enumerate(names) if any(name.startswith(word) for name in spellings))
    return next(fitting, None) if len(word) >= least else None


def _check_midnight(clock: time, value: Day, what: str) -> None:
    if clock != time():
        shown = value.isoformat(" ") if isinstance(value, datetime) else value
        raise ValueError(
            f"{what}: {shown!r:.80} has a time of day, which in another time zone is another day: write the day alone, "
            "e.g. 2026-12-31"
        )


def _ambiguous(value: Day, readings: dict[str, date]) -> str:
    """That a date can be read in two ways."""
    one, other = readings.values()
    return f"{value!r:.80} can mean {one} or {other}: write it as one of these"
