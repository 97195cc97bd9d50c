"""Workers as processes of this machine: started, watched, replaced."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess

from optuna import Study

from sb3_ext.app.errors import UserError
from sb3_ext.common.wording import printable
from sb3_ext.tuning.dead_workers import (
    fail_dead_workers_trials,
    fail_nameless,
    fail_trials_of,
    others_running,
    process_identity,
)
from sb3_ext.tuning.spec import TuningSpec
from sb3_ext.tuning.trials import open_slots, states
from sb3_ext.tuning.worker import run_worker
from sb3_ext.zoo.forks import process_context
from sb3_ext.zoo.storage import loss_explained

_POLL_SECONDS = 0.5
_MOST_ERRORS = 3


def run_processes(spec: TuningSpec, study: Study, n_workers: int, watch: Callable[[Study], None]) -> None:
    """
    Run a study in worker processes until nothing is left to start.

    A worker that dies is replaced, its trial is queued again. Ending this process, whatever the signal, ends the
    workers too. ``watch`` is called about twice a second.
    """
    context = process_context("sb3_ext.tuning.worker")
    workers: dict[int, tuple[BaseProcess, str]] = {}
    nameless: dict[int, float] = {}
    errors = 0
    try:
        while True:
            for index, (process, identity) in list(workers.items()):
                if process.is_alive():
                    continue
                del workers[index]
                process.join()
                fail_trials_of(study, identity, _how_it_ended(process), spec.max_retries)
                errors += process.exitcode is not None and process.exitcode > 0
            if errors >= _MOST_ERRORS:
                raise UserError(f"{errors} workers stopped with an error, which they printed above", exit_code=1)
            fail_dead_workers_trials(study, spec.max_retries)
            fail_nameless(spec, study, nameless)
            watch(study)
            names = {identity for _, identity in workers.values()}
            busy = sum(trial.user_attrs.get("worker") in names for trial in states(study)["running"])
            idle = not workers and not nameless and not others_running(spec, study)
            wanted = open_slots(spec, study)
            if idle and not wanted:
                return
            free = [index for index in range(n_workers) if index not in workers]
            for index in free[: max(wanted + busy - len(workers), 0)]:
                started = context.Process(target=_worker, args=(spec, index))  # type: ignore[attr-defined]
                started.start()
                workers[index] = (started, process_identity(started.pid))
            wait([process.sentinel for process, _ in workers.values()], _POLL_SECONDS)
    finally:
        for process, _ in workers.values():
            process.terminate()
        for process, identity in workers.values():
            process.join()
            with contextlib.suppress(Exception):
                fail_trials_of(study, identity, "the command was stopped", spec.max_retries)


def _how_it_ended(process: BaseProcess) -> str:
    code = process.exitcode
    assert code is not None
    if code < 0:
        return f"its worker was killed ({signal.Signals(-code).name})"
    return f"its worker ended with exit code {code}"


def _worker(spec: TuningSpec, index: int) -> None:
    # Ctrl-C reaches the whole process group; the parent ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        with loss_explained(spec.storage):
            run_worker(spec, index)
    except UserError as error:
        print(printable(f"sb3-ext tune: worker {index}: {error}"), flush=True)
        raise SystemExit(1) from error


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
