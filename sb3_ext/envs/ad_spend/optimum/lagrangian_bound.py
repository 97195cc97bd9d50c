"""A bound on what any plan can earn, S-shaped or not: money has a price in place of a limit (Lagrange)."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from sb3_ext.common.arrays import FloatArray, IntArray
from sb3_ext.envs.ad_spend.optimum.channel_problem import ChannelProblem

_COARSE_CELLS, _FINE_CELLS = 1000, 4000
_PRICE_STEPS = 20


def lagrangian_bound(channels: list[ChannelProblem], budget: float, highest_price: float) -> float:
    """
    Money that no plan within the bounds and the budget can earn more than, tail included, not relative to zero spend.

    At any price on money, the plans that may spend at will, paid for their savings on the budget, earn no less. Each
    channel then has a problem of its own, solved by dynamic programming over cells of adstock, all errors on the side
    of the bound. The price, money earned per money spent up to ``highest_price``, is the one with the lowest bound.
    """
    coarse, fine = ([_PricedChannel(channel, cells) for channel in channels] for cells in (_COARSE_CELLS, _FINE_CELLS))

    def bound(price: float, priced: list[_PricedChannel]) -> float:
        return price * budget + sum(channel.bound(price) for channel in priced)

    price = _lowest_point(lambda price: bound(price, coarse), highest_price)
    return min(bound(price, fine), bound(0.0, fine))


def _lowest_point(function: Callable[[float], float], high: float) -> float:
    """Near where a convex function is lowest within [0, high], by golden section."""
    golden, low = 0.5 * (math.sqrt(5.0) - 1.0), 0.0
    left, right = high * (1.0 - golden), high * golden
    at_left, at_right = function(left), function(right)
    for _ in range(_PRICE_STEPS):
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - golden * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + golden * (high - low)
            at_right = function(right)
    return left if at_left < at_right else right


class _PricedChannel:
    """
    Bounds what a channel can earn if it has to pay for its money.

    With ``p_t = price / ((1 - theta) media_t)`` the spends cost ``sum_t p_t (A_t - theta A_{t-1})``, so each period
    earns ``demand_t sales(A_t) - (p_t - theta p_{t+1}) A_t``: a function of its adstock alone, bounded on every cell.
    The adstock of the period before only limits which cells can be reached.
    """

    def __init__(self, channel: ChannelProblem, cells: int) -> None:
        self.channel = channel
        self.edges = channel.highest_adstock * (1.0 + 1e-9) * np.linspace(0.0, 1.0, cells + 1) ** 2
        self.middle, self.half = 0.5 * (self.edges[1:] + self.edges[:-1]), 0.5 * np.diff(self.edges)
        self.level, self.slope = self._lines_above()
        self.after = channel.tail(self.edges[1:])
        start = np.array([channel.start])
        self.windows = [self._within_reach(start, start, 0)]
        known: dict[tuple[float, ...], _Windows] = {}
        for period in range(1, channel.periods):
            key = (channel.media[period], channel.low[period], channel.cap[period])
            if key not in known:
                known[key] = self._within_reach(self.edges[:-1], self.edges[1:], period)
            self.windows.append(known[key])

    def _lines_above(self) -> tuple[FloatArray, FloatArray]:
        """Lines above the sales in each cell, by their value in the middle and slope: tangents, chords, or level."""
        curve = self.channel.curve
        sales = curve.response(self.edges)
        concave, convex = self.edges[:-1] >= curve.inflexion, self.edges[1:] <= curve.inflexion
        level = np.where(convex, 0.5 * (sales[1:] + sales[:-1]), sales[1:])
        slope = np.where(convex, np.diff(sales) / (2.0 * self.half), 0.0)
        return np.where(concave, curve.response(self.middle), level), np.where(concave, curve.slope(self.middle), slope)

    def _within_reach(self, least: FloatArray, most: FloatArray, period: int) -> _Windows:
        """The cells that adstocks between ``least`` and ``most`` can lead to."""
        channel, highest = self.channel, len(self.edges) - 2
        least = channel.carry_over(least, channel.low[period], period)
        most = channel.carry_over(most, channel.cap[period], period)
        first = np.clip(np.searchsorted(self.edges, least, side="left") - 1, 0, highest)
        last = np.clip(np.searchsorted(self.edges, most, side="right") - 1, first, highest)
        return _Windows(first, last)

    def bound(self, price: float) -> float:
        """At ``price`` per unit of money, on top of what spending costs anyway."""
        channel = self.channel
        prices = np.append((price + channel.spend_cost) / ((1.0 - channel.theta) * channel.media), 0.0)
        costs = prices[:-1] - channel.theta * prices[1:]
        value: FloatArray = self.after
        for demand, cost, windows in zip(
            channel.demand[: channel.periods][::-1], costs[::-1], self.windows[::-1], strict=True
        ):
            earned = demand * self.level - cost * self.middle + np.abs(demand * self.slope - cost) * self.half
            value = windows.maxima(value + earned)
        return float(value[0] + prices[0] * (channel.theta * channel.start))


class _Windows:
    """Maxima over many windows ``[first, last]`` of an array, each the larger of two windows of a power of two."""

    def __init__(self, first: IntArray, last: IntArray) -> None:
        exponents = np.frexp(last - first + 1)[1] - 1
        self.parts = [
            (int(exponent), chosen, first[chosen], last[chosen] - 2**exponent + 1)
            for exponent in np.unique(exponents)
            for chosen in [np.flatnonzero(exponents == exponent)]
        ]
        self.size = len(first)

    def maxima(self, array: FloatArray) -> FloatArray:
        result, done = np.empty(self.size), 0
        for exponent, chosen, left, right in self.parts:
            for power in range(done, exponent):
                array = np.maximum(array[: -(2**power)], array[2**power :])
            done = exponent
            result[chosen] = np.maximum(array[left], array[right])
        return result
