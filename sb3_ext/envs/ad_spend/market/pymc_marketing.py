"""Models that ``MMM.save()`` of PyMC-Marketing wrote, as markets. The file is read as data, nothing is executed."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.market.curves import FAMILIES
from sb3_ext.envs.ad_spend.market.posterior import check_contributions, contributions, to_numbers, windows_document
from sb3_ext.envs.ad_spend.market.pymc_components import ADSTOCKS, SATURATIONS, adstock_weights
from sb3_ext.envs.ad_spend.market.pymc_file import PymcFile

_AGREEMENT = 1e-6
_DAYS_IN_YEAR = 365.25


def pymc_marketing_document(path: str | os.PathLike[str], group: str | None = None) -> dict[str, Any]:
    """
    Translate a model that ``MMM.save()`` wrote, or one group of it, into the format ``adspend-params/2``.

    The model scales spends, carries them over in a window of ``l_max`` periods, saturates (or the other way round), and
    scales to sales. Here weights add up to 1 and kappa and beta are in money, which comes to the same. Every draw of
    the posterior becomes one of the market's. The market's own curves are those of their family closest to the mean of
    the draws' curves over the spends seen (:func:`windows_document`). The base line of the year to come is what the
    mean of the posterior says of its yearly season, and all else but the media (intercept, controls, other effects) at
    its mean in the data.

    What every draw, channel and date of the data contributes is checked against the file's own contributions.

    :param path: The file.
    :param group: Which group, of a model of several.
    :return: The document.
    :raises ValueError: If it is no such file, holds several groups and none is named, or draws that are not finite, or
        the model has an adstock, saturation or another feature that is not known here.
    """
    file = PymcFile(path, group)
    media, target = file.media, float(to_numbers(file.data["target_scale"], ()))
    scale = to_numbers(file.data["channel_scale"], ("channel",)) * file.unit_cost
    saturation = SATURATIONS[file.saturation["lookup_name"]]
    drawn = file.parameters("saturation", saturation.parameters)
    beta, kappa, alpha = (np.broadcast_to(one, file.shape) for one in saturation.curve(**drawn))
    drawn = file.parameters("adstock", ADSTOCKS[file.adstock["lookup_name"]][0])
    weights = adstock_weights(file.adstock, drawn, file.shape)
    total, saturation_first = weights.sum(axis=-1), not file.setting("adstock_first", True)
    if not np.all(total > 0.0):
        raise ValueError("in some draws the weights of the adstock add up to nothing, or are not finite")
    weights = weights / total[..., None]
    beta = beta * target * (total if saturation_first else 1.0)
    kappa = kappa * scale / (1.0 if saturation_first else total)
    most = media.max(axis=0)
    # Of a channel without any spend the model knows nothing: it sells nothing here.
    beta, kappa = np.where(most > 0.0, beta, 0.0), np.where(most > 0.0, kappa, 1.0)

    curves = FAMILIES[saturation.family](*(one[:, None] for one in (beta, kappa, alpha)))
    if "channel_contribution" in file.posterior:
        published = target * to_numbers(file.posterior["channel_contribution"], ("sample", "date", "channel"))
        found = contributions(curves, weights, media, saturation_first)
        source = f"channel_contribution of PyMC-Marketing {file.version}"
        check_contributions(file.channels, found, published, _AGREEMENT, source)
    first_day, period_days = file.calendar
    arrays = {"beta": beta, "kappa": kappa, "alpha": alpha, "weights": weights}
    return {
        **windows_document(file.channels, saturation.family, arrays, media, media),
        "saturation_first": saturation_first,
        "period_days": period_days,
        "first_day": str(first_day),
        "baseline": _baseline(file, target).tolist(),
        "notes": _notes(file),
    }


def _notes(file: PymcFile) -> list[str]:
    notes = []
    if file.n_divergent:
        notes.append(
            f"{file.n_divergent} of {file.shape[0]} draws of the model diverged: its posterior may be wrong, so fit it "
            "anew (target_accept nearer to 1, stronger priors)"
        )
    if "channel_contribution" not in file.posterior:
        notes.append("the file holds no channel_contribution, so what the channels sell could not be checked")
    return notes


def _baseline(file: PymcFile, target: float) -> FloatArray:
    """Expected sales without media in the periods of the year after the data, shape (periods of a year,), money."""
    first_day, period_days = file.calendar
    in_a_year = max(round(_DAYS_IN_YEAR / period_days), 1)
    steps = np.round(np.arange(in_a_year) * period_days).astype("timedelta64[D]")
    season = np.zeros(in_a_year)
    if "gamma_fourier" in file.posterior:
        days = first_day + steps
        day_of_year = (days - days.astype("datetime64[Y]")).astype(np.float64) + 1.0
        strength = to_numbers(file.posterior["gamma_fourier"].mean("sample"), ("fourier_mode",))
        for mode, factor in zip(file.posterior["fourier_mode"].values, strength, strict=True):
            wave, _, order = str(mode).rpartition("_")
            angle = 2.0 * np.pi * int(order) * day_of_year / _DAYS_IN_YEAR
            season += factor * (np.sin if wave == "sin" else np.cos)(angle)
    return np.asarray(target * (season + _all_else(file)[-in_a_year:].mean()))


def _all_else(file: PymcFile) -> FloatArray:
    """What neither media nor the yearly season explain on each date of the data, scaled, mean of the posterior."""

    def mean(name: str) -> FloatArray:
        if name not in file.posterior:
            return np.zeros(1)
        drawn = file.posterior[name]
        drawn = drawn.sum([dim for dim in drawn.dims if dim not in ("sample", "date")]).mean("sample")
        return np.atleast_1d(to_numbers(drawn, tuple(map(str, drawn.dims))))

    if "mu" in file.posterior and "channel_contribution" in file.posterior:
        return np.asarray(mean("mu") - mean("channel_contribution") - mean("yearly_seasonality_contribution"))
    intercept = "intercept_contribution" if "intercept_contribution" in file.posterior else "intercept"
    return np.asarray(mean(intercept) + mean("control_contribution"))
