"""Response curves in a CSV (channel, spend, response) as a market: one Hill curve fitted per channel."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.common.sheets import read_sheet
from sb3_ext.envs.ad_spend.market.channel import Channel, periods_to_forget
from sb3_ext.envs.ad_spend.market.checks import check_name, check_number
from sb3_ext.envs.ad_spend.market.curves import Hill
from sb3_ext.envs.ad_spend.market.market import Market

_REQUIRED = ("channel", "spend", "response")
_OPTIONAL = ("theta", "historical_mean", "currency")
_SCALED = re.compile(r"\b(000s?|k|thousands?|tsd|mio|mn|millions?)\b")
_PERIODS = {
    **dict.fromkeys(("daily", "day"), 1.0),
    **dict.fromkeys(("weekly", "week"), 7.0),
    **dict.fromkeys(("monthly", "month"), 30.4375),
    **dict.fromkeys(("quarterly", "quarter"), 91.3125),
    **dict.fromkeys(("annual", "yearly", "year"), 365.25),
}
_LEAST_SPENDS = 4
_ALPHA = (0.05, 20.0)
_POOR_FIT = 0.1
_STARTS = 6


@dataclass
class CurvePoints:
    """The points of one channel in a CSV."""

    spend: list[float] = field(default_factory=list)
    """Money per period."""
    response: list[float] = field(default_factory=list)
    """Sales per period."""
    settings: dict[str, float] = field(default_factory=dict)
    """``theta`` and ``historical_mean``, where the file has them."""


@dataclass(frozen=True)
class CurveFit:
    """A fitted channel and how well it fits its points."""

    channel: Channel
    spend: FloatArray
    """Spends of the points, shape (n,), money per period."""
    response: FloatArray
    """Responses of the points, shape (n,), sales per period."""
    nrmse: float
    """Root mean squared error, relative to the range of the responses."""
    r_squared: float
    """Share of the responses' variance that the curve explains."""
    warnings: tuple[str, ...]
    """Reasons to doubt the curve, one line each."""


def fit_response_curves(
    path: str | os.PathLike[str], period_days: float = 7.0, carry_over: Mapping[str, float] | None = None
) -> tuple[Market, tuple[CurveFit, ...]]:
    """
    Read a CSV of response curves and fit ``beta * x**alpha / (kappa**alpha + x**alpha)`` to every channel.

    The file needs the columns ``channel``, ``spend`` and ``response``: the sales per period that a constant spend per
    period settles at; an Excel file may hold it too. Numbers may be written as people do (``$5,000.00``,
    ``5.000,50``); a column that can be read in two ways is refused. Titles may say more (``Weekly Spend``). A curve
    says nothing of the past and of how quickly sales follow, so two optional columns may: ``theta``, the share of the
    adstock carried over to the next period, and ``historical_mean``, the mean spend per period before the campaign
    (each the same in all rows of a channel; 0 where missing). Further columns are ignored.

    Caps are the largest spends of the data, as for a Robyn export: beyond them a curve is a guess.

    :param path: The file.
    :param period_days: Length of a period in days, > 0.
    :param carry_over: ``theta`` by channel, in [0, 1); goes before the column.
    :return: The market, channels in the order of the file, and the fit of every channel.
    :raises FileNotFoundError: If there is no such file.
    :raises ValueError: If the file is malformed, a channel has fewer than four different spends, or an argument is out
        of range.
    """
    file = os.fspath(path)
    period_days = check_number(period_days, "period_days", 0.0, low_open=True)
    if not Path(path).is_file():
        raise FileNotFoundError(f"no response curves at {file!r}")
    try:
        points = _read(Path(path), period_days)
        if unknown := sorted(set(carry_over or {}) - set(points)):
            raise ValueError(f"carry-over is given for {unknown[0]!r}, the channels are {list(points)}")
        for channel, theta in (carry_over or {}).items():
            points[channel].settings["theta"] = theta
        fits = tuple(fit_curve(name, data.spend, data.response, **data.settings) for name, data in points.items())
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    channels = tuple(fit.channel for fit in fits)
    tail_periods = periods_to_forget(fitted.theta for fitted in channels)
    return Market(channels, period_days=period_days, tail_periods=tail_periods), fits


def fit_curve(
    name: str, spend: list[float], response: list[float], theta: float = 0.0, historical_mean: float = 0.0
) -> CurveFit:
    """
    Fit one Hill curve by least squares.

    For given ``kappa`` and ``alpha`` the best ``beta`` is a closed form, so only two parameters are searched, from the
    best cells of a grid.

    :param name: Name of the channel.
    :param spend: Spends of the points, >= 0, at least four different ones, money per period.
    :param response: Their responses, >= 0, sales per period.
    :param theta: Share of the adstock carried over to the next period, in [0, 1).
    :param historical_mean: Mean spend per period before the campaign, >= 0, money.
    :return: The fit; its ``historical_max`` and ``cap`` are the largest spend.
    :raises ValueError: If there are too few different spends, or a parameter is out of its range.
    """
    x, y = np.array(spend, dtype=np.float64), np.array(response, dtype=np.float64)
    if len(np.unique(x)) < _LEAST_SPENDS:
        raise ValueError(
            f"channel {name!r} has {len(np.unique(x))} different spends, a curve needs at least {_LEAST_SPENDS}"
        )
    largest = float(x.max())
    kappa, alpha = _search(x / largest, y / y.max()) if y.max() > 0.0 else (0.5, 1.0)
    shape = _shape(x / largest, kappa, alpha)
    beta = float(shape @ y / (shape @ shape))
    channel = Channel(
        name,
        beta,
        max(kappa * largest, 1e-6),
        alpha,
        theta,
        historical_mean,
        cap=largest,
        historical_max=largest,
    )
    squared_error = float(np.square(y - beta * shape).sum())
    spread, variance = float(np.ptp(y)), float(np.square(y - y.mean()).sum())
    nrmse = np.sqrt(squared_error / len(y)) / spread if spread > 0.0 else 0.0
    r_squared = 1.0 - squared_error / variance if variance > 0.0 else 1.0
    return CurveFit(channel, x, y, float(nrmse), r_squared, tuple(_doubts(channel, x, float(nrmse), r_squared)))


def _read(path: Path, period_days: float) -> dict[str, CurvePoints]:
    sheet = read_sheet(path)
    titles = [[" ".join(str(cell).split()).lower() for cell in row.cells] for row in sheet.rows]
    first = next((at for at, header in enumerate(titles) if _REQUIRED[0] in " ".join(header)), 0)
    header = titles[first] if titles else []
    columns = _columns(header, period_days)
    rows = sheet.rows[first + 1 :]
    if not rows:
        raise ValueError("there are no points below the first line")
    for row in rows:
        if len(row.cells) <= max(columns.values()):
            raise ValueError(f"{row.place}: {len(row.cells)} cells, the first line has {len(header)}")
    if "currency" in columns and len(currencies := {str(row.cell(columns["currency"])) for row in rows}) > 1:
        raise ValueError(f"column 'currency' holds {sorted(currencies)}: write all amounts in one currency")
    names = [title for title in columns if title not in ("channel", "currency")]
    numbers = dict(zip(names, sheet.amounts(rows, [columns[name] for name in names], names, {"theta"}), strict=True))
    points: dict[str, CurvePoints] = {}
    for index, row in enumerate(rows):
        if not (name := str(row.cell(columns["channel"]))):
            raise ValueError(f"{row.place}: the channel has no name")
        check_name(name, f"{row.place}: the channel's name")
        channel = points.setdefault(name, CurvePoints())
        values = {title: check_number(numbers[title][index], f"{row.place}: {title}", 0.0) for title in names}
        channel.spend.append(values.pop("spend"))
        channel.response.append(values.pop("response"))
        for title, number in values.items():
            if channel.settings.setdefault(title, number) != number:
                raise ValueError(
                    f"{row.place}: {title} of {name!r} is {number:g}, but {channel.settings[title]:g} in an earlier "
                    "line"
                )
    return points


def _columns(header: list[str], period_days: float) -> dict[str, int]:
    """Where the columns are, by what they hold: titles may say more, such as ``Weekly Spend``."""
    columns = {}
    for title in (*_REQUIRED, *_OPTIONAL):
        found = [at for at, text in enumerate(header) if text == title]
        found = found or [at for at, text in enumerate(header) if re.search(rf"\b{title}s?\b", text.replace("_", " "))]
        if len(found) > 1:
            raise ValueError(f"column {title!r} is there {len(found)} times: {[header[at] for at in found]}")
        if not found and title in _REQUIRED:
            raise ValueError(
                f"column {title!r} is missing, the first line has {header}: write a line for every channel and "
                "spend, with the columns channel, spend and response"
            )
        if found:
            columns[title] = found[0]
    for title in ("spend", "response"):
        text = header[columns[title]]
        if unit := _SCALED.search(text):
            raise ValueError(f"column {text!r}: write the amounts in full, not in {unit[0]!r}")
        days = next((days for word, days in _PERIODS.items() if re.search(rf"\b{word}\b", text)), period_days)
        if not 0.9 * days <= period_days <= 1.1 * days:
            raise ValueError(f"column {text!r}: give {days:g} as the days of a period, not {period_days:g}")
    return columns


def _shape(spend: FloatArray, kappa: float, alpha: float) -> FloatArray:
    """The Hill curve that saturates at 1."""
    return Hill(np.ones(()), np.array(kappa), np.array(alpha)).response(spend)


def _search(x: FloatArray, y: FloatArray) -> tuple[float, float]:
    """``kappa`` and ``alpha`` of the best curve through points scaled to a largest spend and response of 1."""
    from scipy.optimize import least_squares  # slow to import, and `import sb3_ext` comes here

    low = np.log([max(1e-3 * x[x > 0.0].min(), 1e-9), _ALPHA[0]])
    high = np.log([1e3, _ALPHA[1]])

    def residuals(logs: FloatArray) -> FloatArray:
        shape = _shape(x, *np.exp(logs))
        return np.asarray(y - shape * (shape @ y) / max(float(shape @ shape), 1e-300))

    grid = np.stack(
        np.meshgrid(np.linspace(low[0], np.log(10.0), 24), np.log(np.geomspace(0.2, 15.0, 14))), axis=-1
    ).reshape(-1, 2)
    errors = [float(np.square(residuals(logs)).sum()) for logs in grid]
    fits = [
        least_squares(residuals, grid[start], bounds=(low, high), xtol=1e-12, ftol=1e-14, gtol=1e-14, max_nfev=400)
        for start in np.argsort(errors, kind="stable")[:_STARTS]
    ]
    kappa, alpha = np.exp(min(fits, key=lambda fit: float(fit.cost)).x)
    return float(kappa), float(np.clip(alpha, *_ALPHA))


def _doubts(channel: Channel, spend: FloatArray, nrmse: float, r_squared: float) -> list[str]:
    """Reasons not to trust a curve."""
    if channel.beta == 0.0:
        return [f"{channel.name}: all responses are 0, so the channel sells nothing"]
    doubts = []
    lowest, largest = float(spend[spend > 0.0].min()), float(spend.max())
    if nrmse > _POOR_FIT or r_squared < 1.0 - _POOR_FIT:
        doubts.append(
            f"{channel.name}: the curve fits poorly (error {nrmse:.1%} of the responses' range, R² {r_squared:.3f})"
        )
    if channel.kappa > largest:
        doubts.append(
            f"{channel.name}: half of the saturation is reached at {channel.kappa:,.0f}, beyond the largest spend of"
            f" the data ({largest:,.0f}): where the channel saturates is a guess"
        )
    elif channel.kappa < lowest:
        doubts.append(
            f"{channel.name}: the curve is saturated from the smallest spend of the data on ({lowest:,.0f}): what"
            " smaller spends sell is a guess"
        )
    inflexion = float(Market((channel,)).curves.inflexion[0])
    if inflexion > 0.0 and not lowest <= inflexion <= largest and lowest <= channel.kappa <= largest:
        doubts.append(
            f"{channel.name}: the curve turns from accelerating to saturating at {inflexion:,.0f}, outside the"
            f" spends of the data ({lowest:,.0f} to {largest:,.0f})"
        )
    return doubts
