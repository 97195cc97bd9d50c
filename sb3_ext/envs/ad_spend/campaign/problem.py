"""One ad-budget problem: what is to be decided, what is seen, and the simulator that answers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sb3_ext.common.arrays import BoolArray, FloatArray
from sb3_ext.envs.ad_spend.campaign.interface import ActionMap, ActionMode, ObservationMap, ObsMode
from sb3_ext.envs.ad_spend.campaign.scenario import Scenario, ScenarioSampler
from sb3_ext.envs.ad_spend.campaign.simulator import CampaignSimulator, Period, SalesFunction, SalesFunctionMarket
from sb3_ext.envs.ad_spend.market.checks import check_number, check_periods
from sb3_ext.envs.ad_spend.market.market import Market, default_spend_cap
from sb3_ext.envs.ad_spend.market.presets import PERIODS, PRESETS

Range = tuple[npt.ArrayLike, npt.ArrayLike]


def resolve_market(market: Market | str | os.PathLike[str]) -> Market:
    """
    Find a market by what a user passes for it.

    :param market: A market, the name of a preset, or the path of a market file (ours or a Robyn export).
    :return: The market.
    :raises ValueError: If there is neither such a preset nor such a file, or the file is malformed.
    """
    if isinstance(market, Market):
        return market
    if not isinstance(market, (str, os.PathLike)):
        raise ValueError(f"market must be a Market, a preset's name or a file's path, got {type(market).__name__}")
    name = os.fspath(market)
    if name in PRESETS:
        return PRESETS[name]()
    if not os.path.isfile(name):
        raise ValueError(f"market {name!r} is neither a preset ({', '.join(PRESETS)}) nor a file")
    return Market.load(name)


class CampaignProblem:
    """
    What :class:`AdSpendEnv` and :class:`AdSpendVectorEnv` have in common.

    :param num_envs: Number of campaigns; ``None``: a single one, whose arrays have no leading dimension.
    :param market: This and all others: see :class:`AdSpendEnv`.
    :raises ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        num_envs: int | None,
        market: Market | str | os.PathLike[str] = "static",
        budget: float | None = None,
        periods: int = PERIODS,
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
        if budget is None:
            per_period = self.market.initial_adstock.sum() if limits is None else np.mean(limits, axis=0).sum()
            if per_period <= 0.0:
                raise ValueError(
                    "budget must be given: there is neither a historical mean spend nor an act_range to derive it"
                )
            budget = float(per_period) * check_periods(periods)
        self.campaign = CampaignSimulator(self.market, budget, periods, num_envs)
        budget, periods = self.campaign.budget, self.campaign.periods
        if limits is not None:
            low, cap = limits
        elif isinstance(self.market, Market):
            low, cap = np.zeros(n_channels), self.market.spend_caps(budget, periods)
        else:
            low, cap = np.zeros(n_channels), np.full(n_channels, default_spend_cap(budget, periods, n_channels))

        scale = budget if reward_scale is None else reward_scale
        self.reward_scale = check_number(scale, "reward_scale", 0.0, low_open=True)
        if obs_range is not None:
            _bounds(obs_range, n_channels, "obs_range")
        if low.sum() * periods >= budget:
            raise ValueError(
                f"act_range: the smallest spends amount to {low.sum() * periods:g}, "
                f"which leaves nothing of the budget {budget:g}"
            )
        self.action_map = ActionMap(action_mode, low, cap)
        self.obs_mode: ObsMode = ("full" if obs_range is None else "spend") if obs_mode is None else obs_mode
        if obs_range is not None and self.obs_mode != "spend":
            raise ValueError(f'obs_range needs obs_mode="spend", got obs_mode={self.obs_mode!r}')
        self.observation_map = ObservationMap(
            self.obs_mode, self.campaign, self.action_map.cap, obs_range, lags, urgency, belief
        )
        self._sampler = None
        if isinstance(self.market, Market) and self.market.randomness.any:
            self._sampler = ScenarioSampler(self.market, periods)
        self._actions = self.action_map.repeated(self.campaign.batch_shape)
        self._action_shape = (*self.campaign.batch_shape, n_channels)

    @property
    def is_random(self) -> bool:
        """Whether campaigns differ."""
        return self._sampler is not None

    def seed(self, generators: Sequence[np.random.Generator | None]) -> None:
        """
        Seed everything random.

        :param generators: One generator per campaign; ``None``: its random numbers go on.
        """
        if self._sampler is not None:
            self._sampler.seed(generators)

    def reset(self) -> npt.NDArray[np.float32]:
        """
        Start new campaigns.

        :return: Observations, shape (..., D).
        """
        scenario = None if self._sampler is None else self._sampler.draw()
        if scenario is not None and not self.campaign.batch_shape:
            scenario = scenario.of(0)
        self.campaign.reset(scenario)
        return self.observation_map.observe(self.campaign, None)

    def step(self, action: npt.NDArray[Any]) -> tuple[FloatArray, BoolArray | np.bool_, Period]:
        """
        Spend for one period.

        :param action: Actions, shape (..., N), finite.
        :return: The spend asked for, shape (..., N); whether it was limited or scaled down; what happened.
        :raises ValueError: If the actions have another shape or are not finite.
        :raises RuntimeError: If the campaigns are over.
        """
        asked = np.asarray(action, dtype=np.float64)
        if asked.shape != self._action_shape:
            raise ValueError(f"an action must have the shape {self._action_shape}, got {asked.shape}")
        requested = self._actions.to_spend(asked)
        wanted = self._actions.limit(requested)
        changed = wanted != requested
        if not np.count_nonzero(changed):
            period = self.campaign.step(wanted)
            return requested, period.overspent, period
        if not np.all(np.isfinite(requested)):
            raise ValueError(f"an action must hold finite numbers, got {asked[~np.isfinite(asked)].tolist()}")
        period = self.campaign.step(wanted)
        return requested, changed.any(axis=-1) | period.overspent, period


class CampaignProperties:
    """What an environment tells of its campaigns."""

    _problem: CampaignProblem

    @property
    def market(self) -> Market | SalesFunctionMarket:
        """The market."""
        return self._problem.market

    @property
    def budget(self) -> float:
        """Budget of a campaign, money."""
        return self._problem.campaign.budget

    @property
    def periods(self) -> int:
        """Length of a campaign."""
        return self._problem.campaign.periods

    @property
    def action_map(self) -> ActionMap:
        """The map between actions and money."""
        return self._problem.action_map

    @property
    def spend_bounds(self) -> tuple[FloatArray, FloatArray]:
        """Smallest and largest spend per channel and period, two arrays of shape (N,), money."""
        return self.action_map.low, self.action_map.cap

    @property
    def scenario(self) -> Scenario:
        """What fate holds for the current campaign. Not for policies: they would be clairvoyant."""
        return self._problem.campaign.scenario


def _bounds(bounds: Range, n_channels: int, what: str, lowest: float = -np.inf) -> tuple[FloatArray, FloatArray]:
    try:
        low, high = (np.broadcast_to(np.asarray(end, dtype=np.float64), n_channels) for end in bounds)
    except (TypeError, ValueError):
        raise ValueError(
            f"{what} must be (low, high), numbers or {n_channels} numbers each, got {' '.join(repr(bounds).split())}"
        ) from None
    if not (np.all(np.isfinite(low)) and np.all(np.isfinite(high)) and np.all(low < high) and np.all(low >= lowest)):
        raise ValueError(f"{what} must be finite with {lowest:g} <= low < high, got {' '.join(repr(bounds).split())}")
    return low, high
