"""A market of which only the user's own sales function is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.market.channel import default_spend_cap
from sb3_ext.envs.ad_spend.market.randomness import Randomness

SalesFunction = Callable[[FloatArray], float | FloatArray]


class SalesFunctionMarket:
    """
    A market known only through the user's function from today's spend (N,) to today's sales, without carry-over: their
    sum (a number) or one number per channel, shape (N,).
    """

    period_days = 1.0
    margin = 1.0
    spend_cost = 0.0
    tail_periods = 0
    randomness = Randomness()

    def __init__(self, sales_function: SalesFunction, names: Sequence[str]) -> None:
        valid = not isinstance(names, str) and all(isinstance(name, str) and name for name in names)
        if not valid or not names or len(set(names)) != len(names):
            raise ValueError(f"channel names must be unique, non-empty strings, at least one, got {names!r}")
        self.sales_function = sales_function
        self.names = tuple(names)
        self.theta = self.initial_adstock = self.historical_mean = np.zeros(len(names))
        self.response(self.initial_adstock)

    def season_factors(self, periods: int) -> FloatArray:
        """Constant demand, shape (periods,)."""
        return np.ones(periods)

    def spend_caps(self, budget: float, periods: int) -> FloatArray:
        """Largest spend per channel and period, shape (N,), money: four times the even split of the budget."""
        return np.full(len(self.names), default_spend_cap(budget, periods, len(self.names)))

    def response(self, adstock: FloatArray) -> FloatArray:
        """Sales of every row of spends (..., N), shape (..., N) or (..., 1), as the function gives them."""
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
