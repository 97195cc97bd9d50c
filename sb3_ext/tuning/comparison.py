"""The best trials and the block that the search started from, trained again on seeds that no trial has seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna import Study

from sb3_ext.common.arrays import FloatArray
from sb3_ext.evaluation.statistics import bootstrap_interval, iqm
from sb3_ext.tuning.objective import CURRENT
from sb3_ext.tuning.spec import TuningSpec
from sb3_ext.tuning.trials import SEARCH_ID, is_of, pair_of, states


@dataclass(frozen=True)
class Candidate:
    """A set of hyperparameters and its scores on the fresh seeds."""

    number: int
    """Of the trial, or :data:`~sb3_ext.tuning.objective.CURRENT`."""
    settings: dict[str, Any]
    """What the trial changes of the block that the search started from."""
    scores: FloatArray
    """Of every fresh seed; NaN where the training failed."""
    evaluations: FloatArray
    """Mean returns, shape (seeds, evaluations), the last ones of the trained agents; NaN where the training failed."""
    search_score: float
    """NaN for the block that the search started from."""

    @property
    def name(self) -> str:
        """What tables call it."""
        return "current block" if self.number == CURRENT else f"trial {self.number}"

    @property
    def finished(self) -> FloatArray:
        """Its scores without those of failed trainings."""
        return self.scores[np.isfinite(self.scores)]

    @property
    def middle(self) -> float:
        """Interquartile mean of its scores; minus infinity if every training failed."""
        return float(iqm(self.finished)) if len(self.finished) else -np.inf

    @property
    def interval(self) -> tuple[float, float]:
        """95 % bootstrap interval of the interquartile mean over the seeds; NaN for fewer than two."""
        if len(self.finished) < 2:
            return np.nan, np.nan
        low, high = bootstrap_interval(self.finished)
        return float(low), float(high)

    @property
    def worst(self) -> float:
        """The lowest score; NaN if every training failed."""
        return float(self.finished.min()) if len(self.finished) else np.nan

    @property
    def rank(self) -> tuple[float, ...]:
        """What sorts candidates, the best first: failed trainings, scores on fresh seeds, score in the search."""
        failed = len(self.scores) - len(self.finished)
        return failed, -self.middle, -np.nan_to_num(self.search_score, nan=-np.inf)

    def gain_over(self, other: Candidate) -> tuple[float, float, float]:
        """
        How much better it is on the same seeds: difference of the interquartile means, and its 95 % bootstrap interval.

        Seeds are drawn for both alike. NaN if fewer than two finished for both.
        """
        both = np.isfinite(self.scores) & np.isfinite(other.scores)
        if both.sum() < 2:
            return np.nan, np.nan, np.nan
        pair = np.array([self.scores[both], other.scores[both]])
        low, high = bootstrap_interval(pair, lambda scores: iqm(scores)[0] - iqm(scores)[1])
        return float(iqm(pair[0]) - iqm(pair[1])), float(low), float(high)


def _compared(study: Study, top_k: int) -> dict[int, tuple[dict[str, Any], float]]:
    """Settings and score in the search by number: of the block that it started from, and of the best trials."""
    best = sorted(states(study)["complete"], key=lambda trial: (-trial.values[0], trial.number))[:top_k]
    return {CURRENT: ({}, np.nan), **{trial.number: (trial.user_attrs["settings"], trial.values[0]) for trial in best}}


def queue_comparison(spec: TuningSpec, study: Study, comparison: Study, top_k: int) -> None:
    """Queue the trainings on fresh seeds that are still missing."""
    by_state = states(comparison)
    known = {
        pair_of(trial) for name in ("complete", "waiting", "running") for trial in by_state[name] if is_of(trial, study)
    }
    for seed in spec.fresh_training_seeds:
        for number, (settings, _) in _compared(study, top_k).items():
            if (number, seed) not in known:
                attrs = {"settings": settings, SEARCH_ID: study.user_attrs.get(SEARCH_ID)}
                comparison.enqueue_trial({"trial": number, "seed": seed}, user_attrs=attrs)


def candidates(spec: TuningSpec, study: Study, comparison: Study, top_k: int) -> list[Candidate]:
    """What the comparison found, the best first."""
    trained = {pair_of(trial): trial for trial in states(comparison)["complete"] if is_of(trial, study)}
    found = []
    for number, (settings, search_score) in _compared(study, top_k).items():
        runs = [trained.get((number, seed)) for seed in spec.fresh_training_seeds]
        failed = [np.nan] * spec.n_evaluations
        evaluations = np.array([failed if run is None else run.user_attrs["evaluations"] for run in runs])
        evaluations = evaluations.reshape(len(runs), spec.n_evaluations)
        scores = np.array([np.nan if run is None else run.values[0] for run in runs])
        found.append(Candidate(number, settings, scores, evaluations, search_score))
    return sorted(found, key=lambda each: each.rank)
