"""Concave envelopes of response curves over the adstocks that plans within bounds can have."""

from __future__ import annotations

import copy

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.market.curves import Curves, Envelope
from sb3_ext.envs.ad_spend.optimum.objective import Objective

_STEPS = 60


class IntervalEnvelope(Envelope):
    """
    The least concave functions above curves, convex first and then concave, between ``lowest`` and ``highest`` adstocks
    of the shape (..., N, T): a line from the lowest to where it touches the curve, or to the highest.
    """

    def __init__(self, curves: Curves, lowest: FloatArray, highest: FloatArray) -> None:
        self._curves, self._lowest = curves, lowest
        at_lowest = curves.response(lowest)
        # Beyond the inflexion the tangent's height at the lowest adstock rises, from below the curve there.
        near, far = np.clip(curves.inflexion, lowest, highest), highest
        for _ in range(_STEPS):
            middle = 0.5 * (near + far)
            below = curves.slope(middle) * (middle - lowest) > curves.response(middle) - at_lowest
            near, far = np.where(below, middle, near), np.where(below, far, middle)
        # Of the two ends the line to the farther one is nowhere below the curve but for rounding.
        self.touching = np.where(curves.inflexion > lowest, far, lowest)
        width = self.touching - lowest
        rise = curves.response(self.touching) - at_lowest
        self._chord = np.divide(rise, width, out=np.array(curves.slope(self.touching)), where=width > 0.0)
        self._offset = at_lowest - self._chord * lowest

    def response(self, adstock: FloatArray) -> FloatArray:
        """See :class:`~sb3_ext.envs.ad_spend.market.curves.Curves`."""
        beyond = self._curves.response(np.maximum(adstock, self.touching))
        return np.where(adstock < self.touching, self._offset + adstock * self._chord, beyond)


def relaxed(objective: Objective, low: FloatArray, cap: FloatArray) -> Objective:
    """A concave objective that is nowhere below another one, for spends within bounds of shape (N, T)."""
    if not isinstance(objective.curves, Curves) or objective.curves.is_concave:
        return objective
    above = copy.copy(objective)
    (least, least_after), (most, most_after) = objective.adstock(low), objective.adstock(cap)
    above.curves = IntervalEnvelope(objective.curves, least, most)
    above.tail_curves = IntervalEnvelope(objective.curves, least_after, most_after)
    return above
