"""What the spends of a campaign earn, and how much more any others can: the objective of every planner."""

from __future__ import annotations

import numpy as np

from sb3_ext.common.arrays import FloatArray, IntArray
from sb3_ext.envs.ad_spend.market.curves import Curves, Envelope
from sb3_ext.envs.ad_spend.market.market import Market
from sb3_ext.envs.ad_spend.optimum.carried import Carried, Geometric, Windowed
from sb3_ext.envs.ad_spend.optimum.outlook import Outlook

# Relative to kappa: low enough that what it sells is nothing even for small alpha, high enough that no slope overflows.
_LEAST_ADSTOCK = 1e-120


class Objective:
    """
    Money that spends of the shape (..., N, T) earn, tail included, with its gradient and curvature. Where ``highest``,
    shape (N,), bounds the adstock, the curves' concave envelopes up to there take the place of the curves.
    """

    def __init__(self, market: Market, outlook: Outlook, highest: FloatArray | None = None) -> None:
        self._spend_cost, periods = market.spend_cost, outlook.periods
        kind: type[Geometric | Windowed] = Geometric if outlook.weights is None else Windowed
        self._carried: Carried = kind(outlook, market.spend_afterwards)
        self._media, self._charge = outlook.media, outlook.charge
        demand = market.margin * outlook.demand
        self._demand, self._tail_demand = demand[..., :periods], demand[..., periods:]
        curves = outlook.curves.map(lambda parameter: parameter[..., None])
        self._least = _LEAST_ADSTOCK * curves.kappa
        self.curves: Curves | Envelope = curves if highest is None else Envelope(curves, highest[:, None])
        self.tail_curves = self.curves

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the spends."""
        return self._media.shape

    def of(self, rows: IntArray) -> Objective:
        """The same for some of the campaigns."""
        chosen = object.__new__(Objective)
        chosen.__dict__.update(self.__dict__)
        chosen._media, chosen._carried = self._media[rows], self._carried.of(rows)
        if self._charge is not None:
            chosen._charge = self._charge[rows]
        if isinstance(self.curves, Curves) and self.curves.beta.ndim == 3:
            chosen.curves, chosen._least = self.curves.map(lambda parameter: parameter[rows]), self._least[rows]
            chosen.tail_curves = chosen.curves
        if self._demand.ndim == 3:
            chosen._demand, chosen._tail_demand = self._demand[rows], self._tail_demand[rows]
        return chosen

    def adstock(self, spend: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Adstock of the periods (..., N, T) and the tail (..., N, K), a little above 0 for slopes infinite there."""
        adstock, tail = self._carried.adstock(self._media * spend)
        return np.maximum(adstock, self._least), np.maximum(tail, self._least)

    def value(self, spend: FloatArray) -> FloatArray:
        """Money earned, shape (...): margin of the sales less the costs of spending."""
        adstock, tail = self.adstock(spend)
        earned = (self._demand * self.curves.response(adstock)).sum(axis=(-2, -1))
        earned = earned + (self._tail_demand * self.tail_curves.response(tail)).sum(axis=(-2, -1))
        earned = earned - self._spend_cost * spend.sum(axis=(-2, -1))
        return np.asarray(earned if self._charge is None else earned - (self._charge * spend).sum(axis=(-2, -1)))

    def gain(self, spend: FloatArray) -> FloatArray:
        """Value over that of no spend, shape (...)."""
        return self.value(spend) - self.value(np.zeros_like(spend))

    def gradient(self, spend: FloatArray) -> FloatArray:
        """Derivative of :meth:`value` by every spend, shape (..., N, T)."""
        adstock, tail = self.adstock(spend)
        slope = self._demand * self.curves.slope(adstock)
        carried = self._carried.gradient(slope, self.tail_curves.slope(tail), self._tail_demand)
        gradient = self._media * carried - self._spend_cost
        return np.asarray(gradient if self._charge is None else gradient - self._charge)

    def curvature(self, spend: FloatArray) -> FloatArray:
        """
        Negative second derivatives by the spends of each channel, shape (..., N, T, T); where a curve is convex its
        curvature is left out, so they are semi-definite.
        """
        adstock, tail = self.adstock(spend)
        bend = self._demand * np.maximum(-self.curves.curvature(adstock), 0.0)
        tail_bend = np.maximum(-self.tail_curves.curvature(tail), 0.0)
        return self._carried.curvature(bend, tail_bend, self._tail_demand, self._media)


def frank_wolfe_gap(
    above: FloatArray, width: FloatArray, spare: FloatArray | float, gradient: FloatArray
) -> FloatArray:
    """
    ``max_s <gradient, s - above>`` over all plans, shape (...): of a concave objective no plan is worth more by more
    than that. The maximum is a fractional knapsack, which spends the budget where the gradient is largest.

    ``above`` and ``gradient`` have the shape (..., N, T), ``width``, the largest less the smallest spends, (N, T), and
    ``spare``, the budget above the smallest spends, (...).
    """
    slopes = gradient.reshape(*gradient.shape[:-2], -1)
    order = np.argsort(-slopes, axis=-1)
    room = width.ravel()[order]
    bought = np.clip(np.asarray(spare)[..., None] - (np.cumsum(room, axis=-1) - room), 0.0, room)
    best = (np.maximum(np.take_along_axis(slopes, order, axis=-1), 0.0) * bought).sum(axis=-1)
    return np.asarray(best - (gradient * above).sum(axis=(-2, -1)))


def newton_direction(curvature: FloatArray, right: FloatArray, coupling: FloatArray) -> tuple[FloatArray, FloatArray]:
    """
    Solve ``(curvature + coupling * ones) direction = right``: blocks of the channels, shape (..., N, T, T), coupled by
    the budget alone, by Sherman and Morrison's formula. Returns the direction, shape (..., N, T) as ``right``, and its
    sum, shape (...).
    """
    solved = np.linalg.solve(curvature, np.stack([right, np.ones_like(right)], axis=-1))
    along, ones = solved[..., 0], solved[..., 1]
    total = along.sum(axis=(-2, -1)) / (1.0 + coupling * ones.sum(axis=(-2, -1)))
    return along - ones * np.asarray(coupling * total)[..., None, None], total
