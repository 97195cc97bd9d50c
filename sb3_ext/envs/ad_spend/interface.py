"""How an agent acts on a campaign and what it sees of it: the maps between Box spaces and money."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from sb3_ext.envs.ad_spend.market import CampaignSimulator, Period
from sb3_ext.envs.ad_spend.params import FloatArray, Market

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
    """

    def __init__(
        self,
        mode: ObsMode,
        campaign: CampaignSimulator,
        cap: FloatArray,
        obs_range: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    ) -> None:
        check_mode(mode, ObsMode, "obs_mode")
        market, n_channels = campaign.market, len(cap)
        self._sees_adstock = mode == "full" and isinstance(market, Market)
        self._spends_alone = mode == "spend"
        # Only the user's own numbers can leave their bounds.
        self._clips = obs_range is not None or not isinstance(market, Market)
        self._n_channels = n_channels
        blocks: list[tuple[list[str], npt.ArrayLike, npt.ArrayLike]]
        spends = [f"spend_{name}" for name in market.names]
        if mode == "spend":
            blocks = [(spends, *((0.0, 1.0) if obs_range is None else obs_range))]
            units = [cap if obs_range is None else np.ones(n_channels)]
        else:
            even = campaign.budget / campaign.periods
            peak = float(campaign.season.max())
            sales = (0.0, market.beta.sum() * peak / even) if isinstance(market, Market) else (-10.0, 10.0)
            blocks = [(spends, 0.0, 1.0), (["sales"], *sales), (["budget_left"], 0.0, 1.0)]
            units = [cap, np.array([even, campaign.budget])]
            if self._sees_adstock and isinstance(market, Market):
                reachable = np.maximum(cap, market.initial_adstock) / market.kappa
                blocks.append(([f"adstock_{name}" for name in market.names], 0.0, reachable))
                units.append(market.kappa)
            blocks.append((["pace", "time_left"], 0.0, 1.0))
            if len(set(campaign.season)) > 1:
                blocks.append((["demand_index", "season_sin", "season_cos"], [0, -1, -1], [max(1.0, peak), 1, 1]))
            self._calendar = _calendar(campaign)[:, : 1 if len(set(campaign.season)) == 1 else None]
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
        self._money = np.zeros((*campaign.batch_shape, sum(len(unit) for unit in units)))
        self._per_money = 1.0 / np.concatenate(units)

    def observe(self, campaign: CampaignSimulator, last: Period | None) -> npt.NDArray[np.float32]:
        """
        The observations between two periods.

        :param campaign: The campaigns.
        :param last: What happened last; ``None`` at the start (nothing spent, nothing sold).
        :return: Observations, shape (..., D).
        """
        money, n_channels = self._money, self._n_channels
        n_money = money.shape[-1]
        money[..., :n_channels] = 0.0 if last is None else last.spend
        observation = np.empty((*campaign.batch_shape, len(self.names)), dtype=np.float32)
        if not self._spends_alone:
            money[..., n_channels] = 0.0 if last is None else last.total_sales
            money[..., n_channels + 1] = campaign.budget_left
            if self._sees_adstock:
                money[..., n_channels + 2 :] = campaign.adstock
            observation[..., n_money] = np.minimum(campaign.budget_left * self._per_pace[campaign.period], 1.0)
            observation[..., n_money + 1 :] = self._calendar[campaign.period]
        np.multiply(money, self._per_money, out=observation[..., :n_money], casting="same_kind")
        if self._clips:
            np.clip(observation, self.space.low, self.space.high, out=observation)
        return observation


def _calendar(campaign: CampaignSimulator) -> npt.NDArray[np.float32]:
    """Time left, demand factor and phase of the season before every period and after the last, shape (T + 1, 4)."""
    periods = np.arange(campaign.periods + 1)
    days = campaign.market.period_days
    angle = 2.0 * np.pi * periods * days / (7.0 if days < 7.0 else 365.25)
    columns = [1.0 - periods / campaign.periods, np.append(campaign.season, 1.0), np.sin(angle), np.cos(angle)]
    return np.column_stack(columns).astype(np.float32)
