"""Statistics of a comparison: of every setting on every environment, of pairs of settings, over all environments."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.evaluation.improvement import improvement_interval, probability_of_improvement
from sb3_ext.evaluation.scores import Comparison
from sb3_ext.evaluation.statistics import bootstrap_interval, iqm, stratified_interval
from sb3_ext.evaluation.suites import optimality_gap, suite_iqm, suite_mean, suite_median
from sb3_ext.evaluation.waiting import median_waiting


class Summary(NamedTuple):
    """A setting on an environment; NaN and None for what is not known."""

    environment: str
    setting: str
    seeds: int
    mean: float
    median: float
    iqm: float
    iqm_low: float
    """Lower end of the 95 % interval of the interquartile mean."""
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
    """Ceiling less interquartile mean."""
    normalized_iqm: float
    """0 for random actions, 1 for the ceiling."""
    training_steps: float
    """Median, as are the next two."""
    training_frames: float
    training_seconds: float
    evaluation_seconds: float
    """Of all runs."""


class Improvement(NamedTuple):
    """How likely a run of one setting beats a run of another."""

    environment: str
    """Empty for the mean over all environments."""
    setting: str
    other: str
    probability: float
    low: float
    """Lower end of the 95 % interval; NaN where a setting has a single run."""
    high: float


class Aggregate(NamedTuple):
    """A statistic of a setting's normalised scores over all environments."""

    setting: str
    statistic: str
    value: float
    low: float
    """Lower end of the 95 % stratified bootstrap interval; NaN where an environment has a single run."""
    high: float


AGGREGATES: dict[str, Callable[[Sequence[Any]], FloatArray]] = {
    "IQM": suite_iqm,
    "median": suite_median,
    "mean": suite_mean,
    "optimality gap": optimality_gap,
}


def summaries(comparison: Comparison) -> Iterator[Summary]:
    """
    Summarise every setting on every environment.

    :param comparison: The runs.
    :return: One record per pair that has runs, environment by environment.
    """
    for environment in comparison.environments:
        for setting in comparison.settings:
            if comparison.of(setting, environment):
                yield _summary(comparison, setting, environment)


def improvements(comparison: Comparison) -> Iterator[Improvement]:
    """
    Compare every setting with every other one.

    :param comparison: The runs.
    :return: One record per ordered pair and environment, and for the mean over several environments.
    """
    environments = comparison.environments
    for group in [[name] for name in environments] + ([environments] if len(environments) > 1 else []):
        for setting in comparison.settings:
            for other in comparison.settings:
                first, second = (
                    [mean_returns(comparison, name, environment) for environment in group] for name in (setting, other)
                )
                if setting == other or any(len(scores) == 0 for scores in (*first, *second)):
                    continue
                probability = float(probability_of_improvement(first, second))
                low = high = math.nan
                if min(map(len, (*first, *second))) > 1:
                    low, high = improvement_interval(first, second)
                yield Improvement(group[0] if len(group) == 1 else "", setting, other, probability, low, high)


def aggregates(comparison: Comparison) -> Iterator[Aggregate]:
    """
    Summarise the normalised scores of every setting over all environments.

    :param comparison: The runs, with scores on one scale.
    :return: One record per setting and statistic, for settings that have runs on all environments.
    """
    for setting in comparison.settings:
        strata = normalized_scores(comparison, setting)
        if any(len(scores) == 0 for scores in strata):
            continue
        for name, statistic in AGGREGATES.items():
            low = high = math.nan
            if min(map(len, strata)) > 1:
                low, high = map(float, stratified_interval(strata, statistic))
            yield Aggregate(setting, name, float(statistic(strata)), low, high)


def mean_returns(comparison: Comparison, setting: str, environment: str) -> FloatArray:
    """
    Mean return of every run of a setting on an environment.

    :param comparison: The runs.
    :param setting: Name of the setting.
    :param environment: Id of the environment.
    :return: Shape (runs,).
    """
    return np.array([run.mean_return for run in comparison.of(setting, environment)])


def normalized_scores(comparison: Comparison, setting: str) -> list[FloatArray]:
    """
    Scores of a setting's runs between random actions and the ceiling.

    :param comparison: The runs.
    :param setting: Name of the setting.
    :return: One array of shape (runs,) per environment.
    """
    return [
        np.array([run.normalized for run in comparison.of(setting, environment)])
        for environment in comparison.environments
    ]


def _summary(comparison: Comparison, setting: str, environment: str) -> Summary:
    runs = comparison.of(setting, environment)
    returns = mean_returns(comparison, setting, environment)
    worst = min(runs, key=lambda run: run.mean_return)
    first = runs[0]
    middle = float(iqm(returns))
    low = high = math.nan
    if len(runs) > 1:
        low, high = map(float, bootstrap_interval(returns))
    waits = [run.waiting for run in runs if run.waiting is not None]
    has_threshold = not math.isnan(first.threshold)
    reach = first.ceiling - first.random_return
    return Summary(
        environment=environment,
        setting=setting,
        seeds=len(runs),
        mean=float(returns.mean()),
        median=float(np.median(returns)),
        iqm=middle,
        iqm_low=low,
        iqm_high=high,
        worst=worst.mean_return,
        worst_seed=worst.seed_name,
        threshold=first.threshold,
        solved=int((returns >= first.threshold).sum()) if has_threshold else None,
        episodes_at_threshold=float(np.mean([run.episodes_at_threshold for run in runs])),
        reached=sum(wait.reached for wait in waits) if waits else None,
        observed=len(waits) if waits else None,
        median_steps_to_threshold=median_waiting(waits) if waits else math.nan,
        ceiling=first.ceiling,
        gap_to_ceiling=first.ceiling - middle,
        normalized_iqm=(middle - first.random_return) / reach if reach > 0.0 else math.nan,
        training_steps=float(np.median([run.training_steps for run in runs])),
        training_frames=float(np.median([run.training_frames or math.nan for run in runs])),
        training_seconds=float(np.median([run.training_seconds for run in runs])),
        evaluation_seconds=float(sum(run.evaluation_seconds for run in runs)),
    )
