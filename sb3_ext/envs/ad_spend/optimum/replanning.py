"""Planning what is left of many campaigns at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sb3_ext.common.arrays import BoolArray, FloatArray, IntArray
from sb3_ext.envs.ad_spend.market.market import Market
from sb3_ext.envs.ad_spend.optimum.objective import Objective, frank_wolfe_gap, newton_direction
from sb3_ext.envs.ad_spend.optimum.outlook import Outlook
from sb3_ext.envs.ad_spend.optimum.plan import plan_optimal

_MOST_STEPS = 60
_CENTERING = 0.1
_TO_BOUNDARY = 0.95
# Share of the campaign's budget below which money left is not worth a plan.
_NOTHING = 1e-6
# Relative to the cap.
_LEAST_ROOM = 1e-9
# Profit per unit of money left below which the tolerance is no longer relative to the profit.
_LEAST_WORTH = 1e-3


class Replanner:
    """
    Plans what is left of campaigns of one market, as :func:`plan_optimal` does for one.

    Where all responses are concave, a primal-dual interior-point method (Boyd & Vandenberghe, Convex Optimization,
    11.7) takes its steps for all campaigns at once, each until its own Frank-Wolfe gap is small enough. It has no line
    search: campaigns that it does not finish, and those that are not concave, go to :func:`plan_optimal`.

    ``tolerance`` is the gap to stop at, relative to what the rest of the campaign can still earn over the smallest
    spends, or over spending nothing if that is less: smallest spends may earn much of it, or lose money.
    """

    def __init__(
        self, market: Market, budget: float, low: FloatArray, cap: FloatArray, tolerance: float = 1e-4
    ) -> None:
        self._market, self._low, self._cap, self._tolerance = market, low, cap, tolerance
        self._nothing = _NOTHING * budget

    def plan(self, rest: Outlook, budget: FloatArray) -> FloatArray:
        """Spends of the periods left, (n, N, T'), for budgets left (n,); the smallest where no money is left."""
        spend: FloatArray = np.broadcast_to(self._low[:, None], rest.media.shape).copy()
        funded = np.flatnonzero(budget - self._low.sum() * rest.periods > self._nothing)
        if not funded.size:
            return spend
        active, budget = rest.of(funded), budget[funded]
        if active.curves.is_concave:
            planned, finished = self._follow_paths(active, budget)
        else:
            planned, finished = spend[funded], np.zeros(funded.size, dtype=bool)
        for row in np.flatnonzero(~finished):
            plan = plan_optimal(
                self._market,
                float(budget[row]),
                rest.periods,
                low=self._low,
                cap=self._cap,
                tolerance=self._tolerance,
                outlook=active.of(int(row)),
            )
            planned[row] = plan.spend.T
        spend[funded] = planned
        return spend

    def _follow_paths(self, rest: Outlook, budget: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Plans of concave campaigns, and which of them reached the tolerance."""
        objective = Objective(self._market, rest)
        low, cap = (np.broadcast_to(end[:, None], objective.shape[1:]) for end in (self._low, self._cap))
        # The steps need some room, where a spend is fixed too.
        width, spare = np.maximum(cap - low, _LEAST_ROOM * cap), budget - low.sum()
        plans = np.broadcast_to(low, objective.shape).copy()
        idle = np.stack([objective.value(plans), objective.value(np.zeros_like(plans))])
        finished = frank_wolfe_gap(plans - low, width, spare, objective.gradient(plans)) <= 0.0
        rows = np.flatnonzero(~finished)
        if not rows.size:
            return plans, finished
        objective, spare, idle = objective.of(rows), spare[rows], idle[:, rows]
        above = np.minimum(0.5, 0.5 * spare / width.sum())[:, None, None] * width
        gap = frank_wolfe_gap(above, width, spare, objective.gradient(low + above))
        iterate = _Iterate.central(above, width, spare, gap / _n_constraints(above))
        for _ in range(_MOST_STEPS):
            spend = low + iterate.above
            gradient = objective.gradient(spend)
            gap = frank_wolfe_gap(iterate.above, width, spare, gradient)
            worth = np.maximum(np.abs(objective.value(spend) - idle).min(axis=0), _LEAST_WORTH * spare)
            done = gap <= self._tolerance * worth
            plans[rows[done]] = spend[done]
            finished[rows[done]] = True
            keep = np.flatnonzero(~done & np.isfinite(gap))
            if not keep.size:
                break
            rows, objective, spare, idle = rows[keep], objective.of(keep), spare[keep], idle[:, keep]
            iterate = iterate.of(keep)
            iterate = iterate.step(gradient[keep], objective.curvature(low + iterate.above), width, spare)
        return np.minimum(plans, cap), finished


class _Iterate(NamedTuple):
    """Plans inside the bounds, and multipliers of the constraints: one row per campaign."""

    above: FloatArray
    """Spends above the smallest, shape (n, N, T')."""
    on_low: FloatArray
    on_cap: FloatArray
    on_budget: FloatArray

    @classmethod
    def central(cls, above: FloatArray, width: FloatArray, spare: FloatArray, weight: FloatArray) -> _Iterate:
        """Multipliers with which every constraint contributes ``weight`` to the gap."""
        at = weight[:, None, None]
        return cls(above, at / above, at / (width - above), weight / (spare - above.sum(axis=(1, 2))))

    def of(self, rows: IntArray) -> _Iterate:
        """The same for some of the campaigns."""
        return _Iterate(*(part[rows] for part in self))

    def step(self, gradient: FloatArray, curvature: FloatArray, width: FloatArray, spare: FloatArray) -> _Iterate:
        """One Newton step towards a tenth of the gap, shortened to stay inside."""
        above, on_low, on_cap, on_budget = self
        below, room = width - above, spare - above.sum(axis=(1, 2))
        gap = (above * on_low + below * on_cap).sum(axis=(1, 2)) + room * on_budget
        weight = _CENTERING * gap / _n_constraints(above)
        at = weight[:, None, None]
        diagonal = np.einsum("nitt->nit", curvature)
        diagonal += on_low / above + on_cap / below
        right = gradient + at / above - at / below - (weight / room)[:, None, None]
        coupling = on_budget / room
        move, total = newton_direction(curvature, right, coupling)
        moves = _Iterate(
            move,
            at / above - on_low - on_low / above * move,
            at / below - on_cap + on_cap / below * move,
            weight / room - on_budget + coupling * total,
        )
        slacks = (*zip(self, moves, strict=True), (below, -move), (room, -total))
        shrinking = [np.max(-change / value, axis=tuple(range(1, value.ndim))) for value, change in slacks]
        length = np.minimum(1.0, _TO_BOUNDARY / np.maximum(np.max(shrinking, axis=0), 1e-300))
        return _Iterate(
            *(
                value + length.reshape(-1, *(1,) * (value.ndim - 1)) * change
                for value, change in zip(self, moves, strict=True)
            )
        )


def _n_constraints(spend: FloatArray) -> int:
    return 2 * int(np.prod(spend.shape[1:])) + 1
