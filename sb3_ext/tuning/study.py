"""Studies: opening them, counting their trials, and what becomes of a trial whose worker died."""

from __future__ import annotations

import contextlib
import copy
import os
import socket
import time
import uuid
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sb3_ext.app.errors import UserError
from sb3_ext.tuning.spec import TuningSpec
from sb3_ext.zoo.storage import FIRST_TRIAL, open_storage, retry_trial, shown

if TYPE_CHECKING:
    from optuna import Study
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

SAMPLERS = ("tpe", "gp", "random")
PRUNERS = ("median", "hyperband", "wilcoxon", "none")
N_STARTUP_TRIALS = 10
"""Trials that are drawn at random before a sampler learns from them."""
_MOST_FAILURES = 5
EXHAUSTED = "exhausted"
"""Attribute of a study whose workers find no more parameters that were not tried yet."""
SEARCH_ID = "search_id"
"""Attribute that tells a study from one of the same name that was deleted."""


def open_study(spec: TuningSpec) -> Study:
    """
    Open the study of a search or of its comparison; create it if there is none.

    :param spec: The search.
    :return: The study.
    :raises UserError: If the storage cannot be reached.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    study: Study = optuna.create_study(
        storage=open_storage(spec.storage, spec.max_retries),
        study_name=spec.study_name if spec.stage == "search" else spec.comparison_study_name,
        direction="maximize",
        load_if_exists=True,
        pruner=make_pruner(spec) if spec.stage == "search" else optuna.pruners.NopPruner(),
    )
    return study


def claim_study(spec: TuningSpec, study: Study, command: str) -> TuningSpec:
    """
    Write into a study what it searches, or check that it is the same search.

    :param spec: The search.
    :param study: Its study.
    :param command: What the user typed.
    :return: The search as the study began: with the block that it started from, whatever the YAML file says now.
    :raises UserError: If the study is another search's.
    """
    identity: dict[str, Any] = {
        "algo": spec.algo,
        "env": spec.env_id,
        "n_timesteps": spec.n_timesteps,
        "seed": spec.seed,
        "seeds_per_trial": spec.seeds_per_trial,
        "n_evaluations": spec.n_evaluations,
        "eval_episodes": spec.eval_episodes,
        "eval_env_kwargs": spec.eval_env_kwargs,
        "pruner": spec.pruner,
    }
    attrs = study.user_attrs
    trials = states(study)
    where = f"the study {spec.study_name!r} in {shown(spec.storage)!r}"
    if trials["complete"] or trials["pruned"] or trials["running"]:
        ours = all("settings" in trial.user_attrs for trial in trials["complete"])
        if not ours or "algo" not in attrs or "block" not in attrs:
            raise UserError(f"{where} has trials that `sb3-ext tune` did not make: give another --study-name")
        compared = list(identity)
    else:
        compared = [name for name in ("algo", "env") if name in attrs]
    for name in compared:
        if attrs.get(name) != identity[name]:
            raise UserError(
                f"{where} is a search with {name} {attrs.get(name)!r}, not {identity[name]!r}:"
                " give another --study-name"
            )
    if set(compared) == set(identity):
        was, given = (block.get("env_kwargs") or {} for block in (attrs["block"], spec.block))
        if was != given:
            raise UserError(f"{where} is a search with env_kwargs {was!r}, not {given!r}: give another --study-name")
    begin(study)
    if set(compared) == set(identity):
        return replace(spec, block=attrs["block"])
    for name, value in {**identity, "block": spec.block, "command": command, SEARCH_ID: uuid.uuid4().hex}.items():
        study.set_user_attr(name, value)
    return spec


def begin(study: Study) -> None:
    """
    Forget why workers stopped the last time: the failures before don't count any more.

    :param study: The study.
    """
    study.set_user_attr(EXHAUSTED, False)
    study.set_user_attr(FIRST_TRIAL, len(study.get_trials(deepcopy=False)))


def make_sampler(spec: TuningSpec, worker_index: int, n_trials_so_far: int, explore: bool = False) -> BaseSampler:
    """
    The sampler of a worker's next trial.

    Its seed differs between workers, and within one worker from trial to trial, also after the worker was restarted.

    :param spec: The search.
    :param worker_index: Number of the worker.
    :param n_trials_so_far: Trials in the study.
    :param explore: Whether to draw at random, since the sampler proposed what had been tried.
    :return: The sampler.
    """
    import optuna

    sequence = np.random.SeedSequence([spec.seed, worker_index, n_trials_so_far])
    seed = int(sequence.generate_state(1)[0])
    if spec.sampler == "random" or explore:
        return optuna.samplers.RandomSampler(seed=seed)
    if spec.sampler == "gp":
        return optuna.samplers.GPSampler(seed=seed, n_startup_trials=N_STARTUP_TRIALS)
    return optuna.samplers.TPESampler(
        seed=seed, n_startup_trials=N_STARTUP_TRIALS, multivariate=True, constant_liar=True
    )


def make_pruner(spec: TuningSpec) -> BasePruner:
    """
    The pruner of a search. Its steps are the evaluations of a trial, one training after the other.

    :param spec: The search.
    :return: The pruner.
    """
    import optuna

    n_steps = spec.n_evaluations * spec.seeds_per_trial
    if spec.pruner == "none":
        return optuna.pruners.NopPruner()
    if spec.pruner == "hyperband":
        return optuna.pruners.HyperbandPruner(min_resource=max(spec.n_evaluations // 3, 1), max_resource=n_steps)
    if spec.pruner == "wilcoxon":
        return optuna.pruners.WilcoxonPruner(p_threshold=0.1, n_startup_steps=spec.n_evaluations)
    return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=spec.n_evaluations // 3)


def states(study: Study) -> dict[str, list[FrozenTrial]]:
    """
    The trials of a study by their state.

    :param study: The study.
    :return: Trials by ``"complete"``, ``"pruned"``, ``"running"``, ``"waiting"``, ``"fail"``.
    """
    from optuna.trial import TrialState

    by_state: dict[str, list[FrozenTrial]] = {state.name.lower(): [] for state in TrialState}
    for trial in study.get_trials(deepcopy=False):
        by_state[trial.state.name.lower()].append(trial)
    return by_state


def open_slots(spec: TuningSpec, study: Study) -> int:
    """
    How many more trials workers may start now.

    Failed trials don't count as trials of the study, as in the zoo. A comparison has the trials that were queued.

    :param spec: The search.
    :param study: Its study.
    :return: The number, 0 if there is nothing to do.
    """
    if spec.deadline is not None and time.time() >= spec.deadline:
        return 0
    if study.user_attrs.get(EXHAUSTED) or always_fails(spec, study):
        return 0
    trials = states(study)
    if spec.stage == "compare":
        return len(trials["waiting"])
    return max(spec.n_trials - len(trials["complete"]) - len(trials["pruned"]) - len(trials["running"]), 0)


def shortfall(spec: TuningSpec, study: Study) -> str | None:
    """
    Say why a search ended before it had all its trials.

    :param spec: The search.
    :param study: Its study.
    :return: One line; None if nothing is missing.
    """
    running = states(study)["running"]
    missing = _n_missing(spec, study)
    if missing <= 0:
        return None
    if study.user_attrs.get(EXHAUSTED):
        reason = "the sampler proposes only parameters that were tried."
    elif always_fails(spec, study):
        reason = "too many failed. The same command resumes the search."
    elif spec.deadline is not None and time.time() >= spec.deadline:
        reason = "the time of --timeout is over. The same command resumes the search."
    elif running:
        hosts = {str(trial.user_attrs.get("worker", "another machine")).partition(":")[0] for trial in running}
        reason = f"{len(running)} are still marked as running, on {', '.join(sorted(hosts))}."
    else:
        reason = "another command stopped it. The same command resumes the search."
    return f"The search lacks {missing} of {spec.n_trials} trials: {reason}"


def _n_missing(spec: TuningSpec, study: Study) -> int:
    trials = states(study)
    return spec.n_trials - len(trials["complete"]) - len(trials["pruned"])


def failures(study: Study) -> list[FrozenTrial]:
    """
    The trials that failed for good: not those that were started again, nor those that had nothing to do.

    :param study: The study.
    :return: The trials; the user attribute ``failure`` says why, unless the worker vanished.
    """
    from optuna.storages import RetryHeartbeatStaleTrialCallback

    trials = study.get_trials(deepcopy=False)
    retried = {number for trial in trials for number in RetryHeartbeatStaleTrialCallback.retry_history(trial)}
    failed = [trial for trial in trials if trial.state.name == "FAIL"]
    return [trial for trial in failed if trial.number not in retried and "skipped" not in trial.user_attrs]


def always_fails(spec: TuningSpec, study: Study) -> bool:
    """
    Tell whether a study should be given up: since the command was started nothing but failures, or far too many.

    :param spec: The search.
    :param study: Its study.
    :return: Whether to start no more trials.
    """
    first = int(study.user_attrs.get(FIRST_TRIAL, 0))
    failed = [trial for trial in failures(study) if trial.number >= first]
    # A worker may be killed for reasons that are not its trial's.
    errors = sum("traceback" in trial.user_attrs for trial in failed)
    if errors < _MOST_FAILURES and len(failed) < 2 * _MOST_FAILURES:
        return False
    trials = states(study)
    succeeded = sum(trial.number >= first for trial in (*trials["complete"], *trials["pruned"]))
    return not succeeded or len(failed) > max(spec.n_trials, 4 * succeeded)


def is_of(trial: FrozenTrial, study: Study) -> bool:
    """
    Tell whether a training belongs to this search, and not to a deleted one of the same name.

    :param trial: A trial of a comparison.
    :param study: The search.
    :return: Whether it does.
    """
    # A trial that a worker began with an empty queue trains nothing
    return "settings" in trial.user_attrs and trial.user_attrs.get(SEARCH_ID) == study.user_attrs.get(SEARCH_ID)


def pair_of(trial: FrozenTrial) -> tuple[int, int]:
    """
    What a trial of a comparison trains.

    :param trial: The trial.
    :return: Number of the candidate, and the training seed.
    """
    # A waiting trial has no parameters yet, a trial that was started again has no others.
    params = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
    return int(params["trial"]), int(params["seed"])


def process_identity(pid: int | None = None) -> str:
    """
    Name a process so that no later process can be mistaken for it.

    :param pid: Its number; None for this process.
    :return: ``host:pid:start``, where start is 0 if the system does not tell. A worker that ends with the process may
        be named ``host:pid:start#index``.
    """
    pid = os.getpid() if pid is None else pid
    try:
        # The name of the program, in brackets, may hold anything.
        start = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        start = "0"
    return f"{socket.gethostname()}:{pid}:{start}"


def fail_dead_workers_trials(study: Study, max_retries: int) -> int:
    """
    Fail the running trials of workers on this machine that are no more, and queue them again.

    :param study: The study.
    :param max_retries: How often the same parameters are started again.
    :return: How many there were.
    """
    found = 0
    for trial in states(study)["running"]:
        worker = str(trial.user_attrs.get("worker", ""))
        process = _process(worker)
        if process is not None and not _is_alive(process, worker):
            found += fail_trial(study, trial, "its worker was killed", max_retries)
    return found


def fail_trials_of(study: Study, worker: str, reason: str, max_retries: int) -> int:
    """
    Fail the running trials of a worker that is known to be no more, and queue them again.

    :param study: The study.
    :param worker: The ``owner`` of :func:`sb3_ext.tuning.worker.run_worker`.
    :param reason: What happened.
    :param max_retries: How often the same parameters are started again.
    :return: How many there were.
    """
    running = [trial for trial in states(study)["running"] if trial.user_attrs.get("worker") == worker]
    return sum(fail_trial(study, trial, reason, max_retries) for trial in running)


def others_running(spec: TuningSpec, study: Study) -> bool:
    """
    Tell whether workers of other commands run trials that this one lacks.

    Trials of workers that show no heartbeat any more are failed.

    :param spec: The search.
    :param study: Its study, without trials of workers of this machine that are no more.
    :return: Whether to wait for them: each will finish or, after a while, be queued again. In storages without
        heartbeats only workers of this machine count, as nobody could tell of others.
    """
    import optuna
    from optuna.storages._heartbeat import is_heartbeat_enabled

    if spec.deadline is not None and time.time() >= spec.deadline:
        return False
    if spec.stage == "search" and _n_missing(spec, study) <= 0:
        return False
    if not is_heartbeat_enabled(study._storage):
        here = process_identity()
        workers = [str(trial.user_attrs.get("worker", "")).partition("#")[0] for trial in states(study)["running"]]
        # Without the time of its start a process may be any other program by now
        return any(_process(worker) is not None and worker != here and worker[-2:] != ":0" for worker in workers)
    optuna.storages.fail_stale_trials(study)
    return bool(states(study)["running"])


def fail_trial(study: Study, trial: FrozenTrial, reason: str, max_retries: int) -> int:
    """
    Fail a running trial whose worker is no more, and queue it again.

    :param study: Its study.
    :param trial: The trial.
    :param reason: What happened.
    :param max_retries: How often the same parameters are started again.
    :return: 1, or 0 if it had finished in the meantime.
    """
    from optuna.exceptions import UpdateFinishedTrialError
    from optuna.trial import TrialState

    storage = study._storage
    try:
        storage.set_trial_user_attr(trial._trial_id, "failure", reason)
        storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
    except UpdateFinishedTrialError:
        return 0
    retry_trial(study, copy.deepcopy(storage.get_trial(trial._trial_id)), max_retries)
    return 1


def _process(worker: str) -> int | None:
    """Number of a worker's process, if it is one of this machine."""
    host, _, process = worker.rpartition(":")[0].rpartition(":")
    return int(process) if host == socket.gethostname() and process.isdigit() else None


def _is_alive(pid: int, identity: str) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    with contextlib.suppress(OSError, IndexError):
        # Nobody may ever collect a worker whose parent was killed too
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX":
            return False
    return process_identity(pid) == identity.partition("#")[0]
