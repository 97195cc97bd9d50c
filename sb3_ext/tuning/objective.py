"""What the trials of a study do."""

from __future__ import annotations

import tempfile
import traceback
from pathlib import Path

import numpy as np
from huggingface_sb3 import EnvironmentName
from optuna import Trial, TrialPruned
from optuna.trial import FrozenTrial

from sb3_ext.tuning.search_space import SearchSpace
from sb3_ext.tuning.settings import as_settings
from sb3_ext.tuning.spec import TuningSpec
from sb3_ext.tuning.training import train
from sb3_ext.tuning.trials import is_of, pair_of, states
from sb3_ext.tuning.unfinished import Unfinished

CURRENT = -1
"""Stands for the block that the search started from, where a trial's number could stand."""


class Skipped(Exception):
    """Raised by a trial that has nothing to do: it is not counted and not shown as a failure."""


def score(evaluations: list[float]) -> float:
    """
    The mean over the evaluations in the last quarter of a training.

    A single one at the end would be as noisy as the policy of a single moment.
    """
    return float(np.mean(evaluations[-max(round(len(evaluations) / 4), 1) :]))


class Objective:
    """Trains what a trial says and records it in the trial: its worker, settings, evaluations, and why it failed."""

    def __init__(self, spec: TuningSpec, worker: str) -> None:
        self._spec = spec
        self._worker = worker
        self._space = SearchSpace(spec) if spec.stage == "search" else None
        self.skipped = False
        """Whether the last trial had nothing to do."""

    def __call__(self, trial: Trial) -> float:
        """The trial's score."""
        self.skipped = False
        trial.set_user_attr("worker", self._worker)
        unfinished = Unfinished(self._spec, trial)
        try:
            value = self._run(trial, unfinished)
        except Exception:
            unfinished.remove()
            raise
        unfinished.remove()
        return value

    def _run(self, trial: Trial, unfinished: Unfinished) -> float:
        try:
            with tempfile.TemporaryDirectory(prefix="sb3-ext-tune-") as folder:
                if self._spec.stage == "compare":
                    return self._compare(trial, Path(folder), unfinished)
                return self._search(trial, Path(folder), unfinished)
        except TrialPruned:
            raise
        except Skipped as error:
            self.skipped = True
            trial.set_user_attr("skipped", str(error))
            raise
        except Exception as error:
            trial.set_user_attr("failure", f"{type(error).__name__}: {' '.join(str(error).split())}"[:500])
            trial.set_user_attr("traceback", traceback.format_exc()[-1500:])
            raise

    def _search(self, trial: Trial, folder: Path, unfinished: Unfinished) -> float:
        assert self._space is not None
        spec = self._spec
        if sum(other.number < trial.number for other in _others(trial, "pruned")) >= spec.n_trials:
            raise Skipped("other workers have started the last trials")
        settings = as_settings(self._space.sample(trial))
        for other in _others(trial, "pruned"):
            if other.params == trial.params:
                raise Skipped(f"the same parameters as trial {other.number}")
        trial.set_user_attr("settings", settings)
        trial.set_user_attr("num_threads", spec.num_threads)

        curves: list[list[float]] = []
        fingerprints: list[str] = []

        def report(evaluations: list[float]) -> None:
            step = len(curves) * spec.n_evaluations + len(evaluations)
            values = [evaluations[-1]]
            if spec.pruner != "wilcoxon":
                # The mean learning curve so far. Wilcoxon's test pairs single evaluations instead.
                values += [curve[len(evaluations) - 1] for curve in curves]
            trial.report(float(np.mean(values)), step)
            last = step == spec.n_evaluations * spec.seeds_per_trial
            if not last and trial.should_prune():
                trial.set_user_attr("evaluations", [*curves, evaluations])
                raise TrialPruned

        for seed in spec.training_seeds:
            finished = unfinished.finished(seed)
            if finished is not None:
                for length in range(1, len(finished["evaluations"]) + 1):
                    report(finished["evaluations"][:length])
                curves.append(finished["evaluations"])
                fingerprints.append(finished["fingerprint"])
                continue
            run_folder = folder / str(seed)
            run_folder.mkdir()
            checkpoints = unfinished.checkpoints(seed)
            training = train(spec, settings, seed, spec.evaluation_seeds, run_folder, report, checkpoints=checkpoints)
            unfinished.finish(seed, training.evaluations, training.fingerprint)
            curves.append(training.evaluations)
            fingerprints.append(training.fingerprint)
        trial.set_user_attr("evaluations", curves)
        trial.set_user_attr("fingerprints", fingerprints)
        return float(np.mean([score(curve) for curve in curves]))

    def _compare(self, trial: Trial, folder: Path, unfinished: Unfinished) -> float:
        spec = self._spec
        settings = trial.user_attrs.get("settings")
        if settings is None:
            raise Skipped("other workers have started the last trainings")
        candidate = trial.suggest_int("trial", CURRENT, 2**31 - 1)
        seed = trial.suggest_int("seed", 0, 2**32 - 1)
        for other in _others(trial, "waiting"):
            # Commands that came to their comparison at the same time have queued it twice
            if other.number < trial.number and is_of(other, trial) and pair_of(other) == (candidate, seed):
                raise Skipped(f"the same training as trial {other.number}")
        save_as = None
        if spec.models_folder is not None:
            name = "current" if candidate == CURRENT else f"trial_{candidate}"
            run = spec.fresh_training_seeds.index(seed) + 1
            save_as = Path(spec.models_folder, name, spec.algo, f"{EnvironmentName(spec.env_id)}_{run}")
        checkpoints = unfinished.checkpoints(seed)
        training = train(
            spec, settings, seed, spec.comparison_episodes, folder, save_as=save_as, checkpoints=checkpoints
        )
        trial.set_user_attr("evaluations", training.evaluations)
        trial.set_user_attr("fingerprint", training.fingerprint)
        return score(training.evaluations)


def _others(trial: Trial, or_state: str) -> list[FrozenTrial]:
    """The other trials of its study that finished, that run, or that are in one more state."""
    by_state = states(trial.study)
    found = [each for state in ("complete", "running", or_state) for each in by_state[state]]
    return [other for other in found if other.number != trial.number]
