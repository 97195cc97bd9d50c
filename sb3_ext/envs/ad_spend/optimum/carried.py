"""How the adstock of a campaign and of its tail follows from the media bought: linear, so with a fixed gradient."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod

import numpy as np
from typing_extensions import Self

from sb3_ext.common.arrays import FloatArray, IntArray
from sb3_ext.envs.ad_spend.market.carry_over import delays, impulse, left_over
from sb3_ext.envs.ad_spend.optimum.outlook import Outlook


class Carried(ABC):
    """Adstock of the T periods of an outlook and of the K of its tail, for one campaign or n."""

    _start: FloatArray
    _carry: FloatArray

    @abstractmethod
    def adstock(self, media: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Adstock (..., N, T) and that of the tail (..., N, K), of media (..., N, T)."""

    @abstractmethod
    def gradient(self, slope: FloatArray, tail_slope: FloatArray, tail_demand: FloatArray) -> FloatArray:
        """
        Derivative by the media (..., N, T) of what has these derivatives by the adstock (..., N, T) and by that of the
        tail (..., N, K), the latter times ``tail_demand``.
        """

    @abstractmethod
    def curvature(
        self, bend: FloatArray, tail_bend: FloatArray, tail_demand: FloatArray, media: FloatArray
    ) -> FloatArray:
        """Second derivatives by spends (..., N, T, T), each of which buys so much media, from those by the adstock."""

    def of(self, rows: IntArray) -> Self:
        """The same for some of the campaigns."""
        chosen = copy.copy(self)
        chosen._start = self._start[rows]
        if self._carry.ndim == 4:
            chosen._carry = self._carry[rows]
        return chosen


class Geometric(Carried):
    """Of the last period's adstock the same share is left in every period of the tail, whatever the media were."""

    def __init__(self, outlook: Outlook, spend_afterwards: FloatArray) -> None:
        rows, theta = np.arange(outlook.periods), outlook.theta[..., None]
        lag, carried = rows[:, None] - rows, theta[..., None]
        # What the media of each period contributes to the adstock of every period, shape (..., N, T, T).
        self._carry = np.where(lag >= 0, (1.0 - carried) * carried ** np.maximum(lag, 0), 0.0)
        self._start = outlook.adstock[..., None] * theta ** (rows + 1)
        # What is left of the last period's adstock in the tail, shape (..., N, K).
        self._decay = theta ** np.arange(1, outlook.demand.shape[-1] - outlook.periods + 1)
        self._added = spend_afterwards[:, None] * (1.0 - self._decay)

    def of(self, rows: IntArray) -> Self:
        """The same for some of the campaigns."""
        chosen = super().of(rows)
        if self._carry.ndim == 4:
            chosen._decay, chosen._added = self._decay[rows], self._added[rows]
        return chosen

    def adstock(self, media: FloatArray) -> tuple[FloatArray, FloatArray]:
        """See :class:`Carried`."""
        adstock = self._start + (self._carry @ media[..., None])[..., 0]
        return adstock, adstock[..., -1:] * self._decay + self._added

    def gradient(self, slope: FloatArray, tail_slope: FloatArray, tail_demand: FloatArray) -> FloatArray:
        """See :class:`Carried`."""
        slope[..., -1] += (tail_demand * self._decay * tail_slope).sum(axis=-1)
        return np.asarray((np.swapaxes(self._carry, -1, -2) @ slope[..., None])[..., 0])

    def curvature(
        self, bend: FloatArray, tail_bend: FloatArray, tail_demand: FloatArray, media: FloatArray
    ) -> FloatArray:
        """See :class:`Carried`."""
        bend[..., -1] += (tail_demand * self._decay**2 * tail_bend).sum(axis=-1)
        carried = self._carry * media[..., None, :]
        return np.asarray(np.swapaxes(carried, -1, -2) @ (bend[..., None] * carried))


class Windowed(Carried):
    """Where the carry-over of a channel has a window, the tail remembers the last periods one by one."""

    def __init__(self, outlook: Outlook, spend_afterwards: FloatArray) -> None:
        assert outlook.weights is not None and outlook.window is not None
        self._periods, all_periods = outlook.periods, outlook.demand.shape[-1]
        response, theta = impulse(outlook.theta, outlook.weights, all_periods), outlook.theta[..., None]
        # What the media of each period contributes to the adstock of every period, shape (..., N, T + K, T).
        self._carry = delays(response, self._periods)
        start = left_over(outlook.weights, outlook.window, all_periods)
        start = start + outlook.adstock[..., None] * theta ** np.arange(1, all_periods + 1)
        start[..., self._periods :] += (
            spend_afterwards[:, None] * np.cumsum(response, axis=-1)[..., : all_periods - self._periods]
        )
        self._start = start

    def adstock(self, media: FloatArray) -> tuple[FloatArray, FloatArray]:
        """See :class:`Carried`."""
        adstock = self._start + (self._carry @ media[..., None])[..., 0]
        return adstock[..., : self._periods], adstock[..., self._periods :]

    def gradient(self, slope: FloatArray, tail_slope: FloatArray, tail_demand: FloatArray) -> FloatArray:
        """See :class:`Carried`."""
        slopes = np.concatenate([slope, tail_demand * tail_slope], axis=-1)
        return np.asarray((np.swapaxes(self._carry, -1, -2) @ slopes[..., None])[..., 0])

    def curvature(
        self, bend: FloatArray, tail_bend: FloatArray, tail_demand: FloatArray, media: FloatArray
    ) -> FloatArray:
        """See :class:`Carried`."""
        bends = np.concatenate([bend, tail_demand * tail_bend], axis=-1)
        carried = self._carry * media[..., None, :]
        return np.asarray(np.swapaxes(carried, -1, -2) @ (bends[..., None] * carried))
