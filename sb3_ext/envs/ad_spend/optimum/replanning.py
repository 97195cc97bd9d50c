"""Planning what is left of many campaigns at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sb3_ext.common.arrays import BoolArray, FloatArray, IntArray
from sb3_ext.envs.ad_spend.campaign.scenario import Scenario
from sb3_ext.envs.ad_spend.market.curves import Curves
from sb3_ext.envs.ad_spend.market.market import Market
from sb3_ext.envs.ad_spend.optimum.outlook import Outlook
from sb3_ext.envs.ad_spend.optimum.plan import plan_optimal

_PARAMETERS = ("beta", "kappa", "alpha", "theta")
_MOST_STEPS = 60
_CENTERING = 0.1
_TO_BOUNDARY = 0.95
# Relative to kappa, as in plan_optimal: keeps the slopes of alpha < 1 finite.
_LEAST_ADSTOCK = 1e-120
# Share of the campaign's budget below which money left is not worth a plan.
_NOTHING = 1e-6
# Profit per unit of money left below which the tolerance is no longer relative to the profit.
_LEAST_WORTH = 1e-3


@dataclass(frozen=True)
class Remainder:
    """What is left of n campaigns that are all in the same period, and what is expected of it."""

    period: int
    """Periods played."""
    adstock: FloatArray
    """Adstock before the coming period, shape (n, N), money."""
    budget: FloatArray
    """Budget left, shape (n,), money."""
    media: FloatArray
    """Media that a unit of money is expected to buy in the periods left, shape (n, N, T')."""
    curves: Curves
    """Parameters of the channels, shapes (N,), or (n, N) for each campaign its own."""

    def of(self, rows: BoolArray | IntArray) -> Remainder:
        """
        Some of the campaigns.

        :param rows: Their mask or numbers.
        :return: What is left of them.
        """
        curves = self.curves
        if curves.beta.ndim == 2:
            curves = Curves(*(getattr(curves, name)[rows] for name in _PARAMETERS))
        return Remainder(self.period, self.adstock[rows], self.budget[rows], self.media[rows], curves)


class Replanner:
    """
    Plans what is left of campaigns of one market, as :func:`plan_optimal` does for one.

    Where all responses are concave, a primal-dual interior-point method (Boyd & Vandenberghe, Convex Optimization,
    11.7) takes its steps for all campaigns at once, each until its own Frank-Wolfe gap is small enough. It has no
    line search: campaigns that it does not finish, and those that are not concave, go to :func:`plan_optimal`.

    :param market: The market.
    :param budget: Budget of a whole campaign, money.
    :param periods: Length of a whole campaign.
    :param low: Smallest spend per channel and period, shape (N,), money.
    :param cap: Largest spend per channel and period, shape (N,), money.
    :param tolerance: Gap to stop at, relative to what the rest of the campaign can still earn over the smallest spends,
        or over spending nothing if that is less: smallest spends may earn much of it, or lose money.
    """

    def __init__(
        self, market: Market, budget: float, periods: int, low: FloatArray, cap: FloatArray, tolerance: float = 1e-4
    ) -> None:
        self._market, self._periods = market, periods
        self._low, self._cap, self._tolerance = low, cap, tolerance
        self._nothing = _NOTHING * budget
        self._demand = np.append(market.season_factors(periods), np.ones(market.tail_periods))

    def plan(self, rest: Remainder) -> FloatArray:
        """
        Plan the periods left.

        :param rest: What is left of the campaigns.
        :return: Spends, shape (n, N, T'), money; the smallest allowed where no money is left.
        """
        n_left = self._periods - rest.period
        spend: FloatArray = np.broadcast_to(self._low[:, None], (len(rest.budget), len(self._low), n_left)).copy()
        funded = np.flatnonzero(rest.budget - self._low.sum() * n_left > self._nothing)
        if not funded.size:
            return spend
        active = rest.of(funded)
        concave = np.all((active.curves.alpha <= 1.0) | (active.curves.beta == 0.0))
        if concave:
            planned, finished = self._follow_paths(active)
        else:
            planned, finished = spend[funded], np.zeros(funded.size, dtype=bool)
        for row in np.flatnonzero(~finished):
            planned[row] = self._plan_one(active.of(np.array([row])))
        spend[funded] = planned
        return spend

    def _follow_paths(self, rest: Remainder) -> tuple[FloatArray, BoolArray]:
        """Plans of concave campaigns, and which of them reached the tolerance."""
        low, width = self._low[:, None], (self._cap - self._low)[:, None]
        objective = _Objective(self._market, rest, self._demand[rest.period :])
        spare = rest.budget - self._low.sum() * objective.shape[2]
        plans = np.broadcast_to(low, objective.shape).copy()
        idle = np.stack([objective.value(plans), objective.value(np.zeros_like(plans))])
        finished = _frank_wolfe_gap(plans - low, width, spare, objective.gradient(plans)) <= 0.0
        rows = np.flatnonzero(~finished)
        if not rows.size:
            return plans, finished
        objective, spare, idle = objective.of(rows), spare[rows], idle[:, rows]
        share = np.minimum(0.5, 0.5 * spare / (width.sum() * objective.shape[2]))
        above = share[:, None, None] * np.broadcast_to(width, objective.shape)
        gap = _frank_wolfe_gap(above, width, spare, objective.gradient(low + above))
        iterate = _Iterate.central(above, width, spare, gap / _n_constraints(above))
        for _ in range(_MOST_STEPS):
            spend = low + iterate.above
            gradient = objective.gradient(spend)
            gap = _frank_wolfe_gap(iterate.above, width, spare, gradient)
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
        return plans, finished

    def _plan_one(self, rest: Remainder) -> FloatArray:
        """The plan of a single campaign by the general planner, shape (N, T')."""
        own = Scenario(curves=Curves(*(np.atleast_2d(getattr(rest.curves, name))[0] for name in _PARAMETERS)))
        market = own.market(self._market)
        n_left = self._periods - rest.period
        demand = np.repeat(self._demand[rest.period :, None], len(market.names), axis=1)
        plan = plan_optimal(
            market,
            float(rest.budget[0]),
            n_left,
            low=self._low,
            cap=self._cap,
            tolerance=self._tolerance,
            outlook=Outlook(rest.adstock[0], rest.media[0].T, demand),
        )
        return np.asarray(plan.spend.T)


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
        # The budget adds a rank-one term: solved by Sherman and Morrison's formula.
        solved = np.linalg.solve(curvature, np.stack([right, np.ones_like(right)], axis=-1))
        along, ones = solved[..., 0], solved[..., 1]
        coupling = on_budget / room
        total = along.sum(axis=(1, 2)) / (1.0 + coupling * ones.sum(axis=(1, 2)))
        move = along - ones * (coupling * total)[:, None, None]
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


def _frank_wolfe_gap(above: FloatArray, width: FloatArray, spare: FloatArray, gradient: FloatArray) -> FloatArray:
    """``max_s <gradient, s - above>`` over the plans of every campaign: spend where the gradient is largest."""
    slopes = gradient.reshape(len(spare), -1)
    order = np.argsort(-slopes, axis=1)
    room = np.broadcast_to(width, gradient.shape[1:]).reshape(-1)[order]
    before = np.cumsum(room, axis=1) - room
    bought = np.clip(spare[:, None] - before, 0.0, room)
    best = (np.maximum(np.take_along_axis(slopes, order, axis=1), 0.0) * bought).sum(axis=1)
    return np.asarray(best - (gradient * above).sum(axis=(1, 2)))


class _Objective:
    """Value of the periods left in every campaign, with gradient and curvature; spends have the shape (n, N, T')."""

    def __init__(self, market: Market, rest: Remainder, demand: FloatArray) -> None:
        self._margin, self._cost = market.margin, market.spend_cost
        self._media, self._curves = rest.media, rest.curves
        n_left = rest.media.shape[2]
        rows = np.arange(n_left)
        lag = rows[:, None] - rows
        theta = rest.curves.theta[..., None]
        # (N, T', T') or (n, N, T', T'): what the media of each period contributes to the adstock of every period.
        carried = theta[..., None] ** np.maximum(lag, 0)
        self._carry = np.where(lag >= 0, (1.0 - theta[..., None]) * carried, 0.0)
        self._start = rest.adstock[..., None] * theta ** (rows + 1)
        self._demand, self._tail_demand = demand[:n_left], demand[n_left:]
        # (N, K) or (n, N, K): what is left of the last period's adstock in the tail.
        self._decay = theta ** np.arange(1, len(self._tail_demand) + 1)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the spends: (n, N, T')."""
        return self._media.shape

    def of(self, rows: IntArray) -> _Objective:
        """The same for some of the campaigns."""
        chosen = object.__new__(_Objective)
        chosen.__dict__.update(self.__dict__)
        chosen._media, chosen._start = self._media[rows], self._start[rows]
        if self._curves.beta.ndim == 2:
            chosen._curves = Curves(*(getattr(self._curves, name)[rows] for name in _PARAMETERS))
            chosen._carry, chosen._decay = self._carry[rows], self._decay[rows]
        return chosen

    def _adstock(self, spend: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Adstock of the periods left (n, N, T') and of the tail (n, N, K)."""
        bought = (self._carry @ (self._media * spend)[..., None])[..., 0]
        least = _LEAST_ADSTOCK * self._curves.kappa[..., None]
        adstock = np.maximum(self._start + bought, least)
        return adstock, np.maximum(adstock[..., -1:] * self._decay, least)

    def _shaped(self, adstock: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """beta, kappa, alpha and ``(A / kappa)**alpha`` of every period."""
        beta, kappa, alpha = (getattr(self._curves, name)[..., None] for name in ("beta", "kappa", "alpha"))
        ratio = adstock / kappa
        return beta, kappa, alpha, ratio if np.all(alpha == 1.0) else ratio**alpha

    def _sales(self, adstock: FloatArray) -> FloatArray:
        beta, _, _, power = self._shaped(adstock)
        return np.asarray(beta * power / (1.0 + power))

    def _slope(self, adstock: FloatArray) -> FloatArray:
        beta, _, alpha, power = self._shaped(adstock)
        return np.asarray(beta * alpha * power / (adstock * (1.0 + power) ** 2))

    def _bend(self, adstock: FloatArray) -> FloatArray:
        """Negative second derivative of the sales."""
        beta, _, alpha, power = self._shaped(adstock)
        shape = (1.0 + alpha) * power - (alpha - 1.0)
        return np.asarray(beta * alpha * power / adstock**2 * shape / (1.0 + power) ** 3)

    def value(self, spend: FloatArray) -> FloatArray:
        """Money earned in every campaign, shape (n,)."""
        adstock, tail = self._adstock(spend)
        sold = (self._demand * self._sales(adstock)).sum(axis=(1, 2))
        sold = sold + (self._tail_demand * self._sales(tail)).sum(axis=(1, 2))
        return np.asarray(self._margin * sold - self._cost * spend.sum(axis=(1, 2)))

    def gradient(self, spend: FloatArray) -> FloatArray:
        """Its derivative by every spend, shape (n, N, T')."""
        adstock, tail = self._adstock(spend)
        slope = self._demand * self._slope(adstock)
        slope[..., -1] += (self._tail_demand * self._decay * self._slope(tail)).sum(axis=-1)
        carried = (np.swapaxes(self._carry, -1, -2) @ slope[..., None])[..., 0]
        return np.asarray(self._margin * self._media * carried - self._cost)

    def curvature(self, spend: FloatArray) -> FloatArray:
        """Its negative second derivatives, shape (n, N, T', T')."""
        adstock, tail = self._adstock(spend)
        bend = self._demand * self._bend(adstock)
        bend[..., -1] += (self._tail_demand * self._decay**2 * self._bend(tail)).sum(axis=-1)
        carried = self._carry * self._media[..., None, :]
        return np.asarray(np.swapaxes(carried, -1, -2) @ (self._margin * bend[..., None] * carried))
