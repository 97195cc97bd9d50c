"""Plans of pulses, for S-shaped markets: dynamic programming channel by channel, and a knapsack over the channels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sb3_ext.common.arrays import FloatArray, IntArray
from sb3_ext.envs.ad_spend.optimum.channel_problem import ChannelProblem

_MONEY_CELLS = 4000
_OVERDRAFTS = (1.0, 1.02, 1.1, 1.2)
_LEVELS = 24
_ADSTOCKS = 48
_MOST_PULSES = 60


def pulse_plans(channels: list[ChannelProblem], budget: float) -> list[FloatArray]:
    """
    Plans, shape (N, T), in which every channel pulses at one level of its own and spends ``low`` in between.

    Channel by channel, a dynamic program over periods, adstock and pulses left finds for every level on a grid of money
    what ``k`` pulses earn, and when to send them. A multiple-choice knapsack then picks level and number of pulses of
    each channel. The first plan is the best of its kind, up to the grids; the others are the best for somewhat more
    money, scaled down to the budget. Campaigns of more than 60 periods pulse for several periods on end.
    """
    low = np.stack([channel.low for channel in channels])
    spare = budget - float(low.sum())
    pulses = [_Pulses(channel, spare / _MONEY_CELLS) for channel in channels]
    plans: list[FloatArray] = []
    for choice in _choose([pulse.options for pulse in pulses]):
        plan = np.stack([pulse.spend(number) for pulse, number in zip(pulses, choice, strict=True)])
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
            earned = earned + channel.demand[period] * channel.curve.response(adstock) - channel.spend_cost * spend
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
    room = min(max(float((channel.cap - channel.low).max()), cell), _OVERDRAFTS[-1] * _MONEY_CELLS * cell)
    least = min(max(0.25 * float(channel.curve.touching), 0.01 * room), 0.25 * room)
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
