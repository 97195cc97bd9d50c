"""One ad-budget problem: what is to be decided, what is seen, and the simulator that answers."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from typing_extensions import TypedDict

from sb3_ext.common.arrays import BoolArray, FloatArray
from sb3_ext.envs.ad_spend.campaign.actions import ActionMap, ActionMode
from sb3_ext.envs.ad_spend.campaign.observations import ObservationMap, ObsMode, Range
from sb3_ext.envs.ad_spend.campaign.scenario import Scenario, ScenarioSampler
from sb3_ext.envs.ad_spend.campaign.simulator import CampaignSimulator, Period
from sb3_ext.envs.ad_spend.market.checks import check_count, check_number
from sb3_ext.envs.ad_spend.market.market import Market
from sb3_ext.envs.ad_spend.market.presets import resolve_market
from sb3_ext.envs.ad_spend.market.sales_function import SalesFunction, SalesFunctionMarket

Constructor = TypeVar("Constructor", bound=Callable[..., None])


class CampaignOptions(TypedDict, total=False):
    """Arguments that all AdSpend environments share; see :class:`AdSpendEnv`."""

    action_mode: ActionMode
    obs_mode: ObsMode | None
    lags: int
    urgency: bool
    belief: bool
    sales_function: SalesFunction | None
    obs_range: Range | None
    act_range: Range | None
    channel_names: tuple[str, ...]
    reward_scale: float | None


class CampaignProblem:
    """What :class:`AdSpendEnv` (``num_envs`` is ``None``) and :class:`AdSpendVectorEnv` have in common."""

    def __init__(
        self,
        num_envs: int | None,
        market: Market | str | os.PathLike[str],
        budget: float | None,
        periods: int,
        *,
        action_mode: ActionMode = "normalized",
        obs_mode: ObsMode | None = None,
        lags: int = 0,
        urgency: bool = False,
        belief: bool = False,
        sales_function: SalesFunction | None = None,
        obs_range: Range | None = None,
        act_range: Range | None = None,
        channel_names: tuple[str, ...] = ("facebook", "instagram"),
        reward_scale: float | None = None,
    ) -> None:
        self.market: Market | SalesFunctionMarket
        if sales_function is None:
            self.market = resolve_market(market)
        elif callable(sales_function):
            self.market = SalesFunctionMarket(sales_function, channel_names)
        else:
            raise ValueError(f"sales_function must be callable, got {type(sales_function).__name__}")
        n_channels = len(self.market.names)
        limits = None if act_range is None else _bounds(act_range, n_channels, "act_range", lowest=0.0)
        if limits is not None and not np.all(limits[1] > 0.0):
            raise ValueError(f"act_range: largest spends must be above 0, got {limits[1].tolist()}")
        if budget is None:
            per_period = self.market.historical_mean.sum() if limits is None else np.mean(limits, axis=0).sum()
            if per_period <= 0.0:
                raise ValueError(
                    "budget must be given: there is neither a historical mean spend nor an act_range to derive it"
                )
            budget = float(per_period) * check_count(periods, "periods")
        self._campaign = campaign = CampaignSimulator(self.market, budget, periods, num_envs)
        self.budget, self.periods = campaign.budget, campaign.periods
        low, cap = limits or (np.zeros(n_channels), self.market.spend_caps(self.budget, self.periods))
        scale = self.budget if reward_scale is None else reward_scale
        self.reward_scale = check_number(scale, "reward_scale", 0.0, low_open=True)
        if obs_range is not None:
            _bounds(obs_range, n_channels, "obs_range")
        if low.sum() * self.periods > self.budget * (1.0 + 1e-12):
            raise ValueError(
                f"act_range: the smallest spends amount to {low.sum() * self.periods:g}, "
                f"more than the budget {self.budget:g}"
            )
        self.action_map = ActionMap(action_mode, low, cap)
        self.obs_mode: ObsMode = ("full" if obs_range is None else "spend") if obs_mode is None else obs_mode
        if obs_range is not None and self.obs_mode != "spend":
            raise ValueError(f'obs_range needs obs_mode="spend", got obs_mode={self.obs_mode!r}')
        self.observation_map = ObservationMap(
            self.obs_mode, campaign, self.action_map.cap, obs_range, lags, urgency, belief
        )
        self.observation_names = tuple(self.observation_map.names)
        self._sampler = None
        if isinstance(self.market, Market) and self.market.randomness.any:
            self._sampler = ScenarioSampler(self.market, self.periods)
        self._actions = self.action_map.repeated(campaign.batch_shape)
        self._action_shape = (*campaign.batch_shape, n_channels)

    @property
    def spend_bounds(self) -> tuple[FloatArray, FloatArray]:
        """Smallest and largest spend per channel and period, two arrays of shape (N,), money."""
        return self.action_map.low, self.action_map.cap

    @property
    def scenario(self) -> Scenario:
        """What fate holds for the current campaign. Not for policies: they would be clairvoyant."""
        return self._campaign.scenario

    def _begin(self) -> npt.NDArray[np.float32]:
        """Start new campaigns; observations, shape (..., D)."""
        scenario = None if self._sampler is None else self._sampler.draw()
        if scenario is not None and not self._campaign.batch_shape:
            scenario = scenario.of(0)
        self._campaign.reset(scenario)
        return self.observation_map.observe(self._campaign, None)

    def _play(
        self, action: npt.NDArray[Any]
    ) -> tuple[npt.NDArray[np.float32], FloatArray, BoolArray | np.bool_, Period]:
        """Spend for one period; observations, the spend asked for, whether it was limited, and what happened."""
        asked = np.asarray(action, dtype=np.float64)
        if asked.shape != self._action_shape:
            raise ValueError(f"an action must have the shape {self._action_shape}, got {asked.shape}")
        requested = self._actions.to_spend(asked)
        wanted = self._actions.limit(requested)
        changed = wanted != requested
        limits = np.count_nonzero(changed) > 0
        if limits and not np.all(np.isfinite(requested)):
            raise ValueError(f"an action must hold finite numbers, got {asked[~np.isfinite(asked)].tolist()}")
        period = self._campaign.step(wanted)
        clipped = changed.any(axis=-1) | period.overspent if limits else period.overspent
        return self.observation_map.observe(self._campaign, period), requested, clipped, period


def shows_options(init: Constructor) -> Constructor:
    """Show the :class:`CampaignOptions` of a constructor one by one in ``help`` and ``inspect.signature``."""
    *own, _ = inspect.signature(init).parameters.values()
    shared = inspect.signature(CampaignProblem.__init__).parameters.values()
    options = [parameter for parameter in shared if parameter.kind is parameter.KEYWORD_ONLY]
    init.__signature__ = inspect.Signature([*own, *options], return_annotation="None")  # type: ignore[attr-defined]
    return init


def _bounds(bounds: Range, n_channels: int, what: str, lowest: float = -np.inf) -> tuple[FloatArray, FloatArray]:
    try:
        low, high = (np.broadcast_to(np.asarray(end, dtype=np.float64), n_channels) for end in bounds)
    except (TypeError, ValueError):
        raise ValueError(
            f"{what} must be (low, high), numbers or {n_channels} numbers each, got {' '.join(repr(bounds).split())}"
        ) from None
    ordered = np.all(low <= high) and np.any(low < high) and np.all(low >= lowest)
    if not (np.all(np.isfinite(low)) and np.all(np.isfinite(high)) and ordered):
        raise ValueError(
            f"{what} must be finite with {lowest:g} <= low <= high and low < high of at least one channel, "
            f"got {' '.join(repr(bounds).split())}"
        )
    return low, high
