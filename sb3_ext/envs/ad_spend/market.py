"""The batched campaign simulator: pure NumPy over (..., channels), for one campaign or thousands at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sb3_ext.envs.ad_spend.checks import check_number, check_periods
from sb3_ext.envs.ad_spend.params import FloatArray, Market

SalesFunction = Callable[[FloatArray], float | FloatArray]


class SalesFunctionMarket:
    """
    A market known only through the user's function from today's spend to today's sales, without carry-over.

    :param sales_function: Maps the spend per channel, shape (N,), to the sales of the period: their sum (a number) or
        one number per channel, shape (N,).
    :param names: Names of the channels.
    :raises ValueError: If the names are not unique, or the function returns something else, or values that are not
        finite.
    """

    period_days = 1.0
    margin = 1.0
    spend_cost = 0.0
    tail_periods = 0

    def __init__(self, sales_function: SalesFunction, names: Sequence[str]) -> None:
        valid = not isinstance(names, str) and all(isinstance(name, str) and name for name in names)
        if not valid or not names or len(set(names)) != len(names):
            raise ValueError(f"channel names must be unique, non-empty strings, at least one, got {names!r}")
        self.sales_function = sales_function
        self.names = tuple(names)
        self.theta = np.zeros(len(names))
        self.initial_adstock = np.zeros(len(names))
        self.response(self.initial_adstock)

    def season_factors(self, periods: int) -> FloatArray:
        """
        Constant demand.

        :param periods: Length of the campaign.
        :return: Ones, shape (periods,).
        """
        return np.ones(periods)

    def response(self, adstock: FloatArray) -> FloatArray:
        """
        Sales of every row of spends.

        :param adstock: The spends (there is no carry-over), shape (..., N).
        :return: Sales, shape (..., N) or (..., 1), as the function gives them.
        :raises ValueError: If the function returns another shape or values that are not finite.
        """
        rows = adstock.reshape(-1, len(self.names))
        return np.array([self._sales(row) for row in rows]).reshape(*adstock.shape[:-1], -1)

    def _sales(self, spend: FloatArray) -> FloatArray:
        returned = self.sales_function(spend.copy())
        try:
            sold = np.atleast_1d(np.asarray(returned, dtype=np.float64))
        except (TypeError, ValueError):
            sold = np.array([np.nan])
        if sold.shape not in ((1,), (len(self.names),)) or not np.all(np.isfinite(sold)):
            raise ValueError(
                f"sales_function must return one finite number, or one per channel ({len(self.names)}), "
                f"got {' '.join(repr(returned).split())} for the spend {spend.tolist()}"
            )
        return sold


class Period(NamedTuple):
    """What happened in one period; numbers and shape (N,) for a single campaign, shapes (n,) and (n, N) for a batch."""

    spend: FloatArray
    """Money spent per channel, at most the caps and what was left of the budget."""
    sales: FloatArray
    """Sales per channel (or one column for a user's own function), carry-over included."""
    total_sales: FloatArray | np.float64
    """Sales of all channels together."""
    value: FloatArray | np.float64
    """
    Money earned: margin of the sales, less the costs of spending, less what a zero-spend campaign would have earned.
    """
    tail: FloatArray | np.float64
    """Money the adstock left at the end of the campaign will earn; 0 before."""
    overspent: npt.NDArray[np.bool_] | np.bool_
    """Whether the spend was scaled down because the budget did not suffice."""
    adstock: FloatArray
    """Adstock that sold in this period."""


class CampaignSimulator:
    """
    Steps campaigns of one market, all at once. Model and formulas: ``docs/adspend.md``.

    :param market: The market.
    :param budget: Budget of each campaign, money, from 1e-6 to 1e15.
    :param periods: Length of the campaigns, >= 1.
    :param num_envs: Number of campaigns; ``None``: a single one, whose arrays have no leading dimension.
    :raises ValueError: If the budget or the number of periods is out of range.
    """

    def __init__(
        self, market: Market | SalesFunctionMarket, budget: float, periods: int, num_envs: int | None = None
    ) -> None:
        self.market = market
        self.budget = check_number(budget, "budget", 1e-6, 1e15)
        self.periods = check_periods(periods)
        self.batch_shape = () if num_envs is None else (num_envs,)
        self.season = market.season_factors(self.periods)
        self._demand = list(self.season)
        self._gain = 1.0 - market.theta
        self._no_tail = np.zeros(self.batch_shape)[()]
        self.reset()

    def reset(self) -> None:
        """Start all campaigns: full budget, adstock at the steady state of the historical mean spend."""
        shape = (*self.batch_shape, len(self.market.names))
        self.period = 0
        self.budget_left = np.full(self.batch_shape, self.budget)[()]
        self.adstock = np.broadcast_to(self.market.initial_adstock, shape).copy()

    @property
    def done(self) -> bool:
        """Whether the campaigns are over."""
        return self.period >= self.periods

    def step(self, spend: FloatArray) -> Period:
        """
        Advance all campaigns by one period.

        :param spend: Requested spend, finite and >= 0, shape (..., N). If its sum exceeds what is left of the budget,
            all channels are scaled down alike.
        :return: What happened.
        :raises RuntimeError: If the campaigns are over.
        """
        if self.done:
            raise RuntimeError("the campaign is over: call reset() first")
        market, left = self.market, self.budget_left
        total = np.add.reduce(spend, axis=-1)
        overspent = total > left
        if np.count_nonzero(overspent):
            spend = spend * np.minimum(left / np.maximum(total, 1e-300), 1.0)[..., None]
            # Rounding must not flag a plan that uses up the budget exactly.
            overspent = total > left * (1.0 + 1e-9)
            total = np.minimum(total, left)
        self.budget_left = left - total
        self.adstock = market.theta * self.adstock + self._gain * spend
        sales = market.response(self.adstock) * self._demand[self.period]
        total_sales = np.add.reduce(sales, axis=-1)
        value = market.margin * total_sales - self._idle_value[self.period]
        if market.spend_cost:
            value = value - market.spend_cost * total
        self.period += 1
        tail = self._tail_value() if self.done else self._no_tail
        return Period(spend, sales, total_sales, value, tail, overspent, self.adstock)

    def plan_value(self, plan: FloatArray) -> float:
        """
        Value of a whole spend plan, tail included.

        :param plan: Spends, shape (periods, N), money.
        :return: Money earned over a zero-spend campaign.
        :raises ValueError: If the plan has another shape, or holds spends that are negative or not finite.
        """
        expected = (self.periods, len(self.market.names))
        if np.shape(plan) != expected:
            raise ValueError(f"a plan of this campaign has the shape {expected}, got {np.shape(plan)}")
        if not np.all(np.isfinite(plan)) or np.any(np.asarray(plan) < 0.0):
            raise ValueError("a plan must hold finite spends >= 0")
        campaign = CampaignSimulator(self.market, self.budget, self.periods)
        steps = [campaign.step(spend) for spend in np.asarray(plan, dtype=np.float64)]
        return float(sum(step.value + step.tail for step in steps))

    @cached_property
    def _idle_value(self) -> FloatArray:
        """Money that a campaign without spend earns per period, from the adstock it started with."""
        sales = self.market.response(self._idle_adstock) * self.season[:, None]
        return np.asarray(self.market.margin * np.add.reduce(sales, axis=-1))

    @cached_property
    def _idle_adstock(self) -> FloatArray:
        """Adstock of a campaign without spend, shape (T, N); computed as in ``step``: zero spend earns exactly 0."""
        decay = np.broadcast_to(self.market.theta, (self.periods + 1, len(self.market.names))).copy()
        decay[0] = self.market.initial_adstock
        return np.multiply.accumulate(decay)[1:]

    def _tail_value(self) -> FloatArray:
        """Money from the adstock left at the end, with no further spend, at the demand of ordinary periods."""
        if not self.market.tail_periods:
            return self._no_tail
        powers = self.market.theta ** np.arange(1, self.market.tail_periods + 1)[:, None]
        idle = self._idle_adstock[-1]
        sold = self.market.response(self.adstock[..., None, :] * powers).sum(axis=(-2, -1))
        gained: FloatArray = self.market.margin * (sold - self.market.response(idle * powers).sum(axis=(-2, -1)))
        return gained
