"""The best plan within bounds and a budget, which is all that channels share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.market.market import Market
from sb3_ext.envs.ad_spend.optimum.aim import Aim
from sb3_ext.envs.ad_spend.optimum.barrier import Polytope, maximize
from sb3_ext.envs.ad_spend.optimum.channel_problem import ChannelProblem, channel_problems
from sb3_ext.envs.ad_spend.optimum.lagrangian_bound import lagrangian_bound
from sb3_ext.envs.ad_spend.optimum.outlook import Outlook
from sb3_ext.envs.ad_spend.optimum.pulses import pulse_plans
from sb3_ext.envs.ad_spend.optimum.search import Found

# Relative: what sums of money may be off by, and the least difference between the smallest and largest spend.
ROUNDING, _LEAST_ROOM = 1e-12, 1e-9


@dataclass(frozen=True, eq=False)
class BudgetProblem:
    """What is to be planned within a budget that is not yet known."""

    aim: Aim
    """What is maximised."""
    low: FloatArray
    """Smallest spends, shape (N, T), money."""
    cap: FloatArray
    """Largest spends, likewise."""
    apart: Callable[[], list[ChannelProblem]]
    """Its channels one by one, for aims that are not concave."""
    is_exact: bool
    """Whether these are the whole problem, and not only near it."""

    @classmethod
    def of(
        cls,
        market: Market,
        outlook: Outlook,
        expected: Outlook,
        bounds: tuple[FloatArray, FloatArray],
        risk: float | None = None,
    ) -> BudgetProblem:
        """Of a market, in an outlook of one campaign or of n, where one campaign is ``expected``."""
        return cls(
            Aim.of(market, outlook, *bounds, risk),
            *bounds,
            lambda: channel_problems(market, expected, *bounds),
            outlook is expected and outlook.weights is None,
        )

    def best(self, budget: float, tolerance: float) -> Found:
        """
        The best plan, certified by the Frank-Wolfe gap, which is a fractional knapsack.

        An aim that is not concave is searched from several starts; where its channels are the whole problem the price
        of money bounds it too.
        """
        aim, low, cap = self.aim, self.low, self.cap
        if low.sum() >= budget * (1.0 - ROUNDING):
            value = aim.gain(low)
            return Found(low, value, value)
        # A barrier needs some room, where a spend is fixed too; what is found there is cut off again.
        polytope = Polytope(low, np.maximum(cap, low * (1.0 + _LEAST_ROOM)), budget)
        if polytope.gap(low, aim.relaxation.gradient(low)) <= 0.0:
            relaxed, slack = low, 0.0
        else:
            relaxed, slack = maximize(aim.relaxation, polytope, polytope.center(), tolerance)
        upper_bound = aim.bound(relaxed) + slack
        relaxed = np.minimum(relaxed, cap)
        if aim.is_concave:
            return Found(relaxed, aim.gain(relaxed), upper_bound)
        channels = self.apart()
        if self.is_exact:
            highest_price = (upper_bound - aim.gain(low)) / polytope.spare
            upper_bound = min(upper_bound, lagrangian_bound(channels, budget, max(highest_price, 0.0)) - aim.idle)
        pulses = pulse_plans(channels, budget)
        efficient = np.minimum([float(channel.curve.touching) for channel in channels], cap.max(axis=1))
        starts = polytope.starts(relaxed, efficient, pulses)
        found = [maximize(aim.objective, polytope, start, tolerance)[0] for start in starts]
        plans = [np.minimum(plan, cap) for plan in (*found, relaxed, low, polytope.even(), *pulses)]
        best = max(plans, key=aim.gain)
        return Found(best, aim.gain(best), upper_bound)
