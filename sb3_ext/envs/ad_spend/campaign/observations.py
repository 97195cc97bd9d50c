"""What an agent sees of campaigns: one layout, from which names, bounds, units and observations follow."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.campaign.belief import MOST_DOUBT, MOST_MARGINAL, Belief
from sb3_ext.envs.ad_spend.campaign.scenario import EXTREME, MOST_DELIVERED
from sb3_ext.envs.ad_spend.campaign.simulator import CampaignSimulator, Period
from sb3_ext.envs.ad_spend.market.checks import check_choice
from sb3_ext.envs.ad_spend.market.market import Market
from sb3_ext.envs.ad_spend.market.sales_function import SalesFunctionMarket

ObsMode = Literal["full", "partial", "spend"]
Range = tuple[npt.ArrayLike, npt.ArrayLike]
Reading = Callable[[CampaignSimulator, Period | None], Any]


class Block(NamedTuple):
    """Entries of an observation that hold one quantity. Bounds and unit: one number, or one per entry."""

    name: str
    low: npt.ArrayLike
    high: npt.ArrayLike
    read: Reading
    """From the campaigns and their last period (``None`` at the start) to values in their own unit, entries first."""
    unit: npt.ArrayLike = 1.0
    """What an entry of 1 stands for."""
    clips: bool = False
    """Whether values may leave the bounds, and are cut off there."""
    entries: tuple[str, ...] = ()
    """Names of the entries; none: a single one, named like the block."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the entries."""
        return self.entries or (self.name,)


class ObservationMap:
    """Observations of campaigns, each a bounded float32 vector (layout and options: :class:`AdSpendEnv`)."""

    def __init__(
        self,
        mode: ObsMode,
        campaign: CampaignSimulator,
        cap: FloatArray,
        obs_range: Range | None = None,
        lags: int = 0,
        urgency: bool = False,
        belief: bool = False,
    ) -> None:
        check_choice(mode, ObsMode, "obs_mode")
        if isinstance(lags, bool) or not isinstance(lags, (int, np.integer)) or lags < 0 or (lags and mode == "spend"):
            raise ValueError(f'lags must be a whole number >= 0, and 0 with obs_mode="spend", got {lags!r}')
        if urgency and mode == "spend":
            raise ValueError('urgency is not observed with obs_mode="spend"')
        if belief and isinstance(campaign.market, Market) and campaign.market.saturation_first:
            raise ValueError("belief learns from adstock that saturates, and this market's spends saturate first")
        if belief and (mode != "full" or not isinstance(campaign.market, Market)):
            raise ValueError(f'belief needs a market and obs_mode="full", got obs_mode={mode!r}')
        current = list(_layout(mode, campaign, cap, obs_range, urgency, belief))
        lagged = [_lagged(block, lag) for lag in range(1, lags + 1) for block in current[:2]]
        self.blocks = current + lagged
        """All entries, in their order."""
        self.names = [name for block in self.blocks for name in block.names]
        self.columns: dict[str, int | slice] = {name: at for at, name in enumerate(self.names)}
        """Where single entries and blocks are, by name."""
        for block in self.blocks:
            first, last = (self.names.index(block.names[end]) for end in (0, -1))
            self.columns.setdefault(block.name, slice(first, last + 1))
        low, high, self.unit = (
            np.concatenate([np.broadcast_to(getattr(block, what), len(block.names)) for block in self.blocks])
            for what in ("low", "high", "unit")
        )
        self.space = spaces.Box(low.astype(np.float32), high.astype(np.float32), dtype=np.float32)

        # Entries come first here: NumPy is slow at broadcasting along a short last axis.
        column = (-1, *(1,) * len(campaign.batch_shape))
        self._entries = np.zeros((len(self.names), *campaign.batch_shape))
        self._n_lagged = sum(len(block.names) for block in lagged)
        self._lag_width = self._n_lagged // lags if lags else 0
        unit = self.unit[: len(self.names) - self._n_lagged]
        self._per_unit = 1.0 / unit[: len(np.trim_zeros(unit - 1.0, "b"))].reshape(column)
        self._readings = [(self.columns[block.name], block.read) for block in current]
        lowest, highest = self.space.low.reshape(column), self.space.high.reshape(column)
        clipped = [self.columns[block.name] for block in current if block.clips]
        self._clipped = [(at, lowest[at], highest[at]) for at in clipped]

    def observe(self, campaign: CampaignSimulator, last: Period | None) -> npt.NDArray[np.float32]:
        """
        The observations between two periods, shape (..., D); with lags or a belief to be asked for once a period.
        ``last`` is what happened last, ``None`` at the start (nothing spent, nothing sold).
        """
        entries = self._entries
        if self._n_lagged:
            self._shift(last)
        for at, read in self._readings:
            entries[at] = read(campaign, last)
        entries[: len(self._per_unit)] *= self._per_unit
        for at, low, high in self._clipped:
            # Much faster than np.clip for a single campaign.
            entries[at] = np.minimum(np.maximum(entries[at], low), high)
        observation: npt.NDArray[np.float32] = entries.T.astype(np.float32, order="C")
        return observation

    def amounts(self, name: str, observation: npt.NDArray[np.float32]) -> FloatArray:
        """
        A block (``"adstock"``, shape (n, entries)) or an entry (``"sales"``, shape (n,)) of observations, in its own
        unit.
        """
        at = self.columns[name]
        amounts: FloatArray = observation[:, at].astype(np.float64) * self.unit[at]
        return amounts

    def _shift(self, last: Period | None) -> None:
        """Move spends and sales, and those of earlier periods, one period back."""
        past, width = self._entries[-self._n_lagged :], self._lag_width
        if last is None:
            past[...] = 0.0
        else:
            past[width:] = past[:-width].copy()
            past[:width] = self._entries[:width]


def _layout(
    mode: ObsMode, campaign: CampaignSimulator, cap: FloatArray, obs_range: Range | None, urgency: bool, belief: bool
) -> Iterator[Block]:
    """What is seen of the last period and the coming one."""
    market, random = campaign.market, campaign.market.randomness

    def each(what: str) -> tuple[str, ...]:
        return tuple(f"{what}_{name}" for name in market.names)

    most_spent = MOST_DELIVERED if random.delivery_sigma else 1.0
    if obs_range is not None:
        yield Block("spend", *obs_range, _spend, clips=True, entries=each("spend"))
        return
    yield Block("spend", 0.0, most_spent, _spend, cap, entries=each("spend"))
    if mode == "spend":
        return
    even, peak = campaign.budget / campaign.periods, float(campaign.season.max())
    own_function = isinstance(market, SalesFunctionMarket)
    most_media = most_spent * (np.exp(EXTREME * random.price_sigma) if random.price_sigma else 1.0)
    window = market.window if isinstance(market, Market) else None
    past = market.initial_adstock if window is None else np.maximum(market.initial_adstock, window.max(axis=-1))
    reachable = np.maximum(cap * most_media, past)
    sales = (-10.0, 10.0) if isinstance(market, SalesFunctionMarket) else _sales_bounds(market, reachable, peak, even)
    # Bounds hold by themselves but for the user's own numbers, and for sales of drawn parameters.
    yield Block("sales", *sales, _sales, even, clips=own_function or random.any)
    yield Block("budget_left", 0.0, 1.0, _budget_left, campaign.budget)
    if mode == "full" and isinstance(market, Market):
        yield Block("adstock", 0.0, reachable / market.kappa, _adstock, market.kappa, entries=each("adstock"))
        if window is not None:
            lags = range(window.shape[-1])
            highest, unit = np.tile(reachable / market.kappa, len(lags)), np.tile(market.kappa, len(lags))
            names = tuple(f"media_{name}_lag{lag}" for lag in lags for name in market.names)
            yield Block("window", 0.0, highest, _window, unit, entries=names)

    periods = np.arange(campaign.periods + 1)
    # At the end no period is left; then as if there were one.
    periods_left = np.maximum(campaign.periods - periods, 1)
    yield Block("pace", 0.0, 1.0, partial(_pace, 1.0 / (periods_left * cap.sum())))
    yield Block("time_left", 0.0, 1.0, partial(_dated, 1.0 - periods / campaign.periods))
    if urgency:
        yield Block("urgency", 0.0, 1.0, partial(_dated, 1.0 / periods_left))
    if len(set(campaign.season)) > 1:
        angle = 2.0 * np.pi * periods * market.period_days / (7.0 if market.period_days < 7.0 else 365.25)
        yield Block("demand_index", 0.0, max(1.0, peak), partial(_dated, np.append(campaign.season, 1.0)))
        yield Block("season_sin", -1.0, 1.0, partial(_dated, np.sin(angle)))
        yield Block("season_cos", -1.0, 1.0, partial(_dated, np.cos(angle)))
    if random.price_sigma:
        yield Block("price_shock", -EXTREME, EXTREME, _price_shock, random.price_sigma, entries=each("price_shock"))
    if belief and isinstance(market, Market):
        learner = Belief(market, math.prod(campaign.batch_shape))
        n_drawn = len(learner.names) // 2
        sizes = [n_drawn, n_drawn, len(market.names)]
        low, high = np.repeat([-EXTREME, 0.0, 0.0], sizes), np.repeat([EXTREME, MOST_DOUBT, MOST_MARGINAL], sizes)
        names = (*learner.names, *learner.marginal_names)
        yield Block("belief", low, high, partial(_belief, learner), clips=True, entries=names)


def _lagged(block: Block, lag: int) -> Block:
    entries = tuple(f"{name}_lag{lag}" for name in block.names)
    return block._replace(name=f"{block.name}_lag{lag}", entries=entries)


def _sales_bounds(market: Market, reachable: FloatArray, peak: float, even: float) -> tuple[float, float]:
    """Bounds of the sales of a period, relative to the average budget of a period, for adstocks up to (N,)."""
    random, saturation = market.randomness, float(market.beta.sum())
    noise = EXTREME * random.sales_sigma * saturation
    # Of drawn or drifting parameters only what is beyond any reason is cut off.
    most = (
        peak
        * float(market.curves.most_sales(reachable).sum())
        * (EXTREME if random.draws_parameters or random.drift_sigma else 1.0)
    )
    return (0.0 - noise) / even, (most + noise) / even


def _spend(campaign: CampaignSimulator, last: Period | None) -> Any:
    return 0.0 if last is None else last.spend.T


def _sales(campaign: CampaignSimulator, last: Period | None) -> Any:
    return 0.0 if last is None else last.total_sales


def _budget_left(campaign: CampaignSimulator, last: Period | None) -> Any:
    return campaign.budget_left


def _adstock(campaign: CampaignSimulator, last: Period | None) -> Any:
    return campaign.adstock.T


def _window(campaign: CampaignSimulator, last: Period | None) -> Any:
    assert campaign.window is not None
    return np.moveaxis(campaign.window, -1, 1).reshape(-1, *campaign.batch_shape)


def _pace(per_money: FloatArray, campaign: CampaignSimulator, last: Period | None) -> Any:
    return np.minimum(campaign.budget_left * per_money[campaign.period], 1.0)


def _dated(path: FloatArray, campaign: CampaignSimulator, last: Period | None) -> Any:
    return path[campaign.period]


def _price_shock(campaign: CampaignSimulator, last: Period | None) -> Any:
    shocks = campaign.scenario.price_shock
    # Nothing is bought after the last period.
    return 0.0 if shocks is None or campaign.done else shocks[campaign.period].T


def _belief(belief: Belief, campaign: CampaignSimulator, last: Period | None) -> Any:
    if last is None:
        belief.reset()
    else:
        adstock = np.atleast_2d(last.adstock)
        belief.learn(adstock, np.atleast_1d(last.total_sales), float(campaign.season[campaign.period - 1]))
    rows = np.concatenate([belief.entries, belief.marginal(np.atleast_2d(campaign.adstock))])
    return rows.reshape(-1, *campaign.batch_shape)
