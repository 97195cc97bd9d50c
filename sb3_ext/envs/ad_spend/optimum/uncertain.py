"""What spends earn under many sets of parameters: on average, or where it goes worst."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.market.market import Market
from sb3_ext.envs.ad_spend.optimum.interval_envelope import relaxed
from sb3_ext.envs.ad_spend.optimum.objective import Objective
from sb3_ext.envs.ad_spend.optimum.outlook import Outlook

# Numbers held at once: of one part in its (n, N, T, T) arrays, and of all parts that are kept.
_PART, _KEPT = 2**21, 2**25


class Earning(Protocol):
    """What planners ask of an objective; the first axis is that of parameter sets, where there are several."""

    def value(self, spend: FloatArray) -> FloatArray:
        """Money earned by spends of shape (N, T)."""

    def gradient(self, spend: FloatArray) -> FloatArray:
        """Its derivative by every spend, shape (..., N, T)."""

    def curvature(self, spend: FloatArray) -> FloatArray:
        """Its negative second derivatives by the spends of each channel, shape (..., N, T, T)."""


class DrawnObjectives:
    """
    The objectives of an outlook of n campaigns, a bounded number at once; built anew each time if they are many. With
    bounds on the spends, shape (N, T), concave ones that are nowhere below them there.
    """

    def __init__(self, market: Market, outlook: Outlook, bounds: tuple[FloatArray, FloatArray] | None = None) -> None:
        n, n_channels, periods = outlook.media.shape
        size = n_channels * periods**2
        step = max(1, _PART // size)
        rows = [np.arange(first, min(first + step, n)) for first in range(0, n, step)]
        self._market, self._bounds = market, bounds
        self._parts = [outlook.of(chosen) for chosen in rows]
        self._kept = [self._build(part) for part in self._parts] if n * size <= _KEPT else None

    def __iter__(self) -> Iterator[Objective]:
        return map(self._build, self._parts) if self._kept is None else iter(self._kept)

    def _build(self, outlook: Outlook) -> Objective:
        objective = Objective(self._market, outlook)
        return objective if self._bounds is None else relaxed(objective, *self._bounds)


class Mean:
    """
    The weighted sum of objectives, concave where they are. Those of one part lie on the first axis of its results, and
    the weights, >= 0, of shape (n,), follow the order of the parts.
    """

    def __init__(self, parts: Iterable[Earning], weights: FloatArray) -> None:
        self.parts, self.weights = parts, weights

    def values(self, spend: FloatArray) -> FloatArray:
        """Money earned under each set of parameters, shape (n,)."""
        return np.concatenate([np.atleast_1d(part.value(spend)) for part in self.parts])

    def value(self, spend: FloatArray) -> FloatArray:
        """See :class:`Earning`."""
        return np.asarray(self.weights @ self.values(spend))

    def gain(self, spend: FloatArray) -> FloatArray:
        """Value over that of no spend."""
        return self.value(spend) - self.value(np.zeros_like(spend))

    def gradient(self, spend: FloatArray) -> FloatArray:
        """See :class:`Earning`."""
        return self._sum([part.gradient(spend) for part in self.parts], spend.ndim)

    def curvature(self, spend: FloatArray) -> FloatArray:
        """See :class:`Earning`."""
        return self._sum((part.curvature(spend) for part in self.parts), spend.ndim + 1)

    def _sum(self, results: Iterable[FloatArray], ndim: int) -> FloatArray:
        total, first = np.zeros(()), 0
        for result in results:
            stacked = result if result.ndim > ndim else result[None]
            total = total + np.tensordot(self.weights[first : first + len(stacked)], stacked, axes=1)
            first += len(stacked)
        return total


class Lowest:
    """
    The mean of the lowest share of what spends gain under n sets of parameters, all as likely: the conditional value at
    risk (Rockafellar & Uryasev, 2000), concave where they are; at a share of 1 / n the worst of them.

    It is ``min_q sum_d q_d V_d`` over weights ``0 <= q_d <= 1 / (share n)`` that add up to 1. With
    ``smoothing * n / 2 * |q - 1/n|^2`` added it has derivatives. As any such weights give an upper bound on it, concave
    with the gradient at hand, so do those found: the certificate is that of the risk itself, without the smoothing.
    """

    def __init__(self, parts: Iterable[Earning], idle: FloatArray, scale: FloatArray, share: float) -> None:
        self._all, self._idle, self._scale, self._share = Mean(parts, scale), idle, scale, share
        self.smoothing = 1.0
        self._last: tuple[FloatArray, FloatArray, FloatArray] | None = None

    def values(self, spend: FloatArray) -> FloatArray:
        """What is gained over ``idle`` under each set of parameters, scaled, shape (n,)."""
        return (self._all.values(spend) - self._idle) * self._scale

    def gain(self, spend: FloatArray) -> FloatArray:
        """The risk itself, of spends of shape (N, T)."""
        values = np.sort(self.values(spend))
        mass = np.clip(self._share * len(values) - np.arange(len(values)), 0.0, 1.0)
        return np.asarray(mass @ values / mass.sum())

    def value(self, spend: FloatArray) -> FloatArray:
        """The smoothed risk."""
        values, weights = self._at(spend)
        n = len(values)
        return np.asarray(weights @ values + 0.5 * self.smoothing * n * ((weights - 1.0 / n) ** 2).sum())

    def gradient(self, spend: FloatArray) -> FloatArray:
        """Of the smoothed risk, and of the bound on the risk, shape (N, T)."""
        return self._weighted(spend).gradient(spend)

    def curvature(self, spend: FloatArray) -> FloatArray:
        """Negative second derivatives at constant weights, shape (N, T, T)."""
        return self._weighted(spend).curvature(spend)

    def spread(self, spend: FloatArray) -> FloatArray:
        """Rows R, shape (k, N * T): as the weights change with the spends, the curvature is greater by R' R."""
        values, weights = self._at(spend)
        n = len(values)
        free = (weights > 0.0) & (weights < (1.0 - 1e-12) / (self._share * n))
        rows, first = [], 0
        for part in self._all.parts:
            gradients = part.gradient(spend).reshape(-1, spend.size)
            chosen = free[first : first + len(gradients)]
            rows.append(gradients[chosen] * self._scale[first : first + len(gradients)][chosen, None])
            first += len(gradients)
        stacked = np.concatenate(rows)
        return (stacked - stacked.mean(axis=0)) / np.sqrt(self.smoothing * n) if len(stacked) else stacked

    def above(self, spend: FloatArray) -> float:
        """How much the bound at these spends is above the risk there."""
        values, weights = self._at(spend)
        return float(weights @ values - self.gain(spend))

    def _weighted(self, spend: FloatArray) -> Mean:
        return Mean(self._all.parts, self._at(spend)[1] * self._scale)

    def _at(self, spend: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Values and weights."""
        if self._last is None or not np.array_equal(self._last[0], spend):
            values = self.values(spend)
            self._last = spend.copy(), values, self._lowest(values)
        return self._last[1:]

    def _lowest(self, values: FloatArray) -> FloatArray:
        """The weights that give the smoothed risk: ``clip((1 - (V - level) / smoothing) / n, 0, 1 / (share n))``."""
        most = 1.0 / self._share
        low, high = float(values.min()) - self.smoothing, float(values.max()) + self.smoothing * most
        for _ in range(100):
            level = 0.5 * (low + high)
            weights = np.clip(1.0 + (level - values) / self.smoothing, 0.0, most)
            low, high = (level, high) if weights.mean() < 1.0 else (low, level)
        # The level has the precision of the values, the weights that divided by the smoothing: what is missing goes to
        # those that may take it, as weights above the most would give no bound.
        free = (weights > 0.0) & (weights < most)
        if np.any(free):
            weights[free] += (len(values) - weights.sum()) / np.count_nonzero(free)
        return np.clip(weights, 0.0, most) / len(values)

    def sharpen_to(self, smoothing: float) -> None:
        """Smooth less: what is added to the risk is at most half of this, money, times 1 / share - 1."""
        self.smoothing, self._last = smoothing, None
