"""
S-shaped markets channel by channel: without the budget they share, channels can be solved by dynamic programming.

A knapsack over what each channel makes of its money gives plans to start a local search from, and a price on money
instead of the budget (Lagrange) an upper bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sb3_ext.common.arrays import FloatArray, IntArray
from sb3_ext.envs.ad_spend.market.curves import Curves
from sb3_ext.envs.ad_spend.market.market import Market
from sb3_ext.envs.ad_spend.optimum.outlook import Outlook

_MONEY_CELLS = 4000
_OVERDRAFTS = (1.0, 1.02, 1.1, 1.2)
_LEVELS = 24
_ADSTOCKS = 48
_MOST_PULSES = 60
_COARSE_CELLS, _FINE_CELLS = 1000, 4000
_PRICE_STEPS = 20


@dataclass(frozen=True)
class ChannelProblem:
    """One channel of a campaign."""

    curves: Curves
    """Its response and carry-over, shapes (1,)."""
    start: float
    """Adstock before the first period, money."""
    demand: FloatArray
    """Money per unit of sales in every period and in those of the tail, shape (T + tail,)."""
    media: FloatArray
    """Media that a unit of money buys, shape (T,)."""
    low: FloatArray
    """Smallest spends, shape (T,), money."""
    cap: FloatArray
    """Largest spends, shape (T,), money."""
    spend_cost: float
    """Money lost per unit of spend."""

    @property
    def theta(self) -> float:
        """Carry-over per period."""
        return float(self.curves.theta[0])

    @property
    def periods(self) -> int:
        """Number of periods to plan."""
        return len(self.media)

    @property
    def highest_adstock(self) -> float:
        """No adstock can get higher, money."""
        return max(self.start, float((self.cap * self.media).max()))

    def sales(self, adstock: FloatArray) -> FloatArray:
        """Sales of a period at demand factor 1, elementwise."""
        return self.curves.response(adstock[..., None])[..., 0]

    def carry_over(self, adstock: FloatArray, spend: FloatArray, period: int) -> FloatArray:
        """Adstock of a period, from that of the period before and the spend, elementwise."""
        return np.asarray(self.theta * adstock + (1.0 - self.theta) * self.media[period] * spend)

    def tail(self, adstock: FloatArray) -> FloatArray:
        """Money that the adstocks left at the end still earn, shape (n,)."""
        powers = self.theta ** np.arange(1, len(self.demand) - self.periods + 1)
        return np.asarray(self.sales(adstock[:, None] * powers) @ self.demand[self.periods :])


def channel_problems(market: Market, outlook: Outlook, low: FloatArray, cap: FloatArray) -> list[ChannelProblem]:
    """
    Take a campaign apart.

    :param market: The market.
    :param outlook: What to assume of the T periods to plan.
    :param low: Smallest spends, shape (T, N), money.
    :param cap: Largest spends, shape (T, N), money, above ``low``.
    :return: One problem per channel.
    """
    return [
        ChannelProblem(
            Curves(*(column[[i]] for column in (market.beta, market.kappa, market.alpha, market.theta))),
            float(outlook.adstock[i]),
            market.margin * outlook.demand[:, i],
            outlook.media[:, i],
            low[:, i],
            cap[:, i],
            market.spend_cost,
        )
        for i in range(len(market.names))
    ]


def pulse_plans(channels: list[ChannelProblem], budget: float) -> list[FloatArray]:
    """
    Good plans in which every channel pulses at one level of its own and spends ``low`` in between.

    Channel by channel, a dynamic program over periods, adstock and pulses left finds for every level on a grid of
    money what ``k`` pulses earn, and when to send them. A multiple-choice knapsack then picks level and number
    of pulses of each channel. The first plan is the best of its kind, up to the grids; the others are the best for
    somewhat more money, scaled down to the budget. Campaigns of more than 60 periods pulse for several periods on end.

    :param channels: The channels.
    :param budget: Budget, money, above what ``low`` takes.
    :return: Distinct plans within the bounds and the budget, shape (T, N) each, money.
    """
    low = np.column_stack([channel.low for channel in channels])
    spare = budget - float(low.sum())
    pulses = [_Pulses(channel, spare / _MONEY_CELLS) for channel in channels]
    plans: list[FloatArray] = []
    for choice in _choose([pulse.options for pulse in pulses]):
        plan = np.column_stack([pulse.spend(number) for pulse, number in zip(pulses, choice, strict=True)])
        plan = low + (plan - low) * min(1.0, spare / max(float((plan - low).sum()), 1e-300))
        if not any(np.array_equal(plan, other) for other in plans):
            plans.append(plan)
    return plans


class _Options(NamedTuple):
    """What a channel can do with its money, one entry per option: cost in cells, value, level, pulses."""

    cost: IntArray
    value: FloatArray
    level: IntArray
    pulses: IntArray


class _Pulses:
    """What a channel earns with a number of pulses of one level (in cells of money above ``low``) at the best times."""

    def __init__(self, channel: ChannelProblem, cell: float) -> None:
        self.channel = channel
        self.blocks = np.array_split(np.arange(channel.periods), min(channel.periods, _MOST_PULSES))
        cells = _levels(channel, cell)
        self.levels = np.asarray(cells * cell, dtype=np.float64)
        self.grid = channel.highest_adstock * np.linspace(0.0, 1.0, _ADSTOCKS) ** 2
        value = self._solve()
        cost = cells[:, None] * np.cumsum([0, *map(len, self.blocks)])
        level, pulses = np.nonzero(cost <= _OVERDRAFTS[-1] * _MONEY_CELLS)
        self.options = _Options(cost[level, pulses], value[level, pulses], level, pulses)

    def _solve(self) -> FloatArray:
        """Backwards in time: when to pulse; return the value per level and number of pulses, shape (levels, K + 1)."""
        value = np.tile(self.channel.tail(self.grid)[:, None], (len(self.levels), 1, len(self.blocks) + 1))
        rows = np.arange(len(self.levels))[:, None]
        self.pulse_now = []
        for block in reversed(self.blocks):
            earned, left, weight = self._carry_out(np.zeros(1), block)
            later = value[:, left]
            idle = earned[:, None] + later + weight[:, None] * (value[:, left + 1] - later)
            earned, left, weight = self._carry_out(self.levels[:, None], block)
            later = value[rows, left, :-1]
            pulse = earned[..., None] + later + weight[..., None] * (value[rows, left + 1, :-1] - later)
            self.pulse_now.append(pulse > idle[..., 1:])
            np.maximum(idle[..., 1:], pulse, out=idle[..., 1:])
            value = idle
        self.pulse_now.reverse()
        left, weight = self._locate(np.array(self.channel.start))
        return np.asarray(value[:, left] + weight * (value[:, left + 1] - value[:, left]))

    def _carry_out(self, extra: FloatArray, block: IntArray) -> tuple[FloatArray, IntArray, FloatArray]:
        """Spend so much above ``low`` from every adstock of the grid on: what it earns, and where it leads."""
        channel, adstock, earned = self.channel, self.grid, np.zeros(1)
        for period in block:
            spend = np.minimum(channel.low[period] + extra, channel.cap[period])
            adstock = channel.carry_over(adstock, spend, period)
            earned = earned + channel.demand[period] * channel.sales(adstock) - channel.spend_cost * spend
        return earned, *self._locate(adstock)

    def _locate(self, adstock: FloatArray) -> tuple[IntArray, FloatArray]:
        """The grid point at or below an adstock, and the share of the way to the next."""
        left = np.clip(np.searchsorted(self.grid, adstock, side="right") - 1, 0, _ADSTOCKS - 2)
        return left, (adstock - self.grid[left]) / (self.grid[left + 1] - self.grid[left])

    def spend(self, option: int) -> FloatArray:
        """The spends of an option, shape (T,)."""
        channel, level, pulses = self.channel, self.options.level[option], self.options.pulses[option]
        plan: FloatArray = channel.low.copy()
        adstock = np.array(channel.start)
        for block, pulse_now in zip(self.blocks, self.pulse_now, strict=True):
            left, weight = self._locate(adstock)
            if pulses and pulse_now[level, left + int(weight > 0.5), pulses - 1]:
                plan[block] = np.minimum(plan[block] + self.levels[level], channel.cap[block])
                pulses -= 1
            for period in block:
                adstock = channel.carry_over(adstock, plan[period], period)
        return plan


def _levels(channel: ChannelProblem, cell: float) -> IntArray:
    """Spends of a pulse above ``low`` in cells: geometric, from below the most efficient spend up to the cap."""
    alpha, room = float(channel.curves.alpha[0]), float((channel.cap - channel.low).max())
    room = min(room, _OVERDRAFTS[-1] * _MONEY_CELLS * cell)
    efficient = float(channel.curves.kappa[0]) * max(alpha - 1.0, 0.0) ** (1.0 / alpha)
    least = min(max(0.25 * efficient, 0.01 * room), 0.25 * room)
    return np.unique(np.maximum(np.geomspace(least, room, _LEVELS) / cell, 1.0).astype(np.int64))


def _choose(options: list[_Options]) -> list[list[int]]:
    """The option of each channel that together are worth most, for the budget and each larger sum of money."""
    money = [int(overdraft * _MONEY_CELLS) for overdraft in _OVERDRAFTS]
    best, choices = np.zeros(money[-1] + 1), []
    for option in options:
        reached, choice = np.full_like(best, -np.inf), np.zeros(len(best), dtype=np.int64)
        # An option is of use only if it is worth more than every cheaper one.
        order = np.lexsort((-option.value, option.cost))
        for number in order[np.diff(np.maximum.accumulate(option.value[order]), prepend=-np.inf) > 0.0]:
            cost = option.cost[number]
            value = best[: len(best) - cost] + option.value[number]
            better = value > reached[cost:]
            reached[cost:][better] = value[better]
            choice[cost:][better] = number
        best = reached
        choices.append(choice)
    chosen = []
    for left in money:
        numbers = []
        for option, choice in zip(reversed(options), reversed(choices), strict=True):
            numbers.append(int(choice[left]))
            left -= int(option.cost[numbers[-1]])
        chosen.append(numbers[::-1])
    return chosen


def lagrangian_bound(channels: list[ChannelProblem], budget: float, highest_price: float) -> float:
    """
    What no plan within the bounds and the budget can earn more than.

    At any price on money, the plans that may spend at will, paid for their savings on the budget, earn no less. Each
    channel then has a problem of its own, solved by dynamic programming over cells of adstock, all errors on the side
    of the bound. The price is the one with the lowest bound.

    :param channels: The channels.
    :param budget: Budget, money.
    :param highest_price: Prices up to here are tried, money earned per money spent, > 0.
    :return: Margin of the sales less the costs of spending, tail included, money; not relative to a campaign without
        spend.
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
        alpha = float(self.channel.curves.alpha[0])
        inflexion = float(self.channel.curves.kappa[0]) * (max(alpha - 1.0, 0.0) / (alpha + 1.0)) ** (1.0 / alpha)
        sales = self.channel.sales(self.edges)
        concave, convex = self.edges[:-1] >= inflexion, self.edges[1:] <= inflexion
        tangents = self.channel.curves.marginal_response(self.middle[:, None])[:, 0]
        level = np.where(convex, 0.5 * (sales[1:] + sales[:-1]), sales[1:])
        slope = np.where(convex, np.diff(sales) / (2.0 * self.half), 0.0)
        return np.where(concave, self.channel.sales(self.middle), level), np.where(concave, tangents, slope)

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
