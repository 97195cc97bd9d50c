"""How an agent acts on a campaign and what it sees of it: the maps between Box spaces and money."""

from __future__ import annotations

import copy
import math
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.campaign.belief import MOST_DOUBT, MOST_MARGINAL, Belief
from sb3_ext.envs.ad_spend.campaign.scenario import EXTREME, MOST_DELIVERED
from sb3_ext.envs.ad_spend.campaign.simulator import CampaignSimulator, Period, SalesFunctionMarket
from sb3_ext.envs.ad_spend.market.market import Market
from sb3_ext.envs.ad_spend.market.randomness import Randomness

ActionMode = Literal["normalized", "currency"]
ObsMode = Literal["full", "partial", "spend"]


def check_mode(value: str, allowed: object, what: str) -> None:
    """
    Check a mode's name.

    :param value: What was given.
    :param allowed: The ``Literal`` of the allowed names.
    :param what: Name of the argument in the error message.
    :raises ValueError: If it is not allowed.
    """
    if value not in get_args(allowed):
        raise ValueError(f"{what} must be one of {list(get_args(allowed))}, got {value!r}")


class ActionMap:
    """
    Actions as spends: ``"normalized"`` maps [-1, 1] linearly to [low, cap], ``"currency"`` takes money as it is.

    :param mode: One of ``"normalized"`` and ``"currency"``.
    :param low: Smallest spend per channel and period, shape (N,), money.
    :param cap: Largest spend per channel and period, shape (N,), money, > low.
    """

    def __init__(self, mode: ActionMode, low: FloatArray, cap: FloatArray) -> None:
        check_mode(mode, ActionMode, "action_mode")
        self.mode = mode
        self._center = (low + cap) / 2.0 if mode == "normalized" else np.zeros_like(low)
        self._slope = (cap - low) / 2.0 if mode == "normalized" else np.ones_like(low)
        if mode == "normalized":
            self.space = spaces.Box(-1.0, 1.0, low.shape, np.float32)
        else:
            self.space = spaces.Box(low.astype(np.float32), cap.astype(np.float32), dtype=np.float32)
        # Exactly what the float32 bounds of the space ask for, so that an action at a bound counts as within it.
        self.low = self.to_spend(self.space.low.astype(np.float64))
        self.cap = self.to_spend(self.space.high.astype(np.float64))

    def repeated(self, batch_shape: tuple[int, ...]) -> ActionMap:
        """
        The same map with bounds of the full shape of a batch, which NumPy handles much faster.

        :param batch_shape: Shape of the batch.
        :return: The map for actions of shape ``(*batch_shape, N)``.
        """
        full = copy.copy(self)
        for name in ("_center", "_slope", "low", "cap"):
            constants = getattr(self, name)
            setattr(full, name, np.broadcast_to(constants, (*batch_shape, *constants.shape)).copy())
        return full

    def to_spend(self, action: npt.NDArray[np.floating]) -> FloatArray:
        """
        The money an action asks for, not limited to the bounds.

        :param action: Actions, shape (..., N).
        :return: Spend, shape (..., N), money.
        """
        return self._center + self._slope * action

    def to_action(self, spend: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """
        The action that asks for a spend, limited to the action space.

        :param spend: Spend, shape (..., N), money.
        :return: Actions, shape (..., N).
        """
        action = (np.asarray(spend, dtype=np.float64) - self._center) / self._slope
        return np.clip(action.astype(np.float32), self.space.low, self.space.high)

    def limit(self, spend: FloatArray) -> FloatArray:
        """
        Limit spends to the bounds of a channel.

        :param spend: Spend, shape (..., N), money.
        :return: Spend within [low, cap].
        """
        return np.minimum(np.maximum(spend, self.low), self.cap)


class ObservationMap:
    """
    Observations of campaigns, each a bounded float32 vector (layout: :class:`AdSpendEnv`).

    :param mode: ``"full"``, ``"partial"`` (without adstock) or ``"spend"`` (the last spends alone).
    :param campaign: The simulator, for its market and horizon.
    :param cap: Largest spend per channel and period, shape (N,), money.
    :param obs_range: Bounds of a ``"spend"`` observation in money; ``None``: spends relative to the caps, in [0, 1].
    :param lags: How many periods before the last one are seen too (spends and sales), >= 0; not with ``"spend"``.
    :param urgency: Whether 1 / periods left is seen too; not with ``"spend"``.
    :param belief: Whether what the sales tell about drawn parameters is seen too; only with ``"full"``.
    :raises ValueError: If the mode is unknown, ``lags`` is no whole number >= 0, ``lags`` or ``urgency`` is given with
        ``"spend"``, or ``belief`` without ``"full"`` or where nothing is drawn.
    """

    def __init__(
        self,
        mode: ObsMode,
        campaign: CampaignSimulator,
        cap: FloatArray,
        obs_range: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
        lags: int = 0,
        urgency: bool = False,
        belief: bool = False,
    ) -> None:
        check_mode(mode, ObsMode, "obs_mode")
        if isinstance(lags, bool) or not isinstance(lags, (int, np.integer)) or lags < 0 or (lags and mode == "spend"):
            raise ValueError(f'lags must be a whole number >= 0, and 0 with obs_mode="spend", got {lags!r}')
        if urgency and mode == "spend":
            raise ValueError('urgency is not observed with obs_mode="spend"')
        market, n_channels = campaign.market, len(cap)
        self._belief: Belief | None = None
        if belief:
            if mode != "full" or not isinstance(market, Market):
                raise ValueError(f'belief needs a market and obs_mode="full", got obs_mode={mode!r}')
            self._belief = Belief(market, math.prod(campaign.batch_shape))
        random = market.randomness if isinstance(market, Market) else Randomness()
        self._sees_adstock = mode == "full" and isinstance(market, Market)
        self._sees_price = mode != "spend" and random.price_sigma > 0.0
        self._per_sigma = 1.0 / random.price_sigma if self._sees_price else 0.0
        self._spends_alone = mode == "spend"
        # Bounds hold by themselves but for the user's own numbers, and for sales of drawn parameters.
        self._clips = obs_range is not None or not isinstance(market, Market)
        self._clips_sales = random.any and mode != "spend"
        self._n_channels, self.lags = n_channels, int(lags)
        blocks: list[tuple[list[str], npt.ArrayLike, npt.ArrayLike]]
        spends = [f"spend_{name}" for name in market.names]
        most_spent = MOST_DELIVERED if random.delivery_sigma else 1.0
        if mode == "spend":
            blocks = [(spends, *((0.0, most_spent) if obs_range is None else obs_range))]
            units = [cap if obs_range is None else np.ones(n_channels)]
        else:
            even = campaign.budget / campaign.periods
            peak = float(campaign.season.max())
            sales = _sales_bounds(market, peak, even)
            blocks = [(spends, 0.0, most_spent), (["sales"], *sales), (["budget_left"], 0.0, 1.0)]
            units = [cap, np.array([even, campaign.budget])]
            if self._sees_adstock and isinstance(market, Market):
                most_media = most_spent * (np.exp(EXTREME * random.price_sigma) if random.price_sigma else 1.0)
                reachable = np.maximum(cap * most_media, market.initial_adstock) / market.kappa
                blocks.append(([f"adstock_{name}" for name in market.names], 0.0, reachable))
                units.append(market.kappa)
            blocks.append((["pace", "time_left", *(["urgency"] if urgency else [])], 0.0, 1.0))
            if len(set(campaign.season)) > 1:
                blocks.append((["demand_index", "season_sin", "season_cos"], [0, -1, -1], [max(1.0, peak), 1, 1]))
            shown = [True, urgency, *[len(set(campaign.season)) > 1] * 3]
            self._calendar = _calendar(campaign)[:, shown]
            if self._sees_price:
                blocks.append(([f"price_shock_{name}" for name in market.names], -EXTREME, EXTREME))
            if self._belief is not None:
                half = len(self._belief.names) // 2
                blocks += [(self._belief.names[:half], -EXTREME, EXTREME), (self._belief.names[half:], 0.0, MOST_DOUBT)]
                blocks.append((self._belief.marginal_names, 0.0, MOST_MARGINAL))
            for lag in range(1, self.lags + 1):
                blocks += [([f"{name}_lag{lag}" for name in spends], 0.0, most_spent), ([f"sales_lag{lag}"], *sales)]
            # Divided by 1 at the end, where no period is left.
            periods_left = np.maximum(campaign.periods - np.arange(campaign.periods + 1), 1)
            self._per_pace = 1.0 / (periods_left * cap.sum())
        self.names = [name for names, _, _ in blocks for name in names]
        low, high = (
            np.concatenate(
                [np.broadcast_to(np.asarray(block[end], dtype=np.float32), len(block[0])) for block in blocks]
            )
            for end in (1, 2)
        )
        self.space = spaces.Box(low, high, dtype=np.float32)
        # Entries come first here: NumPy is slow at broadcasting along a short last axis.
        column = (-1, *(1,) * len(campaign.batch_shape))
        self._entries = np.zeros((len(self.names), *campaign.batch_shape))
        per_money = 1.0 / np.concatenate(units)
        self._n_money, self._per_money = len(per_money), per_money.reshape(column)
        if not self._spends_alone:
            self._calendar = self._calendar.reshape(len(self._calendar), *column)
        self._low, self._high = self.space.low.reshape(column), self.space.high.reshape(column)

    def observe(self, campaign: CampaignSimulator, last: Period | None) -> npt.NDArray[np.float32]:
        """
        The observations between two periods; with lags or a belief to be asked for once a period.

        :param campaign: The campaigns.
        :param last: What happened last; ``None`` at the start (nothing spent, nothing sold).
        :return: Observations, shape (..., D).
        """
        entries, n_channels, n_money = self._entries, self._n_channels, self._n_money
        if self.lags:
            self._shift(entries, last)
        entries[:n_channels] = 0.0 if last is None else last.spend.T
        if not self._spends_alone:
            entries[n_channels] = 0.0 if last is None else last.total_sales
            entries[n_channels + 1] = campaign.budget_left
            if self._sees_adstock:
                entries[n_channels + 2 : n_money] = campaign.adstock.T
            calendar = self._calendar[campaign.period]
            end = n_money + 1 + len(calendar)
            entries[n_money] = np.minimum(campaign.budget_left * self._per_pace[campaign.period], 1.0)
            entries[n_money + 1 : end] = calendar
            if self._belief is not None:
                self._learn(self._belief, campaign, last)
                start = end + n_channels * self._sees_price
                beliefs = self._belief.entries.reshape(-1, *campaign.batch_shape)
                entries[start : start + len(beliefs)] = np.clip(beliefs, -EXTREME, EXTREME)
                marginal = self._belief.marginal(np.atleast_2d(campaign.adstock))
                start += len(beliefs)
                entries[start : start + n_channels] = marginal.reshape(-1, *campaign.batch_shape)
            if self._sees_price:
                shocks = campaign.scenario.price_shock
                # Nothing is bought after the last period.
                if shocks is None or campaign.done:
                    entries[end : end + n_channels] = 0.0
                else:
                    entries[end : end + n_channels] = shocks[campaign.period].T * self._per_sigma
        entries[:n_money] *= self._per_money
        if self._clips_sales:
            np.clip(entries[n_channels], self._low[n_channels], self._high[n_channels], out=entries[n_channels, ...])
        if self._clips:
            np.clip(entries, self._low, self._high, out=entries)
        observation: npt.NDArray[np.float32] = entries.T.astype(np.float32, order="C")
        return observation

    def _learn(self, belief: Belief, campaign: CampaignSimulator, last: Period | None) -> None:
        """Update the belief by the last period."""
        if last is None:
            belief.reset()
        else:
            adstock = np.atleast_2d(last.adstock)
            belief.learn(adstock, np.atleast_1d(last.total_sales), float(campaign.season[campaign.period - 1]))

    def _shift(self, entries: FloatArray, last: Period | None) -> None:
        """Move spends and sales, and those of earlier periods, one period back."""
        width = self._n_channels + 1
        past = entries[-self.lags * width :]
        if last is None:
            past[...] = 0.0
        else:
            past[width:] = past[:-width].copy()
            past[:width] = entries[:width]


def _sales_bounds(market: Market | SalesFunctionMarket, peak: float, even: float) -> tuple[float, float]:
    """Bounds of the sales of a period, relative to the average budget of a period."""
    if not isinstance(market, Market):
        return -10.0, 10.0
    random, saturation = market.randomness, float(market.beta.sum())
    noise = EXTREME * random.sales_sigma * saturation
    # Of drawn or drifting parameters only what is beyond any reason is cut off.
    most = peak * saturation * (EXTREME if random.draws_parameters or random.drift_sigma else 1.0)
    return -noise / even, (most + noise) / even


def _calendar(campaign: CampaignSimulator) -> npt.NDArray[np.float32]:
    """Time left, urgency, demand and phase of the season before every period and after the last, shape (T + 1, 5)."""
    periods = np.arange(campaign.periods + 1)
    days = campaign.market.period_days
    angle = 2.0 * np.pi * periods * days / (7.0 if days < 7.0 else 365.25)
    urgency = 1.0 / np.maximum(campaign.periods - periods, 1)
    columns = [1.0 - periods / campaign.periods, urgency, np.append(campaign.season, 1.0), np.sin(angle), np.cos(angle)]
    return np.column_stack(columns).astype(np.float32)
