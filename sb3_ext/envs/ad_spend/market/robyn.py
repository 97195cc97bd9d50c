"""Models that Meta's Robyn exported, as markets. The file is read as data, nothing in it is executed."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.market.channel import periods_to_forget
from sb3_ext.envs.ad_spend.market.checks import MOST_MONEY, check_name, check_number
from sb3_ext.envs.ad_spend.market.curves import Hill
from sb3_ext.envs.ad_spend.market.document import SCHEMA

_DAYS = {"day": 1.0, "week": 7.0, "month": 30.4375}
# Robyn writes 11 digits or more; the two rules for the inflexion point differ by more, or it does not matter which.
_AGREEMENT = 1e-4


def is_robyn_export(data: Any) -> bool:
    """Whether a JSON value has a section that only files of Robyn have, of a model or of what leads to one."""
    return isinstance(data, dict) and "InputCollect" in data


def robyn_document(data: Any, spend_per_exposure: dict[str, float] | None = None) -> dict[str, Any]:
    """
    Translate a Robyn export with geometric adstock into the format ``adspend-params/1``.

    Robyn adstocks all raw rows by ``A_t = x_t + theta * A_{t-1}``, cuts the model window and responds with ``coef *
    A^alpha / (A^alpha + inflexion^alpha)``. The inflexion point is ``gamma * max`` of the adstocked window from version
    3.12 on, and ``(1 - gamma) * min + gamma * max`` before. With the normalised adstock used here, kappa is ``inflexion
    * (1 - theta)``. Channels with a coefficient of 0 stay, with ``beta = 0``: they sell nothing and a good plan spends
    nothing on them.

    What every channel sells in the window is checked against the file's own ``decompAgg``. The campaign starts with
    the adstock at the end of the window, and its tail lasts until less than a thousandth of any adstock is left.

    :param data: The parsed JSON file.
    :param spend_per_exposure: Money per unit of exposure for channels modelled on exposures.
    :return: The document. Caps are the largest spends that the model has seen.
    :raises ValueError: If sections or values are missing, the adstock is not geometric, a channel does not sell what
        the file says it did, or ``spend_per_exposure`` lacks a channel or names one that was modelled on spend.
    """
    inputs, model, rows = _sections(data)
    given = spend_per_exposure or {}
    first, last = (_first(inputs, f"rollingWindow{end}Which") for end in ("Start", "End"))
    if not (isinstance(first, int) and isinstance(last, int) and 1 <= first <= last <= len(rows)):
        raise ValueError(
            f"the model window {first!r:.40}..{last!r:.40} must lie within the {len(rows)} raw rows, counted from 1"
        )
    window = slice(first - 1, last)
    try:
        period_days = _DAYS[_first(inputs, "intervalType")]
        summary = {row["variable"]: row for row in model["summary"]}
        coefficients = {name: row["coef"] for name, row in summary.items()}
        hyperparameters = model["hyper_values"]
        modelled = list(zip(inputs["paid_media_vars"], inputs["paid_media_spends"], strict=True))
        for name in (*summary, *(name for pair in modelled for name in pair)):
            check_name(name, "name of a variable")
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"a section of the Robyn export is incomplete: {error!r:.80}") from error

    modelled_on_exposures = [exposure for exposure, spend in modelled if spend not in coefficients]
    if unused := sorted(set(given) - set(modelled_on_exposures)):
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
            if name not in given:
                raise ValueError(
                    f"channel {spend_name!r} was modelled on exposures ({name!r}): pass the money per exposure, "
                    f"sb3-ext plan --spend-per-exposure {name}=..., or "
                    f"Market.from_robyn(path, spend_per_exposure={{{name!r}: ...}}).save('market.json')"
                )
            unit = check_number(given[name], f"spend_per_exposure[{name!r}]", 0.0, low_open=True)
        alpha, gamma, theta = (
            check_number(
                _first(hyperparameters, f"{name}_{key}"), f"hyperparameter {name}_{key}", 0.0, highest, high_open=True
            )
            for key, highest in (("alphas", np.inf), ("gammas", np.inf), ("thetas", 1.0))
        )
        beta = check_number(coefficients[name], f"channel {name!r}: the coefficient (beta)", 0.0)
        history = _column(rows, name) * unit
        carried = _carry_over(history, theta)
        least = 0.0 if _version(inputs) >= (3, 12) else (1.0 - gamma) * float(carried[window].min())
        inflexion = least + gamma * float(carried[window].max())
        sold = Hill(*(np.array(parameter) for parameter in (beta, inflexion, alpha))).response(carried[window])
        _check_sold(name, sold, summary[name].get("decompAgg"), inputs, rows[window])
        channels.append(
            {
                "name": name,
                "beta": beta,
                "kappa": inflexion * (1.0 - theta),
                "alpha": alpha,
                "theta": theta,
                "historical_mean": float(history[window].mean()),
                "cap": float(history[window].max()),
                "historical_max": float(history[window].max()),
                "initial_adstock": float(carried[last - 1] * (1.0 - theta)),
            }
        )
    return {
        "schema": SCHEMA,
        "channels": channels,
        "period_days": period_days,
        "tail_periods": periods_to_forget(channel["theta"] for channel in channels),
    }


def _sections(data: Any) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
    """Inputs, model and raw data of an export; what a file of another kind lacks is said."""
    if not is_robyn_export(data):
        raise ValueError("not a Robyn export: the sections InputCollect, ExportedModel and Extras are needed")
    inputs, extras = data["InputCollect"], data.get("Extras")
    export = "robyn_write(InputCollect, OutputCollect, select_model)"
    if "ExportedModel" not in data:
        kind = "of all models (-models)" if "ModelsCollect" in data else "of inputs (-inputs)"
        raise ValueError(f"a Robyn file {kind} without ExportedModel: export the model to plan with, {export}")
    adstock = _first(inputs, "adstock")
    if adstock != "geometric":
        raise ValueError(
            f"only geometric adstock is supported, the Robyn model uses {adstock!r}: "
            "fit one with robyn_inputs(adstock = 'geometric')"
        )
    rows = extras.get("raw_data") if isinstance(extras, dict) else None
    if not isinstance(rows, list) or not rows:
        raise ValueError(
            "a Robyn export without Extras.raw_data, the data that its curves are scaled by: export the model with a "
            "version of Robyn that writes them (3.11 does), robyn_write(..., raw_data = TRUE)"
        )
    return inputs, data["ExportedModel"], rows


def _version(inputs: dict[str, Any]) -> tuple[int, ...]:
    """Of Robyn, e.g. (3, 11); where the file does not tell, as an old one."""
    found = re.search(r"(\d+)\.(\d+)", _told(inputs, "version"))
    return tuple(map(int, found.groups())) if found else (0, 0)


def _check_sold(
    name: str, sold: FloatArray, published: Any, inputs: dict[str, Any], rows: list[dict[str, Any]]
) -> None:
    """What a channel sold in the window must be what Robyn says, which of a refreshed model covers the new weeks."""
    if published is None:
        return
    expected = check_number(published, f"decompAgg of {name!r}")
    found = [float(sold.sum())]
    if inputs.get("refreshAddedStart") and inputs.get("date_var"):
        start, date = str(_first(inputs, "refreshAddedStart")), _first(inputs, "date_var")
        found.append(float(sold[[str(row.get(date)) >= start for row in rows]].sum()))
    if min(abs(sales - expected) for sales in found) > _AGREEMENT * abs(expected):
        raise ValueError(
            f"channel {name!r} sells {found[0]:,.6g} in the model window where Robyn's own decompAgg says "
            f"{expected:,.6g}: this export ({_told(inputs, 'version')}) computes its curves in a way that is not known "
            "here, so a plan would be wrong"
        )


def _told(inputs: dict[str, Any], key: str) -> str:
    return str(_first(inputs, key)) if inputs.get(key) else f"no {key} given"


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
    if not np.all((column >= 0.0) & (column <= MOST_MONEY)):
        raise ValueError(f"Extras.raw_data column {name!r} must hold finite values >= 0, at most {MOST_MONEY:g}")
    return column


def _carry_over(spend: FloatArray, theta: float) -> FloatArray:
    carried = np.empty_like(spend)
    level = 0.0
    for t, spent in enumerate(spend):
        level = carried[t] = spent + theta * level
    return carried
