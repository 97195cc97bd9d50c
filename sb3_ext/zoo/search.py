"""Hyperparameter searches of the zoo, and their trials as settings of a training."""

import ast
import contextlib
import copy
import functools
import io
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
from rl_zoo3.exp_manager import ExperimentManager
from rl_zoo3.hyperparams_opt import HYPERPARAMS_CONVERTER, HYPERPARAMS_SAMPLER

from sb3_ext.app.errors import UserError, mistakes_explained
from sb3_ext.zoo import patches
from sb3_ext.zoo.storage import FIRST_TRIAL, open_storage, shown

_MOST_FAILURES_IN_A_ROW = 10


class SearchingManager(ExperimentManager):
    """
    ``rl_zoo3.exp_manager.ExperimentManager``, except that

    - a study's best trial is trained without ``--trial-id``, and trial 0 with ``--trial-id 0``: upstream ignores both;
      trials of ``sb3-ext tune`` come with exactly the settings that they were trained with;
    - a trial that fails does not end its search, and a search that goes on with a seed does not repeat its first
      parameters;
    - a search, and a trial loaded, leave arguments of the policy that were not searched as the hyperparameters have
      them (upstream replaces them all, the convolutions for images too), unless the search space returns classes.
    """

    def read_hyperparameters(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Read the block of the environment and what overwrites it: the hyperparameters, and a sorted copy to save."""
        given = self.custom_hyperparams or {}
        if self.storage and self.study_name and (self.trial_id is not None or not self.optimize_hyperparameters):
            trial = self._settings_of_trial(self.storage, self.study_name)
            self.trial_id = None  # it is loaded
            with contextlib.redirect_stdout(io.StringIO()):
                block = super().read_hyperparameters()[0]
            if "policy_kwargs" in block and _is_plain(trial.get("policy_kwargs")):
                # an expression, which the zoo evaluates
                trial["policy_kwargs"] = f"{{**{block['policy_kwargs']}, **{trial['policy_kwargs']!r}}}"
            self.custom_hyperparams = {**trial, **given}
        hyperparams, saved_hyperparams = super().read_hyperparameters()
        return hyperparams, saved_hyperparams

    def _settings_of_trial(self, storage: str, study_name: str) -> dict[str, Any]:
        """Hyperparameters of the trial to load, the study's best one without ``--trial-id``."""
        where = f"study {study_name!r} in {shown(storage)!r}"
        try:
            study = optuna.load_study(study_name=study_name, storage=open_storage(storage))
            trial = study.best_trial if self.trial_id is None else study.trials[self.trial_id]
        except ValueError as error:
            raise UserError(f"there is no complete trial of {where}", 1) from error
        except (IndexError, KeyError) as error:
            which = "" if self.trial_id is None else f" {self.trial_id}"
            raise UserError(f"there is no trial{which} of {where}", 1) from error
        if self.verbose > 0:
            print(f"Hyperparameters of trial {trial.number} of {where}{', the best' if self.trial_id is None else ''}")
        settings: dict[str, Any] | None = trial.user_attrs.get("settings")
        return HYPERPARAMS_CONVERTER[self.algo](trial.params) if settings is None else settings

    def hyperparameters_optimization(self) -> None:
        """Run the search, and tell in the end which trials failed and why; one whose trials all failed has failed."""
        self._failures: dict[str, list[int]] = {}
        self._failures_in_a_row = 0
        self._went_well = False
        sample = functools.partial(self.sample_beside_the_block, HYPERPARAMS_SAMPLER[self.algo])
        try:
            with mistakes_explained("the search stopped"), patches.search(self.algo, sample):
                self._n_trials_before = self._count_trials()
                super().hyperparameters_optimization()
        except UserError as error:
            if "No trials are completed" not in str(error):
                raise
            raise UserError(f"no trial was completed; {self._told_failures()}", 1) from error
        if self._failures and not self._went_well:
            raise UserError(f"no trial of this command was completed; {self._told_failures()}", 1)
        if self._failures:
            print(self._told_failures())

    def _count_trials(self) -> int:
        """Trials that the study has. One of ``tune`` is refused: it trains and scores otherwise, and must resume it."""
        if not self.storage or not self.study_name or ":memory:" in self.storage:
            return 0
        try:
            study = optuna.load_study(study_name=self.study_name, storage=open_storage(self.storage))
        except KeyError:
            return 0
        if FIRST_TRIAL in study.user_attrs:
            raise UserError(
                f"the study {self.study_name!r} in {shown(self.storage)!r} is one of `sb3-ext tune`:"
                " give another --study-name"
            )
        return len(study.trials)

    def _create_sampler(self, sampler_method: str) -> optuna.samplers.BaseSampler:
        manager = copy.copy(self)
        if self._n_trials_before:
            manager.seed = int(np.random.SeedSequence([self.seed, self._n_trials_before]).generate_state(1)[0])
        return super(SearchingManager, manager)._create_sampler(sampler_method)

    def objective(self, trial: optuna.Trial) -> float:
        """Train with what a trial draws, for its mean return; a trial that fails says why."""
        try:
            value = super().objective(trial)
            if math.isnan(value):
                raise ValueError("the mean return of an evaluation is NaN")
        except optuna.TrialPruned as pruned:
            # The zoo prunes what raises an AssertionError or a ValueError, which may be anybody's fault.
            if pruned.__cause__ is None:
                self._went_well = True
            else:
                self._record(trial, pruned.__cause__)
            raise
        except Exception as error:
            self._record(trial, error)
            self._failures_in_a_row += 1
            if self._failures_in_a_row >= _MOST_FAILURES_IN_A_ROW:
                print(f"The search ends: {self._failures_in_a_row} trials in a row failed")
                trial.study.stop()
            raise
        self._failures_in_a_row, self._went_well = 0, True
        return value

    def _record(self, trial: optuna.Trial, error: BaseException) -> None:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]
        trial.set_user_attr("failure", reason)
        self._failures.setdefault(reason, []).append(trial.number)

    def _told_failures(self) -> str:
        told = [f"{reason} (trial {', '.join(map(str, numbers))})" for reason, numbers in self._failures.items()]
        return ": ".join(filter(None, [f"{sum(map(len, self._failures.values()))} failed", "; ".join(told)]))

    def sample_beside_the_block(self, sample: Callable[..., dict[str, Any]], *args: Any) -> dict[str, Any]:
        """Ask a search space, and keep what it leaves open of the policy, such as the convolutions for images."""
        sampled = sample(*args)
        if _is_plain(sampled.get("policy_kwargs")):
            sampled["policy_kwargs"] = {**self._hyperparams.get("policy_kwargs", {}), **sampled["policy_kwargs"]}
        return sampled


def _is_plain(policy_kwargs: Any) -> bool:
    """Tell whether arguments of a policy are a Python expression without names, as those of our converters."""
    try:
        return isinstance(policy_kwargs, dict) and bool(ast.literal_eval(repr(policy_kwargs)) == policy_kwargs)
    except (ValueError, SyntaxError):
        return False
