"""Statistics of a comparison: of every setting on every environment, of pairs of settings, over all environments."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.evaluation.improvement import improvement_interval, probability_of_improvement
from sb3_ext.evaluation.scores import Comparison
from sb3_ext.evaluation.statistics import bootstrap_interval, iqm, paired_difference, stratified_interval
from sb3_ext.evaluation.suites import optimality_gap, suite_iqm, suite_mean, suite_median
from sb3_ext.evaluation.waiting import Waiting, median_waiting


class Summary(NamedTuple):
    """A setting on an environment, with 95 % intervals; NaN and None for what is not known."""

    environment: str
    setting: str
    seeds: int
    mean: float
    median: float
    iqm: float
    iqm_low: float
    iqm_high: float
    worst: float
    worst_seed: str
    threshold: float
    solved: int | None
    """Runs whose mean return is at the threshold."""
    episodes_at_threshold: float
    """Share of the episodes of all runs."""
    reached: int | None
    """Runs with an evaluation during training at the threshold."""
    observed: int | None
    """Runs with evaluations during training."""
    median_steps_to_threshold: float
    """Kaplan and Meier's estimate; infinite where fewer than half of the runs reach it."""
    ceiling: float
    gap_to_ceiling: float
    normalized_iqm: float
    """0 for random actions, 1 for the ceiling."""
    training_steps: float
    """Median, as are the next two."""
    training_frames: float
    training_seconds: float
    evaluation_seconds: float
    """Of all runs."""


class Improvement(NamedTuple):
    """How likely a run of one setting beats a run of another; the 95 % interval is NaN where one has a single run."""

    environment: str
    """Empty for the mean over all environments."""
    setting: str
    other: str
    probability: float
    low: float
    high: float


class Aggregate(NamedTuple):
    """A statistic of a setting's normalised scores over all environments, with its 95 % interval as above."""

    setting: str
    statistic: str
    value: float
    low: float
    high: float


class Lead(NamedTuple):
    """Mean return of a setting less that of the best baseline, with its 95 % interval over runs and episodes."""

    baseline: str
    gain: float
    low: float
    high: float


_AGGREGATES: dict[str, Callable[[Sequence[Any]], FloatArray]] = {
    "IQM": suite_iqm,
    "median": suite_median,
    "mean": suite_mean,
    "optimality gap": optimality_gap,
}
_UNKNOWN = (math.nan, math.nan)


def summaries(comparison: Comparison) -> Iterator[Summary]:
    """Summarise every setting on every environment, environment by environment."""
    for environment, setting in itertools.product(comparison.environments, comparison.settings):
        yield _summary(comparison, setting, environment)


def improvements(comparison: Comparison) -> Iterator[Improvement]:
    """Compare every setting with every other one, on each environment and over several."""
    environments = comparison.environments
    groups = {name: [name] for name in environments}
    if len(environments) > 1:
        groups[""] = environments
    for environment, group in groups.items():
        for setting, other in itertools.permutations(comparison.settings, 2):
            first = [comparison.mean_returns(setting, name) for name in group]
            second = [comparison.mean_returns(other, name) for name in group]
            probability = float(probability_of_improvement(first, second))
            low, high = improvement_interval(first, second) if min(map(len, first + second)) > 1 else _UNKNOWN
            yield Improvement(environment, setting, other, probability, low, high)


def aggregates(comparison: Comparison) -> Iterator[Aggregate]:
    """Summarise the normalised scores of every setting over all environments."""
    for setting in comparison.settings:
        strata = comparison.normalized_scores(setting)
        for name, statistic in _AGGREGATES.items():
            low, high = stratified_interval(strata, statistic) if min(map(len, strata)) > 1 else _UNKNOWN
            yield Aggregate(setting, name, float(statistic(strata)), float(low), float(high))


def lead(comparison: Comparison, setting: str, environment: str) -> Lead | None:
    """Compare a setting with the best baseline in the same episodes; None without one, or with one run or episode."""
    runs, baselines = comparison.of(setting, environment), comparison.baselines(environment)
    if len(runs) < 2 or runs[0].episodes < 2 or not baselines:
        return None
    best = max(baselines, key=lambda baseline: baseline.mean_return)
    return Lead(best.name, *paired_difference([run.returns for run in runs], best.returns))


def _summary(comparison: Comparison, setting: str, environment: str) -> Summary:
    runs = comparison.of(setting, environment)
    returns = comparison.mean_returns(setting, environment)
    worst = min(runs, key=lambda run: run.mean_return)
    known = runs[0].references
    middle = float(iqm(returns))
    low, high = bootstrap_interval(returns) if len(runs) > 1 else _UNKNOWN
    ends = ((run.steps_to_threshold, run.reached_threshold) for run in runs)
    waits = [Waiting(steps, reached) for steps, reached in ends if reached is not None]
    return Summary(
        environment=environment,
        setting=setting,
        seeds=len(runs),
        mean=float(returns.mean()),
        median=float(np.median(returns)),
        iqm=middle,
        iqm_low=float(low),
        iqm_high=float(high),
        worst=worst.mean_return,
        worst_seed=worst.seed_name,
        threshold=known.threshold,
        solved=None if math.isnan(known.threshold) else int((returns >= known.threshold).sum()),
        episodes_at_threshold=float(np.mean([run.episodes_at_threshold for run in runs])),
        reached=sum(wait.reached for wait in waits) if waits else None,
        observed=len(waits) if waits else None,
        median_steps_to_threshold=median_waiting(waits) if waits else math.nan,
        ceiling=known.ceiling,
        gap_to_ceiling=known.ceiling - middle,
        normalized_iqm=known.normalized(middle),
        training_steps=_median([run.training_steps for run in runs]),
        training_frames=_median([run.training_frames for run in runs]),
        training_seconds=_median([run.training_seconds for run in runs]),
        evaluation_seconds=float(sum(run.evaluation_seconds for run in runs)),
    )


def _median(numbers: Sequence[float | None]) -> float:
    return float(np.median(np.array(numbers, dtype=np.float64)))
