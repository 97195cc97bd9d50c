"""Fitted media-mix models of other tools as markets. Model files are read as data, nothing in them is executed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.market.channel import Channel
from sb3_ext.envs.ad_spend.market.checks import check_number
from sb3_ext.envs.ad_spend.market.market import Market

_ROBYN_SECTIONS = ("InputCollect", "ExportedModel", "Extras")
_DAYS = {"day": 1.0, "week": 7.0, "month": 30.4375}


def read_json(path: str | os.PathLike[str]) -> Any:
    """
    Read a JSON file.

    :param path: The file.
    :return: Its value.
    :raises FileNotFoundError: If there is no such file.
    :raises ValueError: If it is not valid JSON (e.g. truncated).
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"no market file at {os.fspath(path)!r}")
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{os.fspath(path)}: not a complete JSON file ({error})") from error


def is_robyn_export(data: Any) -> bool:
    """
    Whether a JSON value looks like a model that Robyn exported.

    :param data: The value.
    :return: True if it has Robyn's sections.
    """
    return isinstance(data, dict) and "ExportedModel" in data and "InputCollect" in data


def robyn_market(data: Any, spend_per_exposure: dict[str, float] | None = None) -> Market:
    """
    Translate a Robyn export with geometric adstock into a market.

    Robyn adstocks all raw rows by ``A_t = x_t + theta * A_{t-1}``, cuts the model window, puts the inflexion point at
    ``(1 - gamma) * min + gamma * max`` of the adstocked window and responds with ``coef * A^alpha / (A^alpha +
    inflexion^alpha)``. With the normalised adstock used here, kappa is ``inflexion * (1 - theta)``. Channels with a
    coefficient of 0 stay, with ``beta = 0``: they sell nothing and a good plan spends nothing on them.

    :param data: The parsed JSON file.
    :param spend_per_exposure: Money per unit of exposure for channels modelled on exposures.
    :return: The market. Caps are the largest spends that the model has seen.
    :raises ValueError: If sections or values are missing, the adstock is not geometric, or ``spend_per_exposure`` lacks
        a channel or names one that was modelled on spend.
    """
    if not is_robyn_export(data) or any(section not in data for section in _ROBYN_SECTIONS):
        raise ValueError(f"not a Robyn export: the sections {list(_ROBYN_SECTIONS)} are needed")
    inputs, model, extras = data["InputCollect"], data["ExportedModel"], data["Extras"]
    rows = extras.get("raw_data") if isinstance(extras, dict) else None
    if not isinstance(rows, list) or not rows:
        raise ValueError(
            "Extras.raw_data is missing: export the model with its raw data (`robyn_write(..., raw_data = TRUE)`)"
        )
    adstock = _first(inputs, "adstock")
    if adstock != "geometric":
        raise ValueError(f"only geometric adstock is supported, the model uses {adstock!r}")
    first, last = (_first(inputs, f"rollingWindow{end}Which") for end in ("Start", "End"))
    if not (isinstance(first, int) and isinstance(last, int) and 1 <= first <= last <= len(rows)):
        raise ValueError(
            f"the model window {first!r}..{last!r} must lie within the {len(rows)} raw rows, counted from 1"
        )
    window = slice(first - 1, last)
    try:
        period_days = _DAYS[_first(inputs, "intervalType")]
        coefficients = {row["variable"]: row["coef"] for row in model["summary"]}
        hyperparameters = model["hyper_values"]
        modelled = list(zip(inputs["paid_media_vars"], inputs["paid_media_spends"], strict=True))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"a section of the Robyn export is incomplete: {error!r}") from error

    modelled_on_exposures = [exposure for exposure, spend in modelled if spend not in coefficients]
    if unused := sorted(set(spend_per_exposure or {}) - set(modelled_on_exposures)):
        raise ValueError(
            f"spend_per_exposure names {unused[0]!r}, the channels modelled on exposures are {modelled_on_exposures}"
        )
    channels = []
    for exposure_name, spend_name in modelled:
        # Robyn falls back to spend where the exposure fits it no better, so the summary decides what was modelled.
        name = spend_name if spend_name in coefficients else exposure_name
        if name not in coefficients:
            raise ValueError(f"channel {spend_name!r} has no coefficient in ExportedModel.summary")
        unit = 1.0
        if name != spend_name:
            if name not in (spend_per_exposure or {}):
                raise ValueError(
                    f"channel {spend_name!r} was modelled on exposures ({name!r}): pass the money per exposure, "
                    f"Market.from_robyn(path, spend_per_exposure={{{name!r}: ...}}).save('market.json')"
                )
            unit = check_number((spend_per_exposure or {})[name], f"spend_per_exposure[{name!r}]", 0.0, low_open=True)
        alpha, gamma, theta = (
            check_number(
                _first(hyperparameters, f"{name}_{key}"), f"hyperparameter {name}_{key}", 0.0, highest, high_open=True
            )
            for key, highest in (("alphas", np.inf), ("gammas", np.inf), ("thetas", 1.0))
        )
        history = _column(rows, name) * unit
        carried = _carry_over(history, theta)[window]
        inflexion = (1.0 - gamma) * carried.min() + gamma * carried.max()
        channels.append(
            Channel(
                name=name,
                beta=coefficients[name],
                kappa=float(inflexion * (1.0 - theta)),
                alpha=alpha,
                theta=theta,
                historical_mean=float(history[window].mean()),
                cap=float(history[window].max()),
                historical_max=float(history[window].max()),
            )
        )
    return Market(tuple(channels), period_days=period_days, tail_periods=max(1, round(28 / period_days)))


def _first(section: Any, key: str) -> Any:
    """Robyn writes scalars as lists of length 1."""
    value = section.get(key) if isinstance(section, dict) else None
    if isinstance(value, list):
        value = value[0] if value else None
    if value is None:
        raise ValueError(f"the Robyn export has no {key!r}")
    return value


def _column(rows: list[dict[str, Any]], name: str) -> FloatArray:
    try:
        column = np.array([float(row[name]) for row in rows])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"Extras.raw_data has no complete numeric column {name!r}") from error
    if not np.all(np.isfinite(column)) or np.any(column < 0.0):
        raise ValueError(f"Extras.raw_data column {name!r} must hold finite values >= 0")
    return column


def _carry_over(spend: FloatArray, theta: float) -> FloatArray:
    carried = np.empty_like(spend)
    level = 0.0
    for t, spent in enumerate(spend):
        level = carried[t] = spent + theta * level
    return carried
