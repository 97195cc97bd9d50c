"""What was really spent and sold, from a table as a team keeps it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np

from sb3_ext.app.errors import did_you_mean
from sb3_ext.common.arrays import FloatArray
from sb3_ext.common.dates import read_dates
from sb3_ext.common.sheets import Row, Sheet, read_sheet

_DATES = "date|day|week|month|period|datum|tag|woche|monat|week (?:starting|commencing|of)|start date"
_SURELY_DATES = "date|day|datum"
_CHANNELS = "channel|channels|media|medium|platform|kanal|channel name"
_SPENDS = "spend|spends|cost|costs|amount|ausgaben|kosten|spend actual|actual spend|media spend"
_SALES = "sales|revenue|umsatz|total sales|net sales|turnover|sales total"
_AROUND = "^(?:actual )?(?:spend|cost|kosten|ausgaben) | (?:spend|cost|costs|kosten)$"
_TOTALS = "total|totals|sum|grand total|gesamt|summe"


@dataclass(frozen=True)
class Actuals:
    """The first periods of a plan as they were."""

    spend: FloatArray
    """Spend per period and channel, shape (k, N), money."""
    sales: FloatArray | None
    """Sales per period, shape (k,), NaN where not known; None if the table has none."""
    notes: tuple[str, ...] = ()
    """What was decided while the table was read, a line each."""


class _Entry(NamedTuple):
    """What a row says of a day."""

    place: str
    channel: int
    spend: float | None


def read_actuals(
    path: str | os.PathLike[str], names: Sequence[str], dates: Sequence[date], period_ends: date
) -> Actuals:
    """
    Read a CSV or Excel file with a row for every period or day, and a column, or rows, for every channel.

    :param path: The file.
    :param names: The plan's channels.
    :param dates: First day of every period of the plan.
    :param period_ends: The day after the plan.
    :return: The periods that the table has, from the plan's first one on.
    :raises ValueError: If something is missing, doubled, negative, out of the plan or can be read in two ways; the
        message is one line with the place.
    """
    sheet = read_sheet(path)
    notes = list(sheet.notes)
    titles, rows = _table(sheet)
    day_column = _date_column(titles)
    days = read_dates(
        [row.cell(day_column) for row in rows],
        [f"{row.place}: {titles[day_column]}" for row in rows],
        expected=dates,
        months=all(day.day == dates[0].day for day in dates) and len(dates) > 1 and (dates[1] - dates[0]).days >= 28,
    )
    within = [at for at, day in enumerate(days) if day >= dates[0]]
    if len(within) < len(rows):
        notes.append(f"{len(rows) - len(within)} rows before {dates[0]}, where the plan begins, were left out")
    rows, days = [rows[at] for at in within], [days[at] for at in within]
    if late := [row.place for row, day in zip(rows, days, strict=True) if day >= period_ends]:
        raise ValueError(f"{late[0]} is after the plan, which ends before {period_ends}: leave it out")
    if not rows:
        raise ValueError(f"there are no rows from {dates[0]} on, where the plan begins")
    channel_columns = [at for at, title in enumerate(titles) if _is(title, _CHANNELS)]
    read = _long if channel_columns else _wide
    entries, sold = read(sheet, titles, rows, names, channel_columns, notes)
    by_day = _by_day(entries, days, names)
    return _by_period(by_day, sold, days, dates, period_ends, notes)


def _table(sheet: Sheet) -> tuple[list[str], list[Row]]:
    """The titles, and the rows below them without totals."""
    header = next(
        (
            at
            for at, row in enumerate(sheet.rows)
            if any(_is(cell, _DATES) for cell in row.cells) and sum(cell != "" for cell in row.cells) > 1
        ),
        None,
    )
    if header is None:
        first = [str(cell) for cell in sheet.rows[0].cells] if sheet.rows else []
        raise ValueError(f"no row of titles with a column 'date' was found, the first row has {first!r:.120}")
    titles = [" ".join(str(cell).split()) for cell in sheet.rows[header].cells]
    where = _date_column(titles)
    rows = []
    for row in sheet.rows[header + 1 :]:
        cell = row.cell(where)
        if _is(cell, _DATES):
            raise ValueError(f"{row.place}: a second table begins: keep one in a file")
        if _is(cell, _TOTALS):
            continue
        if cell == "":
            raise ValueError(f"{row.place} has no date: give one, or leave the row out")
        # Prepared rows of days to come.
        if any(row.cell(column) != "" for column in range(len(row.cells)) if column != where):
            rows.append(row)
    return titles, rows


def _is(cell: object, pattern: str) -> bool:
    """Whether a title is one of some words, whatever stands in brackets behind it, such as a currency."""
    return re.fullmatch(pattern, _plain(re.sub(r"\([^)]*\)|\[[^]]*\]", " ", str(cell)))) is not None


def _plain(text: str) -> str:
    """A title or name in small letters, with one blank between its words."""
    return " ".join(re.sub(r"[\s_.:#-]+", " ", text).lower().split())


def _the(titles: list[str], pattern: str, what: str) -> int:
    found = [at for at, title in enumerate(titles) if _is(title, pattern)]
    if len(found) != 1:
        raise ValueError(
            f"{len(found)} columns hold {what}: {[titles[at] for at in found] or titles!r:.120}: leave one, and keep "
            "one table in a file"
        )
    return found[0]


def _date_column(titles: list[str]) -> int:
    # Beside a date, a week may be its number.
    return _the(titles, _SURELY_DATES if any(_is(title, _SURELY_DATES) for title in titles) else _DATES, "dates")


def _sales_column(titles: list[str]) -> list[int]:
    return [_the(titles, _SALES, "sales")] if any(_is(title, _SALES) for title in titles) else []


def _long(
    sheet: Sheet, titles: list[str], rows: list[Row], names: Sequence[str], columns: list[int], notes: list[str]
) -> tuple[list[_Entry], list[float | None]]:
    """A row for every day and channel."""
    channel, spend = _the(titles, _CHANNELS, "channels"), _the(titles, _SPENDS, "spends")
    if currency := [at for at, title in enumerate(titles) if _is(title, "currency|währung")]:
        found = {str(row.cell(currency[0])) for row in rows}
        if len(found) > 1:
            raise ValueError(f"column 'currency' holds {sorted(found)}: write all amounts in one currency")
    sales = _sales_column(titles)
    read = sheet.amounts(rows, [spend, *sales], [titles[spend], *(titles[at] for at in sales)])
    numbers = []
    for row in rows:
        given = str(row.cell(channel))
        number = _number_of(given, names)
        if number is None:
            raise ValueError(
                f"{row.place}: the plan has no channel {given!r}.{did_you_mean(given, names)} It has {', '.join(names)}"
            )
        numbers.append(number)
    _say_matches([str(row.cell(channel)) for row in rows], numbers, names, notes)
    entries = [_Entry(row.place, number, spent) for row, number, spent in zip(rows, numbers, read[0], strict=True)]
    return entries, read[1] if sales else []


def _wide(
    sheet: Sheet, titles: list[str], rows: list[Row], names: Sequence[str], _: list[int], notes: list[str]
) -> tuple[list[_Entry], list[float | None]]:
    """A column for every channel."""
    matches: dict[int, int] = {}
    for at, title in enumerate(titles):
        number = _number_of(title, names)
        if number is None:
            # As plan.csv writes them, and as people do.
            bare = re.sub(_AROUND, "", _plain(re.sub(r"[(\[].*[)\]]", " ", title)))
            number = _number_of(bare, names)
        if number is None:
            continue
        if number in matches:
            raise ValueError(f"two columns are of channel {names[number]!r}: {titles[matches[number]]!r} and {title!r}")
        matches[number] = at
    sales = _sales_column(titles)
    known = {*matches.values(), *sales, _date_column(titles)}
    others = [title for at, title in enumerate(titles) if title and at not in known]
    if missing := [name for number, name in enumerate(names) if number not in matches]:
        raise ValueError(
            f"no column is of channel {missing[0]!r}.{did_you_mean(missing[0], others)} The titles are {titles!r:.200}"
        )
    if others:
        notes.append(f"columns that the plan does not know were left out: {', '.join(others)}")
    order = sorted(matches)
    found = sheet.amounts(
        rows, [*(matches[n] for n in order), *sales], [*(names[n] for n in order), *("sales" for _ in sales)]
    )
    _say_matches([str(titles[matches[number]]) for number in order], order, names, notes)
    entries = [
        _Entry(row.place, number, found[index][at]) for at, row in enumerate(rows) for index, number in enumerate(order)
    ]
    return entries, found[-1] if sales else []


def _number_of(text: str, names: Sequence[str]) -> int | None:
    """Which channel a text names: exactly, or but for letters' size, blanks and signs if that is only one."""
    if text in names:
        return list(names).index(text)
    found = [number for number, name in enumerate(names) if _plain(name) == _plain(text)]
    return found[0] if len(found) == 1 else None


def _say_matches(given: Iterable[str], numbers: Iterable[int], names: Sequence[str], notes: list[str]) -> None:
    pairs = zip(given, numbers, strict=True)
    differing = sorted({(text, names[number]) for text, number in pairs if text != names[number]})
    if differing:
        notes.append("channels were matched: " + ", ".join(f"{text!r} is {name!r}" for text, name in differing))


def _by_day(entries: list[_Entry], days: list[date], names: Sequence[str]) -> dict[date, FloatArray]:
    """What was spent on every day that has rows, shape (N,)."""
    each = len(entries) // len(days)
    by_day: dict[date, FloatArray] = {}
    for index, entry in enumerate(entries):
        day, name = days[index // each], names[entry.channel]
        spent = by_day.setdefault(day, np.full(len(names), np.nan))
        if entry.spend is None:
            raise ValueError(f"{entry.place}: no spend of {name!r}: write 0 if nothing was spent")
        if entry.spend < 0.0:
            raise ValueError(f"{entry.place}: the spend of {name!r} is {entry.spend:,.2f}: give what was spent, >= 0")
        if not np.isnan(spent[entry.channel]):
            raise ValueError(f"{entry.place}: {day} has a second spend of {name!r}: add them up in one row")
        spent[entry.channel] = entry.spend
    for day, spent in by_day.items():
        if np.isnan(spent).any():
            raise ValueError(
                f"{day} has no spend of {names[int(np.argmax(np.isnan(spent)))]!r}: write 0 if there was none"
            )
    return by_day


def _by_period(
    by_day: dict[date, FloatArray],
    sold: list[float | None],
    days: list[date],
    dates: Sequence[date],
    end: date,
    notes: list[str],
) -> Actuals:
    ends = [*dates[1:], end]
    last = max(at for at, first in enumerate(dates) if first <= max(by_day))
    on_first_days = set(by_day) <= set(dates)
    sales_by_day: dict[date, float] = {}
    for day, amount in zip(days, sold, strict=False):
        if amount is not None and sales_by_day.setdefault(day, amount) != amount:
            raise ValueError(f"{day} has sales of {sales_by_day[day]:,.2f} and {amount:,.2f}: give each day's in total")
    spend, sales = [], []
    for at in range(last + 1):
        first, after = dates[at], ends[at]
        due = [first] if on_first_days else [first + timedelta(days=day) for day in range((after - first).days)]
        if missing := [day for day in due if day not in by_day]:
            other = min(day for day in by_day if day not in dates) if not on_first_days else first
            raise ValueError(
                f"there is no row of {missing[0]}: the periods of the plan begin on {dates[0]}, {dates[1]}, ... "
                f"({other} is none of these): give a row for every period, or for every day of it"
                if not on_first_days
                else f"there is no row of {missing[0]}, but there are later ones: add it, with 0 if nothing was spent"
            )
        spend.append(np.sum([by_day[day] for day in due], axis=0))
        known = [sales_by_day[day] for day in due if day in sales_by_day]
        sales.append(sum(known) if len(known) == len(due) else np.nan)
    if sold and np.isnan(sales).any():
        notes.append(f"{int(np.isnan(sales).sum())} of {last + 1} periods have no sales")
    return Actuals(np.array(spend), np.array(sales) if sold and not np.isnan(sales).all() else None, tuple(notes))
