"""The flags of ``sb3-ext plan`` for constraints, which say the same as a file of them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np

from sb3_ext.app.errors import UserError
from sb3_ext.envs.ad_spend.optimum.constraints import Constraints
from sb3_ext.spend_plan.constraints import read_constraints

_BY_CHANNEL = {
    "total": ("CHANNEL=MIN..MAX", "what it spends in all; MIN.., ..MAX, or one number for exactly that"),
    "share": ("CHANNEL=MIN..MAX", "its share of all spend, e.g. tv=20%%..40%%"),
    "smallest_buy": ("CHANNEL=MONEY", "nothing, or at least so much a period"),
    "dark": ("CHANNEL=DATES", "no spend: DATE, DATE..DATE, 2027-03 or 2027-Q1"),
    "booked": ("CHANNEL=DATES:MONEY", "exactly so much a period on these dates"),
}
_FOR_ALL = {
    "around_past": ("PERCENT", "every channel and period within so much of its past mean, e.g. 20%%"),
    "around_last_year": ("PERCENT", "the same of what it spent a year before, where the model knows that"),
    "change": ("PERCENT", "largest change of a channel from period to period, in percent or money"),
}


def add_constraint_flags(add: Callable[..., Any]) -> None:
    """Add them to a parser, by its ``add_argument``."""
    add("--constraints", metavar="FILE", help="YAML file of constraints (see docs/planning-guide.md)")
    for name, (metavar, text) in _BY_CHANNEL.items():
        add(f"--{name.replace('_', '-')}", nargs="+", default=[], metavar=metavar, help=text)
    for name, (metavar, text) in _FOR_ALL.items():
        add(_flag(name), metavar=metavar, help=text)


def constraints_of(args: argparse.Namespace, make: Callable[[dict[str, Any]], Constraints]) -> Constraints | None:
    """What file and flags say together, each made of a document; None without any."""
    document: dict[str, Any] = read_constraints(args.constraints) if args.constraints else {}
    told = make(document) if document else Constraints()
    channels: dict[str, dict[str, Any]] = {}
    for name in _FOR_ALL:
        if (value := getattr(args, _flag(name)[2:].replace("-", "_"))) is not None:
            channels.setdefault("all", {})[name] = value
    for rule in _BY_CHANNEL:
        for text in getattr(args, rule):
            channel, equals, value = text.partition("=")
            if not equals or not channel or not value:
                raise UserError(f"--{rule.replace('_', '-')}: cannot read {text!r}: give {_BY_CHANNEL[rule][0]}")
            rules = channels.setdefault(channel, {})
            if rule == "dark":
                rules.setdefault(rule, []).append(value)
            elif rule == "booked":
                span, _, money = value.rpartition(":")
                rules.setdefault(rule, {})[span] = money
            elif rule in rules:
                raise UserError(f"--{rule.replace('_', '-')}: {channel!r} is given twice")
            else:
                rules[rule] = value
    flagged = make({"channels": channels}) if channels else Constraints()
    if not (document or channels):
        return None
    buys = [each.smallest_buy for each in (told, flagged) if each.smallest_buy is not None]
    return Constraints(told.conditions + flagged.conditions, np.max(buys, axis=0) if buys else None)


def _flag(name: str) -> str:
    return "--max-change" if name == "change" else f"--{name.replace('_', '-')}"
