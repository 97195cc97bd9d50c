"""A log-barrier Newton method for the best plan of one campaign (Boyd & Vandenberghe, Convex Optimization, ch. 11)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.optimum.objective import frank_wolfe_gap, newton_direction
from sb3_ext.envs.ad_spend.optimum.uncertain import Earning, Lowest

_DECAY = 0.1
_NEWTON_STEPS = 50
_ARMIJO = 1e-4


class Polytope:
    """The feasible plans ``{low <= x <= cap, sum x <= budget}``, bounds of shape (N, T), money."""

    def __init__(self, low: FloatArray, cap: FloatArray, budget: float) -> None:
        self.low, self.cap, self.budget = low, cap, budget
        self.spare = budget - float(low.sum())
        self.n_constraints = 2 * low.size + 1

    def center(self) -> FloatArray:
        """A plan well inside: all channels at the same share of their range, shape (N, T)."""
        width = self.cap - self.low
        return np.asarray(self.low + min(0.5, 0.5 * self.spare / width.sum()) * width)

    def even(self) -> FloatArray:
        """The budget spread alike over periods and channels, as far as the bounds allow, shape (N, T)."""
        plan = np.clip(self.budget / self.low.size, self.low, self.cap)
        share = min(1.0, self.spare / max((plan - self.low).sum(), 1e-300))
        return np.asarray(np.minimum(self.low + (plan - self.low) * share, self.cap))

    def starts(self, relaxed: FloatArray, efficient: FloatArray, pulses: Sequence[FloatArray]) -> Iterator[FloatArray]:
        """
        Plans inside to search from, shape (N, T): center, the best plan of the curves' envelopes, pulses, and bursts of
        each channel at its most efficient spend, shape (N,).
        """
        center = self.center()
        yield center
        yield 0.9 * relaxed + 0.1 * center
        for plan in pulses:
            yield 0.95 * plan + 0.05 * center
        n_channels, periods = self.cap.shape
        for channel in range(n_channels):
            low, cap = self.low[channel], self.cap[channel]
            level = efficient[channel] - low[0] if efficient[channel] > low[0] else cap[0] - low[0]
            bursts = max(1, round(self.spare / level))
            for first in (0, periods // 2):
                plan = self.low.copy()
                chosen = np.roll(np.arange(periods), -first)[:bursts]
                plan[channel, chosen] = np.minimum(cap[chosen], low[chosen] + self.spare / bursts)
                yield 0.95 * plan + 0.05 * center

    def barrier(self, spend: FloatArray) -> float:
        """Sum of the logarithms of all slacks of a plan, shape (N, T); ``-inf`` where it is not inside."""
        room = self.budget - spend.sum()
        if room <= 0.0 or np.any(spend <= self.low) or np.any(spend >= self.cap):
            return -np.inf
        return float(np.log(spend - self.low).sum() + np.log(self.cap - spend).sum() + np.log(room))

    def slope(self, spend: FloatArray) -> FloatArray:
        """Derivative of :meth:`barrier`, shape (N, T)."""
        return np.asarray(1.0 / (spend - self.low) - 1.0 / (self.cap - spend) - 1.0 / (self.budget - spend.sum()))

    def direction(self, objective: Earning, spend: FloatArray, gradient: FloatArray, weight: float) -> FloatArray:
        """The Newton step from a plan for ``objective + weight * barrier``, whose gradient is given, all (N, T)."""
        above, below = spend - self.low, self.cap - spend
        system = objective.curvature(spend)
        np.einsum("itt->it", system)[:] += weight * (above**-2 + below**-2)
        return newton_direction(system, gradient, weight / (self.budget - spend.sum()) ** 2)[0]

    def gap(self, spend: FloatArray, gradient: FloatArray) -> float:
        """The Frank-Wolfe gap of a plan, by the gradient there, both of shape (N, T)."""
        return float(frank_wolfe_gap(spend - self.low, self.cap - self.low, self.spare, gradient))


class Feasible(Protocol):
    """The feasible plans of :func:`maximize`, all arguments as of :class:`Polytope`."""

    budget: float
    n_constraints: int

    def barrier(self, spend: FloatArray) -> float:
        """Sum of the logarithms of all slacks; ``-inf`` where a plan is not inside."""

    def slope(self, spend: FloatArray) -> FloatArray:
        """Derivative of :meth:`barrier`."""

    def direction(self, objective: Earning, spend: FloatArray, gradient: FloatArray, weight: float) -> FloatArray:
        """The Newton step."""

    def gap(self, spend: FloatArray, gradient: FloatArray) -> float:
        """The Frank-Wolfe gap."""


def maximize(
    objective: Earning, polytope: Feasible, spend: FloatArray, tolerance: float, first_gap: float = 0.1
) -> tuple[FloatArray, float]:
    """
    Follow the central path from a plan inside, shape (N, T), to a gap of ``tolerance`` times what the plan earns, from
    where the gap is ``first_gap`` times that.
    Returns the plan at the end and how much more than it any other can earn, if the objective is concave: its
    Frank-Wolfe gap, for a risk that of the bound on it. Raises ValueError if a value is not finite.
    """
    idle = objective.value(np.zeros_like(spend))

    def worth(spend: FloatArray) -> float:
        return max(abs(float(objective.value(spend) - idle)), 1e-9 * polytope.budget)

    # On the central path the gap is weight * n_constraints.
    weight = first_gap * worth(spend) / polytope.n_constraints
    risk = objective if isinstance(objective, Lowest) else None
    if risk:
        risk.sharpen_to(weight * polytope.n_constraints)
    while True:
        spend = _newton(objective, polytope, spend, weight)
        gap = polytope.gap(spend, objective.gradient(spend)) + (risk.above(spend) if risk else 0.0)
        if not np.isfinite(gap):
            raise ValueError("the numbers of this market and this budget are too far apart to plan with")
        target = tolerance * worth(spend)
        if gap <= target or weight * polytope.n_constraints < 0.01 * target:
            return spend, gap
        weight *= _DECAY
        if risk:
            risk.sharpen_to(weight * polytope.n_constraints)


def _newton(objective: Earning, polytope: Feasible, spend: FloatArray, weight: float) -> FloatArray:
    """Maximize ``objective + weight * barrier`` from a plan inside."""
    score = objective.value(spend) + weight * polytope.barrier(spend)
    for _ in range(_NEWTON_STEPS):
        gradient = objective.gradient(spend) + weight * polytope.slope(spend)
        direction = polytope.direction(objective, spend, gradient, weight)
        decrement = float((gradient * direction).sum())
        if decrement <= 1e-3 * weight:
            break
        step = 1.0
        while step > 1e-10:
            candidate = spend + step * direction
            barrier = polytope.barrier(candidate)
            if barrier > -np.inf:
                reached = objective.value(candidate) + weight * barrier
                if reached >= score + _ARMIJO * step * decrement:
                    break
            step *= 0.5
        else:
            break
        spend, score = candidate, reached
    return spend
