"""The batched campaign simulator: pure NumPy over (..., channels), for one campaign or thousands at once."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from sb3_ext.common.arrays import BoolArray, FloatArray
from sb3_ext.envs.ad_spend.campaign.scenario import Scenario
from sb3_ext.envs.ad_spend.market.checks import check_count, check_number
from sb3_ext.envs.ad_spend.market.market import Market
from sb3_ext.envs.ad_spend.market.sales_function import SalesFunctionMarket


class Period(NamedTuple):
    """What happened in one period; numbers and shape (N,) for a single campaign, shapes (n,) and (n, N) for a batch."""

    spend: FloatArray
    """Money spent per channel: what was delivered, at most what was left of the budget."""
    sales: FloatArray
    """Sales per channel (or one column for a user's own function), carry-over included."""
    total_sales: FloatArray | np.float64
    """Sales of all channels together, with their noise."""
    value: FloatArray | np.float64
    """
    Money earned: margin of the sales, less the costs of spending, less what a zero-spend campaign would have earned.
    """
    tail: FloatArray | np.float64
    """Money the adstock left at the end of the campaign will earn; 0 before."""
    overspent: BoolArray | np.bool_
    """Whether the spend was scaled down because the budget did not suffice."""
    adstock: FloatArray
    """Adstock that sold in this period."""


class CampaignSimulator:
    """
    Steps campaigns of one market, all at once. Model and formulas: ``docs/adspend.md``. Without ``num_envs`` there is a
    single campaign, whose arrays have no leading dimension.
    """

    def __init__(
        self, market: Market | SalesFunctionMarket, budget: float, periods: int, num_envs: int | None = None
    ) -> None:
        self.market = market
        self.budget = check_number(budget, "budget", 1e-6, 1e15)
        self.periods = check_count(periods, "periods")
        self.batch_shape = () if num_envs is None else (num_envs,)
        self.season = market.season_factors(self.periods)
        self._no_tail = np.zeros(self.batch_shape)[()]
        has_window = isinstance(market, Market) and market.weights is not None
        self._kind = _WindowConditions if has_window else _Conditions
        self._expected = self._kind(self, Scenario())
        self.reset()

    def reset(self, scenario: Scenario | None = None) -> None:
        """Start all: full budget, and advertising carried over from before. ``None``: no chance."""
        shape = (*self.batch_shape, len(self.market.names))
        self.period = 0
        self.budget_left = np.full(self.batch_shape, self.budget)[()]
        self.adstock = np.broadcast_to(self.market.initial_adstock, shape).copy()
        if scenario is None:
            self._conditions = self._expected
        elif scenario.curves is None and scenario.drift is None:
            self._conditions = self._expected.under(scenario)
        else:
            self._conditions = self._kind(self, scenario)
        self.window = self._conditions.window
        """Media of the last L periods, newest first, shape (L, ..., N), where a channel's carry-over has a window."""

    @property
    def scenario(self) -> Scenario:
        """What happens to the campaigns."""
        return self._conditions.scenario

    @property
    def demand(self) -> FloatArray | np.float64:
        """Demand factor of the last period, a number or shape (..., N)."""
        return self._conditions.demand[self.period - 1]

    @property
    def done(self) -> bool:
        """Whether the campaigns are over."""
        return self.period >= self.periods

    def step(self, spend: FloatArray) -> Period:
        """Advance by a finite spend >= 0, (..., N); beyond the budget left all channels are scaled down alike."""
        if self.done:
            raise RuntimeError("the campaign is over: call reset() first")
        market, left, period = self.market, self.budget_left, self.period
        conditions = self._conditions
        scenario = conditions.scenario
        if scenario.delivery is not None:
            spend = spend * scenario.delivery[period]
        total = conditions.add_up(spend)
        overspent = total > left
        if np.count_nonzero(overspent):
            spend = spend * (np.minimum(left, total) / np.maximum(total, 1e-300))[..., None]
            # Rounding must not flag a plan that uses up the budget exactly.
            overspent = total > left * (1.0 + 1e-9)
            total = np.minimum(total, left)
        self.budget_left = left - total
        media = spend if scenario.media is None else spend * scenario.media[period]
        self.adstock, self.window = conditions.carry_over(self.adstock, self.window, media)
        sales = conditions.sold(self.adstock, self.window) * conditions.demand[period]
        total_sales = conditions.add_up(sales)
        if scenario.sales_noise is not None:
            total_sales = total_sales + scenario.sales_noise[period]
        value = market.margin * total_sales - conditions.idle_value[period]
        if market.spend_cost:
            value = value - market.spend_cost * total
        self.period += 1
        tail = conditions.tail_value(self.adstock, self.window) if self.done else self._no_tail
        return Period(spend, sales, total_sales, value, tail, overspent, self.adstock)

    def plan_value(self, plan: FloatArray) -> float:
        """Expected value of a whole plan, shape (periods, N), where nothing random happens, tail included."""
        expected = (self.periods, len(self.market.names))
        if np.shape(plan) != expected:
            raise ValueError(f"a plan of this campaign has the shape {expected}, got {np.shape(plan)}")
        if not np.all(np.isfinite(plan)) or np.any(np.asarray(plan) < 0.0):
            raise ValueError("a plan must hold finite spends >= 0")
        campaign = CampaignSimulator(self.market, self.budget, self.periods)
        steps = [campaign.step(spend) for spend in np.asarray(plan, dtype=np.float64)]
        return float(sum(step.value + step.tail for step in steps))


class _Conditions:
    """
    Under which conditions the campaigns of a simulator take place, and what zero-spend campaigns earn under them.

    Constants of a batch have the full shape (n, N): NumPy is slow at broadcasting along a short last axis.
    """

    def __init__(self, campaigns: CampaignSimulator, scenario: Scenario) -> None:
        market, batch_shape = campaigns.market, campaigns.batch_shape
        self.scenario = scenario
        self._shape = (*batch_shape, len(market.names))
        self._margin, self._tail_periods = market.margin, market.tail_periods
        curves = scenario.curves
        if curves is None and isinstance(market, Market):
            curves = market.curves.map(self._full)
        self.response = (market if curves is None else curves).response
        self.theta = self._full(market.theta if scenario.theta is None else scenario.theta)
        self.gain = 1.0 - self.theta
        self._ones = np.ones(len(market.names))
        self._initial = self._full(market.initial_adstock)
        self.window: FloatArray | None = None
        self._spend_afterwards = market.spend_afterwards if isinstance(market, Market) else np.zeros(1)
        # Demand factors of all periods: numbers, or arrays of shape (..., N) where they drift.
        self.demand: Sequence[FloatArray] = list(campaigns.season)
        self._after: FloatArray | float = 1.0
        if scenario.drift is not None:
            self.demand = [factor * drift for factor, drift in zip(campaigns.season, scenario.drift, strict=True)]
            self._after = scenario.drift[-1]

    def under(self, scenario: Scenario) -> _Conditions:
        """The same for another scenario under which zero-spend campaigns earn as much."""
        _ = self.idle_value, self._idle_tail
        conditions = copy.copy(self)
        conditions.scenario = scenario
        return conditions

    def _full(self, constants: FloatArray) -> FloatArray:
        full: FloatArray = np.broadcast_to(constants, self._shape).copy()
        return full

    def carry_over(
        self, adstock: FloatArray, window: FloatArray | None, media: FloatArray
    ) -> tuple[FloatArray, FloatArray | None]:
        """Adstock of a period, shape (..., N), and the window of media, from those of the period before."""
        return self.theta * adstock + self.gain * media, None

    def sold(self, adstock: FloatArray, window: FloatArray | None) -> FloatArray:
        """Sales of a period at demand factor 1, shape (..., N)."""
        return self.response(adstock)

    def add_up(self, amounts: FloatArray) -> Any:
        """Sum over the channels; a user's own sales function may give one column for all of them."""
        if amounts.ndim == 1:
            return np.add.reduce(amounts)
        return amounts @ self._ones[: amounts.shape[-1]]

    @cached_property
    def idle_value(self) -> list[FloatArray]:
        """Money that campaigns without spend earn per period, from the adstock they started with."""
        return [
            np.asarray(self._margin * self.add_up(self.sold(*carried) * demand))[()]
            for carried, demand in zip(self._idle, self.demand, strict=True)
        ]

    @cached_property
    def _idle(self) -> list[tuple[FloatArray, FloatArray | None]]:
        """Adstock and window of every period without spend; computed as in ``step``: zero spend earns exactly 0."""
        decay = np.broadcast_to(self.theta, (len(self.demand) + 1, *self._shape)).copy()
        decay[0] = self._initial
        return [(level, None) for level in np.multiply.accumulate(decay)[1:]]

    @cached_property
    def _idle_tail(self) -> FloatArray:
        return self._tail_sales(*self._idle[-1]) if self._tail_periods else np.zeros(self._shape[:-1])

    @cached_property
    def _tail_powers(self) -> FloatArray:
        """What is left of the adstock in every period of the tail, shape (tail, ..., N)."""
        powers: FloatArray = np.multiply.accumulate(np.broadcast_to(self.theta, (self._tail_periods, *self._shape)))
        return powers

    @cached_property
    def _tail_added(self) -> FloatArray:
        """What the spend after the campaign adds to the adstock in every period of the tail, likewise."""
        return np.asarray(self._spend_afterwards * (1.0 - self._tail_powers))

    def _tail_sales(self, adstock: FloatArray, window: FloatArray | None) -> FloatArray:
        levels = adstock * self._tail_powers
        if self._spend_afterwards.any():
            levels += self._tail_added
        return np.asarray(self.add_up(self.response(levels) * self._after).sum(axis=0))

    def tail_value(self, adstock: FloatArray, window: FloatArray | None) -> FloatArray:
        """Money from the adstock left at the end, on top of what is spent then, at the demand of ordinary periods."""
        if not self._tail_periods:
            return np.zeros(self._shape[:-1])[()]
        return np.asarray(self._margin * (self._tail_sales(adstock, window) - self._idle_tail))[()]


class _WindowConditions(_Conditions):
    """
    The same where the carry-over of a channel has a window, whose state is its media. Where the others' is geometric,
    their adstock goes on, and of the window only the period itself counts.
    """

    def __init__(self, campaigns: CampaignSimulator, scenario: Scenario) -> None:
        super().__init__(campaigns, scenario)
        market = campaigns.market
        assert isinstance(market, Market) and market.weights is not None and market.window is not None
        weights = market.weights if scenario.weights is None else scenario.weights
        self._weights, self.window = (
            np.stack([self._full(part) for part in np.moveaxis(parts, -1, 0)]) for parts in (weights, market.window)
        )
        self._saturation_first = market.saturation_first

    def carry_over(
        self, adstock: FloatArray, window: FloatArray | None, media: FloatArray
    ) -> tuple[FloatArray, FloatArray | None]:
        assert window is not None
        window = np.concatenate([media[None], window[:-1]])
        return self.theta * adstock + (self._weights * window).sum(axis=0), window

    def sold(self, adstock: FloatArray, window: FloatArray | None) -> FloatArray:
        if self._saturation_first:
            assert window is not None
            return np.asarray((self._weights * self.response(window)).sum(axis=0))
        return self.response(adstock)

    @cached_property
    def _idle(self) -> list[tuple[FloatArray, FloatArray | None]]:
        return self._continued(self._initial, self.window, np.zeros(self._shape), len(self.demand))

    def _continued(
        self, adstock: FloatArray, window: FloatArray | None, media: FloatArray, periods: int
    ) -> list[tuple[FloatArray, FloatArray | None]]:
        """Adstock and window of the coming periods, in which the same media are bought."""
        path = []
        for _ in range(periods):
            adstock, window = self.carry_over(adstock, window, media)
            path.append((adstock, window))
        return path

    def _tail_sales(self, adstock: FloatArray, window: FloatArray | None) -> FloatArray:
        afterwards = self._continued(adstock, window, self._full(self._spend_afterwards), self._tail_periods)
        return np.asarray(sum(self.add_up(self.sold(*carried) * self._after) for carried in afterwards))
