"""The parameters of an advertising market: channels, season and economics."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.common.files import atomic_path
from sb3_ext.envs.ad_spend.market.channel import Channel, default_spend_cap
from sb3_ext.envs.ad_spend.market.checks import MOST_MONEY, MOST_SALES, check_choice, check_count, check_number
from sb3_ext.envs.ad_spend.market.document import read_document, read_json, write_document
from sb3_ext.envs.ad_spend.market.draws_table import draws_document, is_draws_table
from sb3_ext.envs.ad_spend.market.media_effects import MediaEffects
from sb3_ext.envs.ad_spend.market.meridian import meridian_document
from sb3_ext.envs.ad_spend.market.netcdf import has_variable, is_netcdf
from sb3_ext.envs.ad_spend.market.pymc_marketing import pymc_marketing_document
from sb3_ext.envs.ad_spend.market.randomness import Randomness
from sb3_ext.envs.ad_spend.market.robyn import is_robyn_export, robyn_document

Afterwards = Literal["nothing", "past"]


@dataclass(frozen=True)
class Market(MediaEffects):
    """
    A market: channels, the demand over time and the economics of a sale. Immutable and hashable.

    Values are profits over what a campaign without any spend would earn:
    ``sum_t [margin * (sales_t - sales of a zero-spend campaign) - spend_cost * spend_t]``, where the adstock left at
    the end of the campaign keeps selling for ``tail_periods`` ordinary periods.

    :param channels: The channels, at least one, with unique names.
    :param period_days: Length of a period in days, in [1e-3, 3660] (1: daily, 7: weekly).
    :param season: Demand factors in [1e-6, 1e6], one per period from the first on, repeated cyclically.
    :param margin: Money earned per unit of sales, in [1e-6, 1e6]. 1: the reward is revenue.
    :param spend_cost: Money lost per unit of spend, in [0, 1e6]. 0: the budget is sunk; above 0 leaving budget unspent
        can pay.
    :param tail_periods: Periods after the campaign whose sales are credited, 0 to 10 000.
    :param afterwards: What is spent in these periods, whatever was in the campaign: ``"nothing"``, the historical
        means (``"past"``), or an amount per period for each channel, money >= 0, on top of which the adstock left sells
        less where curves saturate.
    :param draws: Alternative parameters of the same channels, e.g. draws of a posterior.
    :param randomness: What is random in a campaign; by default nothing.
    :param saturation_first: Whether the spend of a period saturates before it is carried over, and not its adstock:
        sales are ``sum_k weights[k] * response(media_{t-k})`` then. Every channel needs ``weights``.
    :param baseline: Sales expected without any advertising, money per period, from ``first_day`` on, repeated
        cyclically. For forecasts of all sales alone: values of plans leave them out.
    :param first_day: First day after the channels' history. ``None``: not known, as the campaign's.
    :param notes: What is to be known of the model that the market comes from, a line each, e.g. why to doubt it.
    :raises ValueError: If a parameter is out of its range.
    """

    channels: tuple[Channel, ...]
    period_days: float = 1.0
    season: tuple[float, ...] = (1.0,)
    margin: float = 1.0
    spend_cost: float = 0.0
    tail_periods: int = 28
    afterwards: Afterwards | tuple[float, ...] = "nothing"
    draws: tuple[tuple[Channel, ...], ...] = ()
    randomness: Randomness = field(default_factory=Randomness)
    saturation_first: bool = False
    baseline: tuple[float, ...] = ()
    first_day: date | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(self.channels))
        object.__setattr__(self, "season", tuple(self.season))
        object.__setattr__(self, "draws", tuple(tuple(draw) for draw in self.draws))
        if not self.channels:
            raise ValueError("a market needs at least one channel, got none")
        for channel in (*self.channels, *(channel for draw in self.draws for channel in draw)):
            if not isinstance(channel, Channel):
                raise ValueError(f"channels must be of type Channel, got {type(channel).__name__}")
        names = self.names
        if len(set(names)) != len(names):
            raise ValueError(f"channel names must be unique, got {list(names)}")
        if not self.season:
            raise ValueError("season must hold at least one demand factor, got none")
        season = tuple(check_number(factor, "season factor", 1e-6, 1e6) for factor in self.season)
        object.__setattr__(self, "season", season)
        object.__setattr__(self, "period_days", check_number(self.period_days, "period_days", 1e-3, 3660.0))
        object.__setattr__(self, "margin", check_number(self.margin, "margin", 1e-6, 1e6))
        object.__setattr__(self, "spend_cost", check_number(self.spend_cost, "spend_cost", 0.0, 1e6))
        check_count(self.tail_periods, "tail_periods", 0, 10_000)
        object.__setattr__(self, "afterwards", _checked_afterwards(self.afterwards, self.channels))
        _check_draws(self.channels, self.draws)
        if not isinstance(self.saturation_first, bool):
            raise ValueError(f"saturation_first must be true or false, got {self.saturation_first!r}")
        if self.saturation_first and (missing := [c.name for c in self.channels if c.weights is None]):
            raise ValueError(f"saturation_first needs weights for every channel, {missing[0]!r} has none")
        base = tuple(check_number(sales, "baseline", -MOST_SALES, MOST_SALES) for sales in self.baseline)
        object.__setattr__(self, "baseline", base)
        object.__setattr__(self, "notes", tuple(self.notes))
        if not all(isinstance(note, str) and note.isprintable() for note in self.notes):
            raise ValueError(f"notes must be lines of text, got {self.notes!r:.80}")
        if self.first_day is not None and not isinstance(self.first_day, date):
            raise ValueError(f"first_day must be a date, got {self.first_day!r}")
        if not isinstance(self.randomness, Randomness):
            raise ValueError(f"randomness must be of type Randomness, got {type(self.randomness).__name__}")
        if self.randomness.use_draws and not self.draws:
            raise ValueError("randomness.use_draws needs a market with draws, it has none")

    @property
    def is_concave(self) -> bool:
        """Whether every response curve is concave, so that an optimal plan can be certified."""
        return self.curves.is_concave

    @property
    def spend_afterwards(self) -> FloatArray:
        """Spend per period after the campaign, shape (N,), money."""
        if isinstance(self.afterwards, str):
            return self.historical_mean if self.afterwards == "past" else np.zeros(len(self.channels))
        return np.array(self.afterwards)

    def spend_caps(self, budget: float, periods: int) -> FloatArray:
        """
        Largest spend per channel and period: the channel's own cap, else four times the even split of the budget.

        :param budget: Budget of the campaign, money.
        :param periods: Length of the campaign.
        :return: Caps, shape (N,), money per period.
        """
        default = default_spend_cap(budget, periods, len(self.channels))
        return np.array([default if channel.cap is None else channel.cap for channel in self.channels])

    def season_factors(self, periods: int) -> FloatArray:
        """
        Demand factors of a campaign.

        :param periods: Length of the campaign.
        :return: Factors, shape (periods,).
        """
        return np.resize(np.array(self.season, dtype=np.float64), periods)

    def base_sales(self, periods: int, start: date | None = None) -> FloatArray:
        """
        Sales expected without any advertising, of a campaign.

        :param periods: Length of the campaign.
        :param start: Its first day. ``None``: ``first_day``.
        :return: Sales, shape (periods,), money per period; 0 where the market has no baseline.
        """
        days = 0 if start is None or self.first_day is None else (start - self.first_day).days
        return np.resize(np.roll(np.array(self.baseline or (0.0,)), -round(days / self.period_days)), periods)

    def with_period(self, period_days: float) -> Market:
        """
        The same market with another period length (approximate: responses are spread evenly over the period).

        Carry-over becomes ``theta**(new / old)``; flows of money (beta, kappa, means, caps) scale with the length;
        shocks, drift and noise keep their size over a given time. The season must be constant: demand factors of one
        period length have no unique counterpart in another.

        :param period_days: New length of a period in days, e.g. 1 for a weekly model that shall decide daily.
        :return: The converted market.
            History and base sales, which have no unique counterpart either, are left out.
        :raises ValueError: If the length is not positive, the season is not constant, or a channel has weights.
        """
        ratio = check_number(period_days, "period_days", 0.0, low_open=True) / self.period_days
        if len(set(self.season)) > 1:
            raise ValueError("with_period needs a market with a constant season: set `season` after the conversion")

        return replace(
            self,
            channels=tuple(channel.with_period(ratio) for channel in self.channels),
            draws=tuple(tuple(channel.with_period(ratio) for channel in draw) for draw in self.draws),
            period_days=period_days,
            randomness=self.randomness.with_period(ratio),
            tail_periods=math.ceil(self.tail_periods / ratio),
            afterwards=self.afterwards
            if isinstance(self.afterwards, str)
            else tuple(money * ratio for money in self.afterwards),
            baseline=self.baseline if ratio == 1.0 else (),
        )

    def to_dict(self) -> dict[str, Any]:
        """
        The market as JSON-ready values.

        :return: A dictionary in the format ``adspend-params/1``, or ``/2`` where the market has what that has no place
            for: windows of carry-over, history, base sales.
        """
        return write_document(self)

    @classmethod
    def from_dict(cls, data: Any) -> Market:
        """
        Build a market from the values of an ``adspend-params/1`` or ``/2`` document.

        :param data: A dictionary as :meth:`to_dict` returns it.
        :return: The market.
        :raises ValueError: If the schema is another one, or a field is missing, unknown or out of range.
        """
        return cls(**read_document(data, cls))

    def save(self, path: str | os.PathLike[str]) -> None:
        """
        Write the market as JSON; the file appears whole or not at all.

        :param path: Where to write, e.g. ``market.json``.
        """
        text = json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n"
        with atomic_path(Path(path)) as unfinished:
            unfinished.write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str], spend_per_exposure: dict[str, float] | None = None) -> Market:
        """
        Read a market from our JSON, a Robyn export, a saved model of PyMC-Marketing or Meridian, or a CSV of weekly
        draws (:func:`draws_document`), whichever the file is.

        :param path: The file.
        :param spend_per_exposure: Of a Robyn export, see :meth:`from_robyn`.
        :return: The market.
        :raises FileNotFoundError: If there is no such file.
        :raises ValueError: If it is no such format, or its values are out of range.
        """
        if spend_per_exposure and (is_netcdf(path) or is_draws_table(path)):
            raise ValueError("spend_per_exposure goes with a Robyn export")
        if is_netcdf(path):
            return (cls.from_meridian if has_variable(path, "posterior", "ec_m") else cls.from_pymc_marketing)(path)
        if is_draws_table(path):
            return cls.from_draws(path)
        data = read_json(path)
        if is_robyn_export(data):
            return cls.from_robyn(path, spend_per_exposure)
        try:
            if spend_per_exposure:
                raise ValueError("spend_per_exposure goes with a Robyn export")
            return cls.from_dict(data)
        except ValueError as error:
            raise ValueError(f"{os.fspath(path)}: {error}") from error

    @classmethod
    def from_pymc_marketing(cls, path: str | os.PathLike[str], group: str | None = None) -> Market:
        """
        Read a fitted media-mix model that ``MMM.save()`` of PyMC-Marketing wrote (NetCDF).

        All draws of the posterior become :attr:`draws`. PyMC is not needed, and nothing is unpickled.

        :param path: The file, e.g. ``mmm.nc``.
        :param group: Which group, of a model of several (the multidimensional class), e.g. a region.
        :return: A market whose periods are the model's own.
        :raises FileNotFoundError: If there is no such file.
        :raises ValueError: If the file is incomplete, of another kind, holds values that are not finite, or several
            groups of which none is named, or the model has an adstock, saturation or another feature that is not known
            here.
        :raises ImportError: If xarray or h5netcdf is missing.
        """
        if not os.path.isfile(path):
            raise FileNotFoundError(f"no market file at {os.fspath(path)!r}")
        try:
            return cls.from_dict(pymc_marketing_document(path, group))
        except ValueError as error:
            raise ValueError(f"{os.fspath(path)}: {error}") from error

    @classmethod
    def from_meridian(cls, path: str | os.PathLike[str]) -> Market:
        """
        Read the posterior of a national model of Google's Meridian, written as NetCDF with the data it was fitted on:
        see :func:`meridian_document`.

        :param path: The file, e.g. ``meridian.nc``.
        :return: A market with all its draws.
        :raises ValueError: If a part is missing, there are several geos, values are not finite, or the model does not
            contribute what the file says.
        :raises ImportError: If xarray or h5netcdf is missing.
        """
        try:
            return cls.from_dict(meridian_document(path))
        except ValueError as error:
            raise ValueError(f"{os.fspath(path)}: {error}") from error

    @classmethod
    def from_draws(cls, path: str | os.PathLike[str], period_days: float = 7.0) -> Market:
        """
        Read draws of any model from a CSV with the columns channel, draw, parameter, value: see :func:`draws_document`.

        :param path: The file.
        :param period_days: Length of a period in days, > 0.
        :return: A market with these draws.
        :raises ValueError: If a line cannot be read, a draw is incomplete, or a value is out of range.
        """
        try:
            return cls.from_dict(draws_document(path, period_days))
        except ValueError as error:
            raise ValueError(f"{os.fspath(path)}: {error}") from error

    @classmethod
    def from_robyn(cls, path: str | os.PathLike[str], spend_per_exposure: dict[str, float] | None = None) -> Market:
        """
        Read a fitted media-mix model exported by Meta's Robyn (``robyn_write``, JSON).

        :param path: The exported ``RobynModel-*.json``.
        :param spend_per_exposure: Money per unit of exposure, for every channel that was modelled on exposures
            (impressions, clicks) rather than on spend.
        :return: A market whose periods are the model's own (weekly for most models).
        :raises FileNotFoundError: If there is no such file.
        :raises ValueError: If the file is truncated, foreign, or of a kind that is not supported (e.g. Weibull
            adstock).
        """
        data = read_json(path)
        try:
            return cls.from_dict(robyn_document(data, spend_per_exposure))
        except ValueError as error:
            raise ValueError(f"{os.fspath(path)}: {error}") from error


def _checked_afterwards(afterwards: Any, channels: tuple[Channel, ...]) -> Afterwards | tuple[float, ...]:
    if isinstance(afterwards, (list, tuple)):
        if len(afterwards) != len(channels):
            raise ValueError(f"afterwards must hold an amount for each of {len(channels)} channels, got {afterwards!r}")
        return tuple(check_number(money, "afterwards", 0.0, MOST_MONEY) for money in afterwards)
    check_choice(afterwards, Afterwards, "afterwards")
    if afterwards == "past" and not any(channel.historical_mean for channel in channels):
        raise ValueError("afterwards='past' needs historical mean spends, all are 0")
    return cast(Afterwards, afterwards)


def _check_draws(channels: tuple[Channel, ...], draws: tuple[tuple[Channel, ...], ...]) -> None:
    names = [channel.name for channel in channels]
    for draw in draws:
        if [channel.name for channel in draw] != names:
            raise ValueError(f"every draw must hold the channels {names} in this order, got {[c.name for c in draw]}")
        for channel, drawn in zip(channels, draw, strict=True):
            if drawn.saturation != channel.saturation:
                raise ValueError(
                    f"every draw of channel {channel.name!r} must have its {channel.saturation} saturation,"
                    f" got {drawn.saturation!r}"
                )
            if (drawn.weights is None) != (channel.weights is None):
                raise ValueError(f"all draws of channel {channel.name!r} must have weights, as it has, or none of them")
