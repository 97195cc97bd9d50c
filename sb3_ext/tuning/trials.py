"""The trials of a study: how many are missing, which failed, and whose they are."""

from __future__ import annotations

from optuna import Study, Trial
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState

from sb3_ext.tuning.spec import TuningSpec
from sb3_ext.zoo.storage import FIRST_TRIAL

EXHAUSTED = "exhausted"
"""Attribute of a study whose workers find no more parameters that were not tried yet."""
SEARCH_ID = "search_id"
"""Attribute that tells a study from one of the same name that was deleted."""
_MOST_FAILURES = 5


def states(study: Study) -> dict[str, list[FrozenTrial]]:
    """Trials by ``"complete"``, ``"pruned"``, ``"running"``, ``"waiting"`` and ``"fail"``."""
    by_state: dict[str, list[FrozenTrial]] = {state.name.lower(): [] for state in TrialState}
    for trial in study.get_trials(deepcopy=False):
        by_state[trial.state.name.lower()].append(trial)
    return by_state


def open_slots(spec: TuningSpec, study: Study) -> int:
    """
    How many more trials workers may start now.

    Failed ones don't count as trials of the study, as in the zoo. A comparison has the trials that were queued.
    """
    if spec.overdue or study.user_attrs.get(EXHAUSTED) or _always_fails(spec, study):
        return 0
    by_state = states(study)
    if spec.stage == "compare":
        return len(by_state["waiting"])
    return max(missing(spec, study) - len(by_state["running"]), 0)


def missing(spec: TuningSpec, study: Study) -> int:
    """How many trials a search lacks, those that run included; below 0 if it has more than it asked for."""
    by_state = states(study)
    return spec.n_trials - len(by_state["complete"]) - len(by_state["pruned"])


def shortfall(spec: TuningSpec, study: Study) -> str | None:
    """Say why a search ended before it had all its trials, if it did."""
    lacking = missing(spec, study)
    if lacking <= 0:
        return None
    if study.user_attrs.get(EXHAUSTED):
        reason = "the sampler proposes only parameters that were tried."
    elif _always_fails(spec, study):
        reason = "too many failed. The same command resumes the search."
    elif spec.overdue:
        reason = "the time of --timeout is over. The same command resumes the search."
    elif running := states(study)["running"]:
        hosts = {str(trial.user_attrs.get("worker", "another machine")).partition(":")[0] for trial in running}
        reason = f"{len(running)} are still marked as running, on {', '.join(sorted(hosts))}."
    else:
        reason = "another command stopped it. The same command resumes the search."
    return f"The search lacks {lacking} of {spec.n_trials} trials: {reason}"


def failures(study: Study) -> list[FrozenTrial]:
    """The trials that failed for good: not those that were started again, nor those that had nothing to do."""
    trials = study.get_trials(deepcopy=False)
    retried = {number for trial in trials for number in RetryHeartbeatStaleTrialCallback.retry_history(trial)}
    failed = [trial for trial in trials if trial.state.name == "FAIL"]
    return [trial for trial in failed if trial.number not in retried and "skipped" not in trial.user_attrs]


def _always_fails(spec: TuningSpec, study: Study) -> bool:
    """Since the command was started there were nothing but failures, or far too many."""
    first = int(study.user_attrs.get(FIRST_TRIAL, 0))
    failed = [trial for trial in failures(study) if trial.number >= first]
    # A worker may be killed for reasons that are not its trial's.
    errors = sum("traceback" in trial.user_attrs for trial in failed)
    if errors < _MOST_FAILURES and len(failed) < 2 * _MOST_FAILURES:
        return False
    by_state = states(study)
    succeeded = sum(trial.number >= first for trial in (*by_state["complete"], *by_state["pruned"]))
    return not succeeded or len(failed) > max(spec.n_trials, 4 * succeeded)


def reason_of(trial: FrozenTrial) -> str:
    """Why a trial failed, in one line."""
    return str(trial.user_attrs.get("failure", "its worker vanished"))


def is_of(trial: FrozenTrial, search: Study | Trial) -> bool:
    """Tell whether a training of a comparison belongs to a search, and not to a deleted one of the same name."""
    # A trial that a worker began with an empty queue trains nothing
    return "settings" in trial.user_attrs and trial.user_attrs.get(SEARCH_ID) == search.user_attrs.get(SEARCH_ID)


def pair_of(trial: FrozenTrial) -> tuple[int, int]:
    """Number of the candidate that a trial of a comparison trains, and the training seed."""
    # A waiting trial has no parameters yet, a trial that was started again has no others.
    params = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
    return int(params["trial"]), int(params["seed"])
