"""Posteriors of Google's Meridian, written as NetCDF with the data they were fitted on, as markets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.market.carry_over import geometric_weights
from sb3_ext.envs.ad_spend.market.curves import Hill
from sb3_ext.envs.ad_spend.market.netcdf import read_groups
from sb3_ext.envs.ad_spend.market.posterior import (
    check_contributions,
    contributions,
    next_day,
    to_numbers,
    windows_document,
)

if TYPE_CHECKING:
    from xarray import Dataset

_NEEDED = ("media", "media_spend", "kpi")
# Meridian computes in single precision.
_AGREEMENT = 1e-4


def meridian_document(path: str | os.PathLike[str]) -> dict[str, Any]:
    """
    Translate the posterior of a national Meridian model into the format ``adspend-params/2``.

    Meridian scales media by the median of its positive values and the KPI by its deviation, neither of which its
    inference data hold; so the file needs a group ``input_data`` with ``media``, ``media_spend`` and ``kpi``
    (and ``revenue_per_kpi``, where a unit of KPI is not worth 1), and the attributes ``max_lag``, ``adstock_decay`` and
    ``hill_before_adstock``. Spends are media at their mean cost. With ``incremental_outcome``, by chain, draw, time and
    channel, what is read is checked against it. Channels of reach and frequency are left out, which a note says.

    :param path: The file.
    :return: The document; its own curves are as :func:`windows_document` has them.
    :raises ValueError: If a group or array is missing, there are several geos, or numbers are not finite.
    """
    _, groups = read_groups(path, ("posterior", "input_data"))
    if "input_data" not in groups or (missing := [name for name in _NEEDED if name not in groups["input_data"]]):
        lacking = "input_data" if "input_data" not in groups else f"input_data.{missing[0]}"
        raise ValueError(
            f"a posterior of Meridian without {lacking}, by which its parameters are scaled: docs/planning-guide.md "
            "says how to write both"
        )
    posterior, data = _national(groups["posterior"]), _national(groups["input_data"])
    posterior = posterior.stack(sample=("chain", "draw"))
    names = [str(name) for name in data["media_channel"].values]

    def drawn(name: str) -> FloatArray:
        if name not in posterior:
            raise ValueError(f"the posterior of Meridian has no {name!r}")
        return to_numbers(posterior[name], ("sample", "media_channel"))

    units = to_numbers(data["media"], ("media_time", "media_channel"))
    spent = to_numbers(data["media_spend"], ("time", "media_channel"))
    bought = units[-len(spent) :].sum(axis=0)
    cost = np.where(bought > 0.0, spent.sum(axis=0) / np.where(bought > 0.0, bought, 1.0), 1.0)
    kpi = to_numbers(data["kpi"], ("time",))
    worth = to_numbers(data["revenue_per_kpi"], ("time",)) if "revenue_per_kpi" in data else np.ones(len(kpi))
    scale = np.array([np.median(column[column > 0.0]) if np.any(column > 0.0) else 1.0 for column in units.T])
    weights = _weights(drawn("alpha_m"), data.attrs, len(units))
    saturation_first = bool(int(data.attrs.get("hill_before_adstock", 0)))
    per_kpi, kappa, alpha = drawn("beta_gm") * kpi.std(), drawn("ec_m") * scale * cost, drawn("slope_m")
    media = units * cost
    if "incremental_outcome" in data:
        found = contributions(Hill(per_kpi[:, None], kappa[:, None], alpha[:, None]), weights, media, saturation_first)
        published = data["incremental_outcome"].stack(sample=("chain", "draw"))
        outcome = to_numbers(published, ("sample", "time", "media_channel"))
        found = found[:, -len(kpi) :] * worth[:, None]
        check_contributions(names, found, outcome, _AGREEMENT, "Meridian's own incremental_outcome")
    beta = per_kpi * worth.mean()
    first_day, period_days = next_day(data["time"].to_numpy())
    arrays = {"beta": beta, "kappa": kappa, "alpha": alpha, "weights": weights}
    return {
        **windows_document(names, "hill", arrays, media, spent),
        "saturation_first": saturation_first,
        "period_days": period_days,
        "first_day": str(first_day),
        "notes": list(_notes(posterior, data)),
    }


def _national(values: Dataset) -> Dataset:
    """Without the dimension of geos, of which there may be one."""
    if values.sizes.get("geo", 1) > 1:
        geos = ", ".join(str(geo) for geo in values["geo"].values[:8])
        raise ValueError(f"the model has {values.sizes['geo']} geos ({geos}): only national models can be planned")
    national: Dataset = values.squeeze([dim for dim in ("geo",) if dim in values.dims], drop=True)
    return national


def _weights(alpha: FloatArray, settings: dict[str, Any], periods: int) -> FloatArray:
    """Weights of the adstock, which add up to 1, shape (D, N, L)."""
    length, decay = min(int(settings.get("max_lag", 8)) + 1, periods), str(settings.get("adstock_decay", "geometric"))
    if decay == "binomial":
        weights = (1.0 - np.arange(length) / length) ** (1.0 / np.maximum(alpha, 1e-9)[..., None] - 1.0)
    elif decay == "geometric":
        weights = geometric_weights(alpha, length)
    else:
        raise ValueError(f"adstock_decay must be geometric or binomial, the same of all channels, got {decay!r}")
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def _notes(posterior: Dataset, data: Dataset) -> Iterator[str]:
    if "rf_channel" in posterior.dims:
        names = ", ".join(str(name) for name in posterior["rf_channel"].values)
        yield f"channels of reach and frequency are no part of the plan: {names}"
    if "incremental_outcome" not in data:
        yield "the file holds no incremental_outcome, so what the channels sell could not be checked"
