"""Draws of any model in a CSV (channel, draw, parameter, value), for models that no other door reads."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.market.channel import periods_to_forget
from sb3_ext.envs.ad_spend.market.checks import check_number
from sb3_ext.envs.ad_spend.market.curves import FAMILIES
from sb3_ext.envs.ad_spend.market.document import SCHEMA_2
from sb3_ext.envs.ad_spend.market.mean_curve import mean_curve

_COLUMNS = ["channel", "draw", "parameter", "value"]
_DRAWN = ("beta", "kappa", "alpha", "theta")
_WEIGHT = re.compile(r"weight_(\d{1,3})")
_SETTINGS = ("historical_mean", "cap", "historical_max", "initial_adstock")

Drawn = dict[tuple[str, str], dict[str, float]]
"""Values by parameter, of a channel's draw."""


def is_draws_table(path: str | os.PathLike[str]) -> bool:
    """Whether the first line of a file names the columns of such a table."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            return _titles(next(csv.reader([file.readline(10_000)]), [])) == set(_COLUMNS)
    except (OSError, UnicodeDecodeError, csv.Error):
        return False


def draws_document(path: str | os.PathLike[str], period_days: float = 7.0) -> dict[str, Any]:
    """
    Translate a table of draws into the format ``adspend-params/2``.

    A line holds one parameter of one channel in one draw: ``beta`` and ``kappa``, and where they are not 1, 0 and none
    ``alpha``, ``theta``, and ``weight_0``, ``weight_1``, ... of a window (they are made to add up to 1, with kappa
    divided by their sum). ``draw`` is any label, the same in all channels. Lines without a draw hold what does not
    vary: ``saturation`` (hill, logistic or root), ``historical_mean``, ``cap``, ``historical_max``,
    ``initial_adstock``. Numbers are as programs write them, ``1234.5``.

    :param path: The file, with commas between cells.
    :param period_days: Length of a period in days, > 0.
    :return: The document; its own curves are as :func:`mean_curve` has them, theta and weights the means of the draws'.
    :raises ValueError: If a line cannot be read, or a draw lacks a channel or a parameter that others have.
    """
    drawn, settings = _read(Path(path))
    channels = list(dict.fromkeys([channel for channel, _ in drawn]))
    labels = list(dict.fromkeys([label for _, label in drawn]))
    names = sorted({name for values in drawn.values() for name in values})
    if unplaced := sorted(set(settings) - set(channels)):
        raise ValueError(f"channel {unplaced[0]!r} has no draws")
    for channel in channels:
        own = {name for (of, _), values in drawn.items() if of == channel for name in values}
        if missing := [name for name in ("beta", "kappa") if name not in own]:
            raise ValueError(f"channel {channel!r} has no {missing[0]}")
        for label in labels:
            if missing := sorted(own - set(drawn.get((channel, label), {}))):
                raise ValueError(f"draw {label!r} of channel {channel!r} has no {missing[0]}")

    def array(name: str, default: float) -> FloatArray:
        return np.array([[drawn[channel, label].get(name, default) for channel in channels] for label in labels])

    beta, kappa = array("beta", 0.0), array("kappa", 1.0)
    alpha, theta = array("alpha", 1.0), array("theta", 0.0)
    draws: dict[str, Any] = {"beta": beta, "kappa": kappa, "alpha": alpha, "theta": theta}
    lags = [int(found.group(1)) for name in names if (found := _WEIGHT.fullmatch(name))]
    weights = np.stack([array(f"weight_{lag}", 0.0) for lag in range(max(lags, default=-1) + 1)] or [0.0 * beta], -1)
    total = weights.sum(axis=-1)
    windowed = total.any(axis=0)
    if np.any(~(total > 0.0) & windowed) or np.any(weights < 0.0):
        raise ValueError("weights must be >= 0 and add up to more than 0 in every draw")
    kappa = draws["kappa"] = kappa / np.where(windowed, total, 1.0)
    shares = weights / np.where(windowed, total, 1.0)[..., None]
    rows = []
    for index, channel in enumerate(channels):
        own_settings = settings.get(channel, {})
        family = str(own_settings.get("saturation", "hill"))
        seen = own_settings.get("historical_max") or own_settings.get("cap") or 2.0 * float(np.median(kappa[:, index]))
        level = mean_curve(family, beta[:, index], kappa[:, index], alpha[:, index], float(seen))
        rows.append(
            {"name": channel, **dict(zip(("beta", "kappa", "alpha"), level, strict=True)), **own_settings}
            | {"theta": float(theta[:, index].mean())}
            | ({"weights": _mean(shares[:, index])} if windowed[index] else {})
        )
    if windowed.any():
        draws["weights"] = [
            [row.tolist() if has else None for row, has in zip(draw, windowed, strict=True)] for draw in shares
        ]
    forgotten = periods_to_forget(theta.max(axis=0).tolist())
    return {
        "schema": SCHEMA_2,
        "channels": rows,
        "draws": {name: values if isinstance(values, list) else values.tolist() for name, values in draws.items()},
        "period_days": check_number(period_days, "period_days", 0.0, low_open=True),
        "tail_periods": max(forgotten, weights.shape[-1] - 1),
    }


def _read(path: Path) -> tuple[Drawn, dict[str, dict[str, Any]]]:
    drawn: Drawn = {}
    settings: dict[str, dict[str, Any]] = {}
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            reader.fieldnames = [title.strip().lower() for title in reader.fieldnames or []]
            for row in reader:
                channel, draw, name, text = ((row.get(title) or "").strip() for title in _COLUMNS)
                line = f"line {reader.line_num}: "
                if not channel:
                    raise ValueError(f"{line}the channel has no name")
                if not draw:
                    place = settings.setdefault(channel, {})
                    place[_allowed(name, ("saturation", *_SETTINGS), line)] = (
                        _family(text, line) if name == "saturation" else _number(text, line + name)
                    )
                    continue
                values = drawn.setdefault((channel, draw), {})
                if name in values:
                    raise ValueError(f"{line}{name} of {channel!r} in draw {draw!r} is there twice")
                if not _WEIGHT.fullmatch(name):
                    _allowed(name, (*_DRAWN, "weight_0", "weight_1", "..."), line)
                values[name] = _number(text, line + name)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"not a CSV in UTF-8 ({error})") from error
    if not drawn:
        raise ValueError("there are no draws below the first line")
    return drawn, settings


def _allowed(name: str, allowed: tuple[str, ...], line: str) -> str:
    if name not in allowed:
        raise ValueError(f"{line}parameter {name!r:.80} is not known, known are {', '.join(allowed)}")
    return name


def _family(text: str, line: str) -> str:
    if text not in FAMILIES:
        raise ValueError(f"{line}saturation must be one of {list(FAMILIES)}, got {text!r:.80}")
    return text


def _number(text: str, what: str) -> float:
    try:
        return check_number(float(text), what)
    except ValueError:
        raise ValueError(f"{what} must be a number as programs write it, such as 1234.5, got {text!r:.80}") from None


def _titles(header: list[str]) -> set[str]:
    return {title.strip().lower() for title in header}


def _mean(shares: FloatArray) -> list[float]:
    mean = shares.mean(axis=0)
    return [float(share) for share in mean / mean.sum()]
