"""The best trials and the block that the search started from, trained again on seeds that no trial has seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna import Study
from optuna.trial import FrozenTrial

from sb3_ext.common.arrays import FloatArray
from sb3_ext.evaluation.statistics import bootstrap_interval, iqm
from sb3_ext.tuning.objective import CURRENT
from sb3_ext.tuning.spec import TuningSpec
from sb3_ext.tuning.trials import SEARCH_ID, is_of, pair_of, states


@dataclass(frozen=True)
class Candidate:
    """
    A set of hyperparameters and its scores on the fresh seeds.

    :param number: Number of the trial, :data:`~sb3_ext.tuning.objective.CURRENT` for the block of the beginning.
    :param settings: What the trial changes of that block.
    :param scores: Score on every fresh seed, in their order; NaN where the training failed.
    :param finals: Mean return of the trained agent on every fresh seed.
    :param evaluations: Mean returns during training, shape (seeds, evaluations).
    :param search_score: The trial's score in the search; NaN for the block of the beginning.
    """

    number: int
    settings: dict[str, Any]
    scores: FloatArray
    finals: FloatArray
    evaluations: FloatArray
    search_score: float

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
        How much better it is than another candidate on the same seeds.

        :param other: The other candidate.
        :return: Difference of the interquartile means, and its 95 % bootstrap interval over seeds drawn for both alike;
            NaN if fewer than two seeds finished for both.
        """
        both = np.isfinite(self.scores) & np.isfinite(other.scores)
        if both.sum() < 2:
            return np.nan, np.nan, np.nan
        pair = np.array([self.scores[both], other.scores[both]])
        low, high = bootstrap_interval(pair, lambda scores: iqm(scores)[0] - iqm(scores)[1])
        return float(iqm(pair[0]) - iqm(pair[1])), float(low), float(high)


def _best_trials(study: Study, top_k: int) -> list[FrozenTrial]:
    """Those that finished, the best first."""
    return sorted(states(study)["complete"], key=lambda trial: (-trial.values[0], trial.number))[:top_k]


def queue_comparison(spec: TuningSpec, study: Study, comparison: Study, top_k: int) -> None:
    """
    Queue the trainings on fresh seeds that are still missing.

    :param spec: The search.
    :param study: Its study.
    :param comparison: The study of the comparison.
    :param top_k: How many trials to compare with the block of the beginning.
    """
    settings = {CURRENT: {}, **{trial.number: trial.user_attrs["settings"] for trial in _best_trials(study, top_k)}}
    by_state = states(comparison)
    known = {
        pair_of(trial) for name in ("complete", "waiting", "running") for trial in by_state[name] if is_of(trial, study)
    }
    for seed in spec.fresh_training_seeds:
        for number, changes in settings.items():
            if (number, seed) not in known:
                attrs = {"settings": changes, SEARCH_ID: study.user_attrs.get(SEARCH_ID)}
                comparison.enqueue_trial({"trial": number, "seed": seed}, user_attrs=attrs)


def candidates(spec: TuningSpec, study: Study, comparison: Study, top_k: int) -> list[Candidate]:
    """
    What the comparison found.

    :param spec: The search.
    :param study: Its study.
    :param comparison: The study of the comparison.
    :param top_k: How many trials were compared with the block of the beginning.
    :return: The candidates, the best first.
    """
    trained = {pair_of(trial): trial for trial in states(comparison)["complete"] if is_of(trial, study)}
    compared: dict[int, tuple[dict[str, Any], float]] = {CURRENT: ({}, np.nan)}
    compared |= {trial.number: (trial.user_attrs["settings"], trial.values[0]) for trial in _best_trials(study, top_k)}
    found = []
    for number, (settings, search_score) in compared.items():
        runs = [trained.get((number, seed)) for seed in spec.fresh_training_seeds]
        failed = [np.nan] * spec.n_evaluations
        evaluations = np.array([failed if run is None else run.user_attrs["evaluations"] for run in runs])
        evaluations = evaluations.reshape(len(runs), spec.n_evaluations)
        scores = np.array([np.nan if run is None else run.values[0] for run in runs])
        found.append(Candidate(number, settings, scores, evaluations[:, -1], evaluations, search_score))
    return sorted(found, key=lambda each: each.rank)
