"""What files of fitted models have in common: arrays by dimensions, dates, and what their draws contributed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.market.curves import Curves
from sb3_ext.envs.ad_spend.market.document import SCHEMA_2
from sb3_ext.envs.ad_spend.market.mean_curve import mean_curve

if TYPE_CHECKING:
    from xarray import DataArray

_MONTH, _WHOLE_MONTH = 30.4375, (28.0, 31.0)


def to_numbers(values: DataArray, dims: tuple[str, ...]) -> FloatArray:
    """Finite numbers by these dimensions."""
    if set(values.dims) != set(dims):
        raise ValueError(f"{values.name} has the dimensions {values.dims}, expected {dims}")
    array: FloatArray = values.transpose(*dims).to_numpy().astype(np.float64)
    if n_bad := int(np.sum(~np.isfinite(array))):
        raise ValueError(f"{values.name} holds {n_bad} values of {array.size} that are not finite (NaN)")
    return array


def next_day(dates: npt.ArrayLike) -> tuple[np.datetime64, float]:
    """The first day after dates of equal periods, or of months, and the length of a period in days."""
    days = np.asarray(dates).astype("datetime64[D]")
    steps = np.diff(days).astype(np.float64)
    if len(steps) and np.ptp(steps) == 0.0 and steps[0] > 0.0:
        return days[-1] + np.timedelta64(int(steps[0]), "D"), float(steps[0])
    if len(steps) and steps.min() >= _WHOLE_MONTH[0] and steps.max() <= _WHOLE_MONTH[1]:
        return days[-1] + np.timedelta64(int(steps[-1]), "D"), _MONTH
    raise ValueError("the dates of the data must be equally far apart, or months")


def contributions(curves: Curves, weights: FloatArray, media: FloatArray, saturation_first: bool) -> FloatArray:
    """
    Sales of every draw, date and channel, with nothing before the first date, as models are fitted; of curves (D, 1,
    N), weights (D, N, L) and media (dates, N).
    """
    amounts = curves.response(media) if saturation_first else media
    carried = np.zeros((len(weights), *media.shape))
    for lag in range(min(weights.shape[-1], len(media))):
        carried[:, lag:] += weights[:, None, :, lag] * amounts[..., : len(media) - lag, :]
    return carried if saturation_first else curves.response(carried)


def check_contributions(
    channels: Sequence[str], found: FloatArray, published: FloatArray, tolerance: float, source: str
) -> None:
    """Sales must be what a file says, relative to a channel's largest, or they are computed in an unknown way."""
    worst, largest = (np.abs(array).max(axis=(0, 1)) for array in (found - published, published))
    for channel, error, size in zip(channels, worst, largest, strict=True):
        if error > tolerance * size:
            raise ValueError(
                f"channel {channel!r} contributes up to {error:,.6g} more or less than {source} says: the model "
                "computes it in a way that is not known here, so a plan would be wrong"
            )


def windows_document(
    names: Sequence[str], family: str, drawn: Mapping[str, FloatArray], media: FloatArray, spent: FloatArray
) -> dict[str, Any]:
    """
    Channels that carry over in windows, and their draws, as in the format ``adspend-params/2``.

    Central curves are as :func:`mean_curve` has them, central weights the mean of the draws'; caps are the largest
    media of the data. ``drawn`` holds beta, kappa and alpha, shape (D, N), and weights, shape (D, N, L); ``media`` and
    ``spent``, shape (dates, N), are money.
    """
    beta, kappa, alpha, weights = (drawn[name] for name in ("beta", "kappa", "alpha", "weights"))
    channels = []
    for index, name in enumerate(names):
        most = float(media[:, index].max())
        level = mean_curve(family, beta[:, index], kappa[:, index], alpha[:, index], most)
        central = weights[:, index].mean(axis=0)
        channels.append(
            {
                "name": name,
                **dict(zip(("beta", "kappa", "alpha"), level, strict=True)),
                "saturation": family,
                "weights": (central / central.sum()).tolist(),
                "history": media[:, index].tolist(),
                "historical_mean": float(spent[:, index].mean()),
                "cap": most or None,
                "historical_max": most or None,
            }
        )
    return {
        "schema": SCHEMA_2,
        "channels": channels,
        "draws": {name: array.tolist() for name, array in drawn.items()},
        "tail_periods": weights.shape[-1] - 1,
    }
