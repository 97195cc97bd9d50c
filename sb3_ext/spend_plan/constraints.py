"""Constraints of a plan as teams write them, from YAML and flags."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from sb3_ext.app.errors import UserError, did_you_mean, user_mistake
from sb3_ext.common.amounts import read_amount
from sb3_ext.common.arrays import BoolArray, FloatArray
from sb3_ext.common.dates import read_date
from sb3_ext.common.sheets import read_sheet
from sb3_ext.common.wording import amount, period_name
from sb3_ext.envs.ad_spend import Market
from sb3_ext.envs.ad_spend.optimum.constraints import Condition, Constraints, change, each, share, total
from sb3_ext.spend_plan.last_year import last_year

_ALL = "all"
_MONTH, _QUARTER = re.compile(r"(\d{4})-(\d{1,2})"), re.compile(r"(\d{4})-?Q([1-4])", re.IGNORECASE)
_SPAN = re.compile(r"\s*(?:\.\.|\bto\b|\buntil\b)\s*")


def read_constraints(path: str) -> dict[str, Any]:
    """The document of a YAML file: texts, lists and mappings; numbers stay as typed, as 5.000 can mean two things."""
    try:
        data = yaml.load(Path(path).read_text(encoding="utf-8"), _Texts)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())
        raise UserError(f"--constraints: cannot read {path!r}: {reason}") from None
    if not isinstance(data, dict):
        raise UserError(f"--constraints: {path!r} must be a mapping with {', '.join(_SECTIONS)}")
    return data


class _Texts(yaml.BaseLoader):
    """Reads every scalar as text, and no key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value]
        if len(set(map(str, keys))) < len(keys):
            twice = next(key for key in keys if keys.count(key) > 1)
            raise yaml.constructor.ConstructorError(None, None, f"{twice!r} stands there twice", node.start_mark)
        return super().construct_mapping(node, deep)


def make_constraints(document: Mapping[str, Any], market: Market, dates: Sequence[date]) -> Constraints:
    """Conditions of a campaign, from a document with ``channels``, ``budgets`` and ``around_plan``."""
    return _Reader(market, dates).read(document)


class _Reader:
    """Reads a document for one campaign."""

    def __init__(self, market: Market, dates: Sequence[date]) -> None:
        self._market, self._dates = market, dates
        self._when = [day.isoformat() for day in dates]
        self._shape = len(dates), len(market.names)
        self._everywhere: BoolArray = np.ones(self._shape, dtype=bool)
        self._unit = period_name(market.period_days)
        self._conditions: list[Condition] = []
        self._buys = np.zeros(self._shape[1])

    def read(self, document: Mapping[str, Any]) -> Constraints:
        for section, content in document.items():
            _known(section, _SECTIONS, "constraints")
            _SECTIONS[section](self, content)
        return Constraints(tuple(self._conditions), self._buys if self._buys.any() else None)

    def _channels(self, content: Any) -> None:
        for name, rules in _mapping(content, "channels").items():
            if name != _ALL:
                _known(name, self._market.names, "channels", "channel")
            for channel in range(self._shape[1]) if name == _ALL else [self._market.names.index(name)]:
                for rule, value in _mapping(rules, f"channels: {name}").items():
                    _known(rule, _RULES, f"channels: {name}")
                    _RULES[rule](self, channel, value, f"{self._market.names[channel]}: {rule}")

    def _own(self, channel: int, periods: BoolArray | None = None) -> BoolArray:
        own = self._everywhere & (np.arange(self._shape[1]) == channel)
        return np.asarray(own if periods is None else own & periods[:, None])

    def _total(self, channel: int, value: Any, place: str) -> None:
        low, high = _ends(value, place, read_amount)
        name = f"{self._market.names[channel]}: {_between(low, high)} in total"
        self._conditions.append(total(name, self._own(channel), low, high))

    def _share(self, channel: int, value: Any, place: str) -> None:
        low, high = _ends(value, place, partial(_share_of_one, most=1.0))
        low, high = max(low, 0.0), min(high, 1.0)
        words = f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
        name = f"{self._market.names[channel]}: {words} of all spend"
        self._conditions.append(share(name, self._own(channel), self._everywhere, low, high))

    def _each(self, channel: int, value: Any, place: str) -> None:
        low, high = _ends(value, place, read_amount)
        name = f"{self._market.names[channel]}: {_between(low, high)} every {self._unit}"
        self._conditions.append(each(name, self._own(channel), low, high, self._when))

    def _around(self, channel: int, value: Any, place: str, what: str, of_total: bool) -> None:
        within = _share_of_one(_text(value, place), place)
        spends = (self._past if what == "the past" else self._last_year)(place)[:, [channel]]
        low, high = spends * max(1.0 - within, 0.0), spends * (1.0 + within)
        name = f"{self._market.names[channel]}: within {within:.4g} of {what}"
        if of_total:
            self._conditions.append(total(f"{name} in total", self._own(channel), float(low.sum()), float(high.sum())))
        else:
            self._conditions.append(each(f"{name} every {self._unit}", self._own(channel), low, high, self._when))

    def _past(self, place: str) -> FloatArray:
        if not self._market.historical_mean.any():
            raise UserError(f"{place}: past spends are not known: the model has no historical_mean")
        return np.broadcast_to(self._market.historical_mean, self._shape)

    def _last_year(self, place: str) -> FloatArray:
        before = last_year(self._market, self._dates)
        if before is None:
            raise UserError(
                f"{place}: the model does not know all spends of a year before {self._when[0]} to {self._when[-1]} by "
                "date: give around_past, or around_plan with a file of them"
            )
        return before

    def _change(self, channel: int, value: Any, place: str) -> None:
        text = _text(value, place)
        relative = text.endswith("%")
        by = _share_of_one(text, place) if relative else _checked(read_amount, text, place)
        words = text if relative else amount(by, 2)
        name = f"{self._market.names[channel]}: at most {words} of change from {self._unit} to {self._unit}"
        if self._shape[0] > 1:
            self._conditions.append(change(name, channel, self._shape, by, relative=relative, when=self._when))

    def _smallest_buy(self, channel: int, value: Any, place: str) -> None:
        self._buys[channel] = _checked(read_amount, _text(value, place), place)

    def _dark(self, channel: int, value: Any, place: str) -> None:
        spans = value if isinstance(value, list) else [value]
        dark = np.any([self._periods(_text(span, place), place) for span in spans], axis=0)
        name = f"{self._market.names[channel]}: dark"
        self._conditions.append(each(name, self._own(channel, dark), 0.0, 0.0, self._when))

    def _booked(self, channel: int, value: Any, place: str) -> None:
        for span, money in _mapping(value, place).items():
            booked = _checked(read_amount, _text(money, place), f"{place}: {span}")
            name = f"{self._market.names[channel]}: {amount(booked, 2)} are booked every {self._unit}"
            where = self._own(channel, self._periods(span, place))
            self._conditions.append(each(name, where, booked, booked, self._when))

    def _budgets(self, content: Any) -> None:
        for span, value in _mapping(content, "budgets").items():
            low, high = _ends(value, f"budgets: {span}", read_amount)
            where = self._everywhere & self._periods(span, "budgets")[:, None]
            self._conditions.append(total(f"{span}: {_between(low, high)}", where, low, high))

    def _around_plan(self, content: Any) -> None:
        given = _mapping(content, "around_plan")
        for key in given:
            _known(key, ("file", "within"), "around_plan")
        within = _share_of_one(_text(given.get("within"), "around_plan: within"), "around_plan: within")
        spends = _plan_file(_text(given.get("file"), "around_plan: file"), self._market.names)
        known = np.array([day in spends for day in self._dates])
        if not known.any():
            raise UserError(f"around_plan: the plan {given['file']!r} has none of this campaign's dates")
        table = np.array([spends.get(day, [0.0] * self._shape[1]) for day in self._dates])
        low, high = table * max(1.0 - within, 0.0), table * (1.0 + within)
        for channel, name in enumerate(self._market.names):
            words = f"{name}: within {within:.4g} of the plan {given['file']}"
            self._conditions.append(each(words, self._own(channel, known), low, high, self._when))

    def _periods(self, text: str, place: str) -> BoolArray:
        """The periods whose first day is in a span: a date, two dates, a month or a quarter."""
        first, last = _span(text, place)
        chosen = np.array([first <= day <= last for day in self._dates])
        if not chosen.any():
            raise UserError(
                f"{place}: no {self._unit} of the plan starts in {text!r}: it is planned from {self._when[0]} to "
                f"{self._when[-1]}"
            )
        return chosen


_SECTIONS: dict[str, Callable[[_Reader, Any], None]] = {
    "channels": _Reader._channels,
    "budgets": _Reader._budgets,
    "around_plan": _Reader._around_plan,
}
_RULES: dict[str, Callable[[_Reader, int, Any, str], None]] = {
    "total": _Reader._total,
    "share": _Reader._share,
    "each": _Reader._each,
    "around_past": partial(_Reader._around, what="the past", of_total=False),
    "total_around_past": partial(_Reader._around, what="the past", of_total=True),
    "around_last_year": partial(_Reader._around, what="last year", of_total=False),
    "total_around_last_year": partial(_Reader._around, what="last year", of_total=True),
    "change": _Reader._change,
    "smallest_buy": _Reader._smallest_buy,
    "dark": _Reader._dark,
    "booked": _Reader._booked,
}


def _known(name: Any, names: Any, place: str, kind: str = "key") -> None:
    if name not in names:
        raise UserError(f"{place}: there is no {kind} {name!r}.{did_you_mean(str(name), list(names))} "
                        f"{kind.capitalize()}s: {', '.join(names)}")  # fmt: skip


def _mapping(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise UserError(f"{place} must be a mapping such as {{min: 5000}}, got {value!r:.80}")
    return value


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise UserError(f"{place}: give one value, got {value!r:.80}")
    return value.strip()


def _checked(read: Callable[[str, str], float], text: str, place: str) -> float:
    try:
        number = read(text, place)
    except ValueError as error:
        raise UserError(str(error)) from None
    if number < 0.0:
        raise UserError(f"{place} must be 0 or more, got {text!r}")
    return number


def _share_of_one(text: str, place: str, most: float = np.inf) -> float:
    number = _checked(partial(read_amount, factor=True), text, place)
    if number > most or (number > 1.0 and "%" not in text):
        raise UserError(f"{place} must be a share such as 20% or 0.2, got {text!r}")
    return number


def _ends(value: Any, place: str, read: Callable[[str, str], float]) -> tuple[float, float]:
    """``{min: ..., max: ...}``, ``MIN..MAX``, or one number for exactly that."""
    if isinstance(value, dict):
        for key in value:
            _known(key, ("min", "max"), place)
        texts = value.get("min", ""), value.get("max", "")
    else:
        text = _text(value, place)
        left, dots, right = text.partition("..")
        texts = (left, right) if dots else (text, text)
    low, high = (
        _checked(read, str(text), place) if text else default
        for text, default in zip(texts, (0.0, np.inf), strict=True)
    )
    if low > high or not any(texts):
        raise UserError(f"{place}: give min <= max, at least one of them, got {value!r}")
    return low, high


def _between(low: float, high: float) -> str:
    if low == high:
        return f"exactly {amount(low, 2)}"
    if low > 0.0 and np.isfinite(high):
        return f"{amount(low, 2)} to {amount(high, 2)}"
    return f"at least {amount(low, 2)}" if low > 0.0 else f"at most {amount(high, 2)}"


def _span(text: str, place: str) -> tuple[date, date]:
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


def _plan_file(path: str, names: Sequence[str]) -> dict[date, list[float]]:
    """Spends by date, from a plan.csv, also as a spreadsheet saved it again."""
    columns = ["date", *(f"spend_{name}".strip() for name in names)]
    spends: dict[date, list[float]] = {}
    try:
        sheet = read_sheet(path)
        titles = [str(cell) for cell in sheet.rows[0].cells] if sheet.rows else []
        if missing := set(columns) - set(titles):
            raise ValueError(f"no column {', '.join(sorted(missing))}: give a plan.csv")
        dates, *channels = map(titles.index, columns)
        rows = sheet.rows[1:]
        for row, *spend in zip(rows, *sheet.amounts(rows, channels, columns[1:]), strict=True):
            day = read_date(row.cell(dates), row.place)
            known = [money for money in spend if money is not None]
            if day in spends or len(known) < len(names):
                raise ValueError(f"{row.place}: {day} {'stands there twice' if day in spends else 'lacks a spend'}")
            spends[day] = known
    except (ImportError, OSError, ValueError) as error:
        raise UserError(f"around_plan: {path}: {user_mistake(error)}") from None
    return spends
