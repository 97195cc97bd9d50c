"""How long trainings take to reach a threshold, where some never do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Waiting(NamedTuple):
    """When one training reached the threshold."""

    steps: float
    """Steps of the first evaluation at the threshold, or of the last evaluation if none was."""
    reached: bool
    """Whether one was; else it is only known that more steps are needed."""


def steps_to_threshold(steps: Sequence[float], returns: Sequence[float], threshold: float) -> Waiting:
    """The first evaluation at the threshold, from the ascending steps and the mean returns of at least one."""
    for step, mean_return in zip(steps, returns, strict=True):
        if mean_return >= threshold:
            return Waiting(float(step), True)
    return Waiting(float(steps[-1]), False)


def median_waiting(waits: Sequence[Waiting]) -> float:
    """
    Median of the steps to the threshold, by Kaplan and Meier's estimate of the trainings still on the way.

    Without trainings that stopped before they reached it, this is the smallest number of steps by which at least half
    of them have; infinity where the estimate never falls to one half.
    """
    waiting = 1.0
    for steps in sorted({wait.steps for wait in waits if wait.reached}):
        at_risk = sum(wait.steps >= steps for wait in waits)
        waiting *= 1.0 - sum(wait.reached and wait.steps == steps for wait in waits) / at_risk
        # Products of fractions such as 9/10 * 8/9 ... miss one half by a rounding error.
        if waiting <= 0.5 + 1e-12:
            return steps
    return math.inf
