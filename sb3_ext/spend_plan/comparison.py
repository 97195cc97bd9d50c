"""Policies against each other: one number each, or many where parameters or paths are uncertain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sb3_ext.common.arrays import FloatArray
from sb3_ext.evaluation.statistics import bootstrap_interval

CONFIDENCE = 0.95
EVEN = "even pacing"
PAST_MIX = "historical proportions"
LAST_YEAR = "last year's spends"
OPTIMIZED = "optimized plan"
CLAIRVOYANT = "clairvoyant (bound)"


@dataclass(frozen=True)
class Score:
    """What a policy earns."""

    name: str
    value: float
    """Money earned over a zero-spend campaign, on average."""
    low: float | None = None
    """Lower end of the 95% interval; None for a single number."""
    high: float | None = None
    """Its upper end; None for a single number."""
    ahead: float | None = None
    """Share of the cases in which it earns more than the reference; None for the reference and single numbers."""
    gain_interval: tuple[float, float] | None = None
    """95% interval of how much more it earns than the reference, case by case; None but for means over cases."""


class Gain(NamedTuple):
    """How much more a policy earns than another one in the same cases, on average."""

    name: str
    mean: float
    """Money."""
    low: float
    """Lower end of the 95% bootstrap interval of that mean; over draws, of the middle 95% of the cases."""
    high: float
    """Its upper end."""


def paired_gain(name: str, values: FloatArray, reference: FloatArray) -> Gain:
    """Compare what a policy and another one earned, shapes (cases,), in the same cases, at least 2."""
    return Gain(name, float(np.mean(values - reference)), *_mean_interval(values - reference))


def _mean_interval(values: FloatArray) -> tuple[float, float]:
    low, high = bootstrap_interval(values, lambda drawn: drawn.mean(axis=-1), CONFIDENCE, method="percentile")
    return float(low), float(high)


def interval_over_draws(values: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Ends, shape (...), of the middle 95% of values of shape (..., cases): how uncertain one campaign is."""
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile(np.asarray(values, dtype=np.float64), [tail, 1.0 - tail], axis=-1)
    return low, high


def lead_over_draws(name: str, values: FloatArray, reference: FloatArray) -> Gain:
    """How much more a plan earns than ``name``, shapes (draws,): on average, and in the middle 95% of the draws."""
    low, high = interval_over_draws(values - reference)
    return Gain(name, float(np.mean(values - reference)), float(low), float(high))


def compare(
    values: Mapping[str, npt.ArrayLike], reference: str, expected: Mapping[str, float] | None = None
) -> list[Score]:
    """
    Score policies by what they earned, shapes (cases,), in the same cases in the same order; the best comes first.

    A single case gives a number. Several give the mean over the cases and its 95% bootstrap interval; with
    ``expected`` that is the number, and the interval is the middle 95% of the cases.
    """
    cases = {name: np.atleast_1d(np.asarray(earned, dtype=np.float64)) for name, earned in values.items()}
    scores = []
    for name, earned in cases.items():
        value = float(earned.mean()) if expected is None else expected[name]
        if len(earned) == 1 and expected is None:
            scores.append(Score(name, value))
            continue
        low, high = _mean_interval(earned) if expected is None else map(float, interval_over_draws(earned))
        ahead, gain = None, None
        if name != reference:
            ahead = float(np.mean(earned > cases[reference]))
            gain = _mean_interval(earned - cases[reference]) if expected is None else None
        scores.append(Score(name, value, low, high, ahead, gain))
    return sorted(scores, key=lambda score: -score.value)
