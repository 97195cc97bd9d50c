"""The parameters of an advertising market: channels, season and economics."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from sb3_ext.common.arrays import FloatArray
from sb3_ext.common.files import atomic_path
from sb3_ext.envs.ad_spend.market.channel import Channel, default_spend_cap
from sb3_ext.envs.ad_spend.market.checks import check_choice, check_count, check_number
from sb3_ext.envs.ad_spend.market.curves import Curves, make_curves
from sb3_ext.envs.ad_spend.market.document import SCHEMA, check_fields, read_channels, read_json
from sb3_ext.envs.ad_spend.market.randomness import Randomness
from sb3_ext.envs.ad_spend.market.robyn import is_robyn_export, robyn_document

Afterwards = Literal["nothing", "past"]


@dataclass(frozen=True)
class Market:
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
    :param afterwards: What is spent in these periods, whatever was in the campaign: ``"nothing"``, or the historical
        means (``"past"``), on top of which the adstock left sells less where curves saturate.
    :param draws: Alternative parameters of the same channels, e.g. draws of a posterior.
    :param randomness: What is random in a campaign; by default nothing.
    :raises ValueError: If a parameter is out of its range.
    """

    channels: tuple[Channel, ...]
    period_days: float = 1.0
    season: tuple[float, ...] = (1.0,)
    margin: float = 1.0
    spend_cost: float = 0.0
    tail_periods: int = 28
    afterwards: Afterwards = "nothing"
    draws: tuple[tuple[Channel, ...], ...] = ()
    randomness: Randomness = field(default_factory=Randomness)

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
        check_choice(self.afterwards, Afterwards, "afterwards")
        if self.afterwards == "past" and not any(channel.historical_mean for channel in self.channels):
            raise ValueError("afterwards='past' needs historical mean spends, all are 0")
        for draw in self.draws:
            if tuple(channel.name for channel in draw) != names:
                raise ValueError(
                    f"every draw must hold the channels {list(names)} in this order, got {[c.name for c in draw]}"
                )
            for channel, drawn in zip(self.channels, draw, strict=True):
                if drawn.saturation != channel.saturation:
                    raise ValueError(
                        f"every draw of channel {channel.name!r} must have its {channel.saturation} saturation,"
                        f" got {drawn.saturation!r}"
                    )
        if not isinstance(self.randomness, Randomness):
            raise ValueError(f"randomness must be of type Randomness, got {type(self.randomness).__name__}")
        if self.randomness.use_draws and not self.draws:
            raise ValueError("randomness.use_draws needs a market with draws, it has none")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the channels."""
        return tuple(channel.name for channel in self.channels)

    @property
    def is_concave(self) -> bool:
        """Whether every response curve is concave, so that an optimal plan can be certified."""
        return self.curves.is_concave

    @cached_property
    def curves(self) -> Curves:
        """Response curves of the channels, shape (N,)."""
        return self._curves(self._column)

    @property
    def beta(self) -> FloatArray:
        """Saturation sales per channel, shape (N,), money per period."""
        return self.curves.beta

    @property
    def kappa(self) -> FloatArray:
        """Half-saturation adstock per channel, shape (N,), money per period."""
        return self.curves.kappa

    @property
    def alpha(self) -> FloatArray:
        """Exponents of Hill curves, shape (N,)."""
        return self.curves.alpha

    @cached_property
    def theta(self) -> FloatArray:
        """Carry-over per period, shape (N,)."""
        return self._column("theta")

    @cached_property
    def draw_curves(self) -> Curves:
        """Response curves of all draws, shape (D, N)."""
        return self._curves(self._drawn)

    @cached_property
    def draw_theta(self) -> FloatArray:
        """Carry-over per period of all draws, shape (D, N)."""
        return self._drawn("theta")

    @cached_property
    def historical_mean(self) -> FloatArray:
        """Mean spend per period before the campaign, shape (N,), money."""
        return self._column("historical_mean")

    @property
    def spend_afterwards(self) -> FloatArray:
        """Spend per period after the campaign, shape (N,), money."""
        return self.historical_mean if self.afterwards == "past" else np.zeros(len(self.channels))

    @cached_property
    def initial_adstock(self) -> FloatArray:
        """Adstock before the first period, shape (N,), money: as given, or the steady state of the past."""
        starts = [c.historical_mean if c.initial_adstock is None else c.initial_adstock for c in self.channels]
        return _read_only(starts)

    @cached_property
    def historical_max(self) -> FloatArray:
        """Largest spend per period that the model was fitted on, shape (N,), money; infinite where unknown."""
        return np.array([math.inf if c.historical_max is None else c.historical_max for c in self.channels])

    def _curves(self, parameter: Callable[[str], FloatArray]) -> Curves:
        families = [channel.saturation for channel in self.channels]
        return make_curves(families, *(parameter(name) for name in ("beta", "kappa", "alpha")))

    def _column(self, name: str) -> FloatArray:
        return _read_only([getattr(channel, name) for channel in self.channels])

    def _drawn(self, name: str) -> FloatArray:
        return _read_only([[getattr(channel, name) for channel in draw] for draw in self.draws])

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

    def adstock(self, media: npt.ArrayLike, initial: npt.ArrayLike | None = None) -> FloatArray:
        """
        Normalised geometric adstock of a media plan.

        :param media: Media bought, shape (T, N), money per period.
        :param initial: Adstock before the first period, shape (N,). ``None``: ``initial_adstock``.
        :return: Adstock, shape (T, N).
        """
        level = self.initial_adstock if initial is None else np.asarray(initial, dtype=np.float64)
        levels = []
        for bought in np.asarray(media, dtype=np.float64):
            level = self.theta * level + (1.0 - self.theta) * bought
            levels.append(level)
        return np.array(levels)

    def response(self, adstock: FloatArray) -> FloatArray:
        """
        Sales per channel and period at demand factor 1.

        :param adstock: Adstock >= 0, shape (..., N).
        :return: Sales, shape (..., N), money per period.
        """
        return self.curves.response(adstock)

    def with_period(self, period_days: float) -> Market:
        """
        The same market with another period length (approximate: responses are spread evenly over the period).

        Carry-over becomes ``theta**(new / old)``; flows of money (beta, kappa, means, caps) scale with the length;
        shocks, drift and noise keep their size over a given time. The season must be constant: demand factors of one
        period length have no unique counterpart in another.

        :param period_days: New length of a period in days, e.g. 1 for a weekly model that shall decide daily.
        :return: The converted market.
        :raises ValueError: If the length is not positive or the season is not constant.
        """
        ratio = check_number(period_days, "period_days", 0.0, low_open=True) / self.period_days
        if len(set(self.season)) > 1:
            raise ValueError("with_period needs a market with a constant season: set `season` after the conversion")

        def convert(channel: Channel) -> Channel:
            flows = ("beta", "kappa", "historical_mean", "cap", "historical_max", "initial_adstock")
            given = {name: getattr(channel, name) for name in flows if getattr(channel, name) is not None}
            scaled = {name: number * ratio for name, number in given.items()}
            return replace(channel, theta=channel.theta**ratio, **scaled)

        return replace(
            self,
            channels=tuple(map(convert, self.channels)),
            draws=tuple(tuple(map(convert, draw)) for draw in self.draws),
            period_days=period_days,
            randomness=self.randomness.with_period(ratio),
            tail_periods=math.ceil(self.tail_periods / ratio),
        )

    def to_dict(self) -> dict[str, Any]:
        """
        The market as JSON-ready values.

        :return: A dictionary in the format ``adspend-params/1``.
        """
        values = asdict(self)
        if self.afterwards == "nothing":
            del values["afterwards"]
        for channel in (*values["channels"], *(channel for draw in values["draws"] for channel in draw)):
            # As before these fields were there: files stay readable by earlier versions.
            for name, default in (("saturation", "hill"), ("initial_adstock", None)):
                if channel[name] == default:
                    del channel[name]
        return {"schema": SCHEMA, **values}

    @classmethod
    def from_dict(cls, data: Any) -> Market:
        """
        Build a market from the values of an ``adspend-params/1`` document.

        :param data: A dictionary as :meth:`to_dict` returns it.
        :return: The market.
        :raises ValueError: If the schema is another one, or a field is missing, unknown or out of range.
        """
        if not isinstance(data, dict) or data.get("schema") != SCHEMA:
            found = data.get("schema") if isinstance(data, dict) else type(data).__name__
            raise ValueError(f'expected a JSON object with "schema": "{SCHEMA}", got {found!r}')
        values = {key: value for key, value in data.items() if key != "schema"}
        check_fields(values, cls, "market")
        values["channels"] = read_channels(values["channels"])
        draws = values.get("draws", ())
        if not isinstance(draws, (list, tuple)):
            raise ValueError(f"draws must be a list of lists of channels, got {type(draws).__name__}")
        values["draws"] = tuple(read_channels(draw) for draw in draws)
        if "randomness" in values:
            check_fields(values["randomness"], Randomness, "randomness")
            values["randomness"] = Randomness(**values["randomness"])
        if not isinstance(values.get("season", []), (list, tuple)):
            raise ValueError(f"season must be a list of demand factors, got {values['season']!r:.80}")
        return cls(**values)

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
        Read a market from our JSON format or from a Robyn export, whichever the file holds.

        :param path: The JSON file.
        :param spend_per_exposure: Of a Robyn export, see :meth:`from_robyn`.
        :return: The market.
        :raises FileNotFoundError: If there is no such file.
        :raises ValueError: If it is neither format, or its values are out of range.
        """
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


def _read_only(numbers: list[Any]) -> FloatArray:
    array = np.array(numbers, dtype=np.float64)
    array.flags.writeable = False
    return array
