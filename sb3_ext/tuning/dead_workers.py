"""Workers that are no more: telling that they are, and what becomes of their trials."""

from __future__ import annotations

import copy
import os
import socket
import time
from pathlib import Path

import optuna
from optuna import Study
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages._heartbeat import is_heartbeat_enabled
from optuna.trial import FrozenTrial, TrialState

from sb3_ext.tuning.spec import TuningSpec
from sb3_ext.tuning.trials import missing, states
from sb3_ext.zoo.storage import retry_trial

# Between taking a trial and writing a name into it a worker has no time to lose.
_NAMELESS_SECONDS = 30.0


def process_identity(pid: int | None = None) -> str:
    """
    Name a process so that no later one can be mistaken for it: ``host:pid:start``.

    Start is 0 if the system does not tell. Workers that end with the process may be named ``host:pid:start#index``.
    """
    pid = os.getpid() if pid is None else pid
    stat = _stat(pid)
    return f"{socket.gethostname()}:{pid}:{stat[19] if stat else 0}"


def _stat(pid: int) -> list[str]:
    """What Linux tells of a process, from its state on."""
    try:
        # The name of the program, in brackets, may hold anything.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def fail_dead_workers_trials(study: Study, max_retries: int) -> int:
    """Fail the running trials of workers on this machine that are no more, and queue them again; return how many."""
    found = 0
    for trial in states(study)["running"]:
        worker = str(trial.user_attrs.get("worker", ""))
        process = _process(worker)
        if process is not None and not _is_alive(process, worker):
            found += _fail(study, trial, "its worker was killed", max_retries)
    return found


def fail_trials_of(study: Study, worker: str, reason: str, max_retries: int) -> int:
    """Fail the running trials of a worker that is known to be no more, and queue them again; return how many."""
    running = [trial for trial in states(study)["running"] if trial.user_attrs.get("worker") == worker]
    return sum(_fail(study, trial, reason, max_retries) for trial in running)


def fail_nameless(spec: TuningSpec, study: Study, first_seen: dict[int, float]) -> None:
    """
    Fail running trials that no worker has put its name on for a while: it was killed before it could.

    When such trials were seen first, in seconds by number, is kept between calls.
    """
    found = {trial.number: trial for trial in states(study)["running"] if "worker" not in trial.user_attrs}
    for number in first_seen.keys() - found.keys():
        del first_seen[number]
    for number, trial in found.items():
        if time.monotonic() - first_seen.setdefault(number, time.monotonic()) > _NAMELESS_SECONDS:
            _fail(study, trial, "its worker was killed", spec.max_retries)


def _fail(study: Study, trial: FrozenTrial, reason: str, max_retries: int) -> int:
    """Fail a running trial, and queue it again: 1, or 0 if it had finished in the meantime."""
    storage = study._storage
    try:
        storage.set_trial_user_attr(trial._trial_id, "failure", reason)
        storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
    except UpdateFinishedTrialError:
        return 0
    retry_trial(study, copy.deepcopy(storage.get_trial(trial._trial_id)), max_retries)
    return 1


def others_running(spec: TuningSpec, study: Study) -> bool:
    """
    Tell whether workers of other commands run trials that this one lacks; fail those without heartbeats.

    In storages that know no heartbeats only workers of this machine count: nobody could tell of others.
    """
    if spec.overdue or (spec.stage == "search" and missing(spec, study) <= 0):
        return False
    if not is_heartbeat_enabled(study._storage):
        here = process_identity()
        workers = [str(trial.user_attrs.get("worker", "")).partition("#")[0] for trial in states(study)["running"]]
        # Without the time of its start a process may be any other program by now
        return any(_process(worker) is not None and worker != here and worker[-2:] != ":0" for worker in workers)
    optuna.storages.fail_stale_trials(study)
    return bool(states(study)["running"])


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
    # Nobody may ever collect a worker whose parent was killed too
    if _stat(pid)[:1] in (["Z"], ["X"]):
        return False
    return process_identity(pid) == identity.partition("#")[0]
