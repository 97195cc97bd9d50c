"""Constraints of a plan as teams write them, from YAML and flags."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from sb3_ext.app.errors import UserError, user_mistake
from sb3_ext.common.amounts import read_amount
from sb3_ext.common.arrays import BoolArray, FloatArray
from sb3_ext.common.dates import read_date
from sb3_ext.common.sheets import read_sheet
from sb3_ext.common.wording import amount, period_name
from sb3_ext.envs.ad_spend import Market
from sb3_ext.envs.ad_spend.optimum.constraints import Condition, Constraints, change, each, share, total
from sb3_ext.spend_plan.constraint_values import (
    as_dates,
    as_mapping,
    as_number,
    as_range,
    as_share,
    as_text,
    check_known,
    range_in_words,
)
from sb3_ext.spend_plan.last_year import last_year

_ALL = "all"


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
    return _Reader({"": market}, dates).read(document)


def make_group_constraints(
    document: Mapping[str, Any], markets: Mapping[str, Market], dates: Sequence[date]
) -> Constraints:
    """
    Conditions of groups with one budget, on the channels of one after another. ``groups`` holds those of each by its
    name, and its ``total`` and ``share`` of all spend; ``channels`` and ``budgets`` beside it are of all together: a
    total or share is that of a channel in all groups, what holds for single spends does in every group.
    """
    return _Reader(markets, dates).read(document)


class _Reader:
    """Reads a document for one campaign, for several under one budget, or for ``group`` of those."""

    def __init__(self, markets: Mapping[str, Market], dates: Sequence[date], group: str | None = None) -> None:
        self._markets, self._dates, self._group = markets, dates, group
        self._when = [day.isoformat() for day in dates]
        columns = [(owner, name) for owner, market in markets.items() for name in market.names]
        self._shape = len(dates), len(columns)
        mine = np.array([group in (None, owner) for owner, _ in columns])
        self._everywhere: BoolArray = np.tile(mine, (len(dates), 1))
        self._places: dict[str, list[int]] = {}
        """The columns of each channel, by its name."""
        for place in np.flatnonzero(mine):
            self._places.setdefault(columns[place][1], []).append(int(place))
        self._whose = f"{group}: " if group is not None else "all groups: " if len(markets) > 1 else ""
        self._unit = period_name(next(iter(markets.values())).period_days)
        self._conditions: list[Condition] = []
        self._buys = np.zeros(self._shape[1])

    def read(self, document: Mapping[str, Any]) -> Constraints:
        sections = _SECTIONS if self._group is None else _SECTIONS_OF_GROUPS
        for section, content in document.items():
            check_known(section, sections, f"groups: {self._group}" if self._group else "constraints")
            sections[section](self, content)
        return Constraints(tuple(self._conditions), self._buys if self._buys.any() else None)

    def _groups(self, content: Any) -> None:
        if len(self._markets) < 2:
            raise UserError("constraints: groups go with --groups")
        for group, rules in as_mapping(content, "groups").items():
            check_known(group, tuple(self._markets), "groups", "group")
            own = _Reader(self._markets, self._dates, group).read(as_mapping(rules, f"groups: {group}"))
            self._conditions += own.conditions
            if own.smallest_buy is not None:
                self._buys = np.maximum(self._buys, own.smallest_buy)

    def _channels(self, content: Any) -> None:
        for name, rules in as_mapping(content, "channels").items():
            if name != _ALL:
                check_known(name, tuple(self._places), f"{self._whose}channels", "channel")
            for channel in self._places if name == _ALL else [name]:
                for rule, value in as_mapping(rules, f"{self._whose}channels: {name}").items():
                    check_known(rule, _RULES, f"{self._whose}channels: {name}")
                    _RULES[rule](self, channel, value, f"{self._whose}{channel}: {rule}")

    def _own(self, channel: str, periods: BoolArray | None = None) -> BoolArray:
        own = np.zeros(self._shape, dtype=bool)
        own[:, self._places[channel]] = True
        return np.asarray(own if periods is None else own & periods[:, None])

    def _add_total(self, whose: str, where: BoolArray, value: Any, place: str) -> None:
        low, high = as_range(value, place, read_amount)
        self._conditions.append(total(f"{whose}{range_in_words(low, high)} in total", where, low, high))

    def _add_share(self, whose: str, where: BoolArray, of: BoolArray, value: Any, place: str) -> None:
        low, high = as_range(value, place, partial(as_share, most=1.0))
        low, high = max(low, 0.0), min(high, 1.0)
        words = f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
        self._conditions.append(share(f"{whose}{words} of all spend", where, of, low, high))

    def _total(self, channel: str, value: Any, place: str) -> None:
        self._add_total(f"{self._whose}{channel}: ", self._own(channel), value, place)

    def _share(self, channel: str, value: Any, place: str) -> None:
        self._add_share(f"{self._whose}{channel}: ", self._own(channel), self._everywhere, value, place)

    def _total_of_group(self, value: Any) -> None:
        self._add_total(self._whose, self._everywhere, value, f"{self._whose}total")

    def _share_of_group(self, value: Any) -> None:
        everything = np.ones(self._shape, dtype=bool)
        self._add_share(self._whose, self._everywhere, everything, value, f"{self._whose}share")

    def _each(self, channel: str, value: Any, place: str) -> None:
        low, high = as_range(value, place, read_amount)
        name = f"{self._whose}{channel}: {range_in_words(low, high)} every {self._unit}"
        self._conditions.append(each(name, self._own(channel), low, high, self._when))

    def _around(self, channel: str, value: Any, place: str, what: str, of_total: bool) -> None:
        within = as_share(as_text(value, place), place)
        spends = (self._past if what == "the past" else self._last_year)(channel, place)
        low, high = spends * max(1.0 - within, 0.0), spends * (1.0 + within)
        name = f"{self._whose}{channel}: within {within:.4g} of {what}"
        own = self._own(channel)
        if of_total:
            condition = total(f"{name} in total", own, float(low[own].sum()), float(high[own].sum()))
        else:
            condition = each(f"{name} every {self._unit}", own, low, high, self._when)
        self._conditions.append(condition)

    def _past(self, channel: str, place: str) -> FloatArray:
        if any(channel in market.names and not market.historical_mean.any() for market in self._chosen()):
            raise UserError(f"{place}: past spends are not known: the model has no historical_mean")
        past = np.concatenate([market.historical_mean for market in self._markets.values()])
        return np.broadcast_to(past, self._shape)

    def _last_year(self, channel: str, place: str) -> FloatArray:
        if any(channel in market.names and last_year(market, self._dates) is None for market in self._chosen()):
            raise UserError(
                f"{place}: the model does not know all spends of a year before {self._when[0]} to {self._when[-1]} by "
                "date: give around_past, or around_plan with a file of them"
            )
        spends = [
            np.zeros((self._shape[0], len(market.names))) if before is None else before
            for market in self._markets.values()
            for before in [last_year(market, self._dates)]
        ]
        return np.concatenate(spends, axis=1)

    def _chosen(self) -> list[Market]:
        """The markets that what is read holds for."""
        return [market for owner, market in self._markets.items() if self._group in (None, owner)]

    def _change(self, channel: str, value: Any, place: str) -> None:
        text = as_text(value, place)
        relative = text.endswith("%")
        by = as_share(text, place) if relative else as_number(read_amount, text, place)
        words = text if relative else amount(by, 2)
        name = f"{self._whose}{channel}: at most {words} of change from {self._unit} to {self._unit}"
        if self._shape[0] > 1:
            for place_of_channel in self._places[channel]:
                self._conditions.append(
                    change(name, place_of_channel, self._shape, by, relative=relative, when=self._when)
                )

    def _smallest_buy(self, channel: str, value: Any, place: str) -> None:
        self._buys[self._places[channel]] = as_number(read_amount, as_text(value, place), place)

    def _dark(self, channel: str, value: Any, place: str) -> None:
        spans = value if isinstance(value, list) else [value]
        dark = np.any([self._periods(as_text(span, place), place) for span in spans], axis=0)
        name = f"{self._whose}{channel}: dark"
        self._conditions.append(each(name, self._own(channel, dark), 0.0, 0.0, self._when))

    def _booked(self, channel: str, value: Any, place: str) -> None:
        for span, money in as_mapping(value, place).items():
            booked = as_number(read_amount, as_text(money, place), f"{place}: {span}")
            name = f"{self._whose}{channel}: {amount(booked, 2)} are booked every {self._unit}"
            where = self._own(channel, self._periods(span, place))
            self._conditions.append(each(name, where, booked, booked, self._when))

    def _budgets(self, content: Any) -> None:
        for span, value in as_mapping(content, "budgets").items():
            low, high = as_range(value, f"budgets: {span}", read_amount)
            where = self._everywhere & self._periods(span, "budgets")[:, None]
            name = f"{self._whose}{span}: {range_in_words(low, high)}"
            self._conditions.append(total(name, where, low, high))

    def _around_plan(self, content: Any) -> None:
        given = as_mapping(content, "around_plan")
        for key in given:
            check_known(key, ("file", "within"), "around_plan")
        if len(self._markets) > 1 and self._group is None:
            raise UserError("around_plan: each group has a plan of its own: give it under groups: NAME")
        within = as_share(as_text(given.get("within"), "around_plan: within"), "around_plan: within")
        spends = _plan_file(as_text(given.get("file"), "around_plan: file"), tuple(self._places))
        known = np.array([day in spends for day in self._dates])
        if not known.any():
            raise UserError(f"around_plan: the plan {given['file']!r} has none of this campaign's dates")
        table = np.array([spends.get(day, [0.0] * len(self._places)) for day in self._dates])
        for number, name in enumerate(self._places):
            words = f"{self._whose}{name}: within {within:.4g} of the plan {given['file']}"
            low, high = (table[:, [number]] * max(1.0 + sign * within, 0.0) for sign in (-1.0, 1.0))
            self._conditions.append(each(words, self._own(name, known), low, high, self._when))

    def _periods(self, text: str, place: str) -> BoolArray:
        """The periods whose first day is in a span: a date, two dates, a month or a quarter."""
        first, last = as_dates(text, place)
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
    "groups": _Reader._groups,
}
_SECTIONS_OF_GROUPS: dict[str, Callable[[_Reader, Any], None]] = {
    **{name: read for name, read in _SECTIONS.items() if name != "groups"},
    "total": _Reader._total_of_group,
    "share": _Reader._share_of_group,
}
_RULES: dict[str, Callable[[_Reader, str, Any, str], None]] = {
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
