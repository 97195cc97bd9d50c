"""Measuring several things that do the same job in turns, so that a slow moment of the machine hits all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple


class Case(NamedTuple):
    """One of the things that are measured in turns."""

    name: str
    measure: Callable[[], float]
    """Measures once, in the unit of the group."""
    reference: str | None = None
    """The case of the same group that it is compared with."""


def advantage(unit: str, ratio: float) -> float:
    """
    Turn a ratio of values into how many times better the first one is.

    :param unit: unit of the values; what is counted per second should be large, times and memory small
    :param ratio: value over value
    :return: above 1 for what is better
    """
    return ratio if unit.endswith("/s") else 1 / ratio


class Missing(NamedTuple):
    """A case that cannot be measured here."""

    name: str
    reason: str


class Group(NamedTuple):
    """Things that do the same job."""

    quantity: str
    unit: str
    setting: str
    """What the numbers hold for, such as sizes."""
    prepare: Callable[[], Sequence[Case | Missing]]
    """Builds the cases; what they hold in memory is freed when the group is done."""
    slices: int = 1
    """Turns in a repeat, whose value is their median: many for what takes microseconds."""
    threads: int = 1
    """Threads of PyTorch."""
    once: bool = False
    """Whether one repeat says it all, as for memory."""


class Result(NamedTuple):
    """What was measured of one case."""

    name: str
    values: list[float]
    """One per repeat."""
    reference: str | None = None
    ratios: list[float] | None = None
    """Over the reference's value of the same repeat; None without a reference."""

    @property
    def median(self) -> float:
        """Median of the values."""
        return statistics.median(self.values)

    @property
    def ratio(self) -> float | None:
        """Median of the ratios."""
        return None if self.ratios is None else statistics.median(self.ratios)


def measure_group(
    group: Group, repeats: int, advance: Callable[[], None] = lambda: None
) -> tuple[list[Result], list[Missing]]:
    """
    Measure the cases of a group in turns.

    :param group: the group
    :param repeats: values to take of each case, at least 1; one for a group that is measured once
    :param advance: called after each repeat
    :return: results in the order of the cases, and the cases that cannot be measured
    """
    import torch as th

    th.set_num_threads(group.threads)
    repeats = 1 if group.once else repeats
    prepared = group.prepare()
    cases = [case for case in prepared if isinstance(case, Case)]
    values: dict[str, list[float]] = {case.name: [] for case in cases}
    for _ in range(repeats):
        turns: dict[str, list[float]] = {case.name: [] for case in cases}
        for _ in range(group.slices):
            for case in cases:
                turns[case.name].append(case.measure())
        for name, taken in turns.items():
            values[name].append(statistics.median(taken))
        advance()
    results = []
    for name, _, reference in cases:
        others = None if reference is None else values[reference]
        ratios = None if others is None else [own / other for own, other in zip(values[name], others, strict=True)]
        results.append(Result(name, values[name], reference, ratios))
    return results, [case for case in prepared if isinstance(case, Missing)]


def microseconds(call: Callable[[], Any], calls: int) -> Callable[[], float]:
    """
    Time a call that takes microseconds.

    :param call: what to time
    :param calls: how often in one measurement, after one call that is not timed
    :return: measures the microseconds of one call, the mean over the calls
    """

    def measure() -> float:
        call()
        start = time.perf_counter()
        for _ in range(calls):
            call()
        return (time.perf_counter() - start) / calls * 1e6

    return measure
