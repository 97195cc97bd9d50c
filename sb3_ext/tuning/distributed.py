"""Workers as tasks of a Ray cluster: started, watched, replaced."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from optuna import Study
from sqlalchemy import make_url

from sb3_ext.app.errors import UserError
from sb3_ext.app.ray import RayOptions, ray_map, spans_machines
from sb3_ext.tuning.dead_workers import (
    fail_dead_workers_trials,
    fail_nameless,
    fail_trials_of,
    others_running,
    process_identity,
)
from sb3_ext.tuning.spec import TuningSpec
from sb3_ext.tuning.trials import open_slots
from sb3_ext.tuning.worker import run_worker
from sb3_ext.zoo.storage import loss_explained

_MOST_RESTARTS = 10


def run_tasks(
    spec: TuningSpec, study: Study, n_workers: int, watch: Callable[[Study], None], options: RayOptions
) -> None:
    """
    Run a study in at most so many tasks of the connected Ray cluster until nothing is left to start.

    A worker that dies starts again where there is room, its trial is queued again. No trial is left running, whatever
    ends this call. ``watch`` is called about every second.
    """
    shared = _shared(spec)
    # Ray ends the workers with this process, whose name tells the next run of the command whether they live.
    owners = [f"{process_identity()}#{index}" for index in range(n_workers)]
    nameless: dict[int, float] = {}

    def look() -> None:
        fail_dead_workers_trials(study, spec.max_retries)
        fail_nameless(spec, study, nameless)
        watch(study)

    def died(index: int, reason: str) -> None:
        fail_trials_of(study, owners[index], f"its worker died: {reason}", spec.max_retries)

    try:
        while True:
            look()
            if wanted := open_slots(spec, study):
                workers = [(shared, index, owner) for index, owner in enumerate(owners[:wanted])]
                for _ in ray_map(_work, workers, options, _MOST_RESTARTS, died, look):
                    pass
            elif nameless or others_running(spec, study):
                time.sleep(1)
            else:
                return
    finally:
        for owner in owners:
            with contextlib.suppress(Exception):
                fail_trials_of(study, owner, "the command was stopped", spec.max_retries)


def _work(worker: tuple[TuningSpec, int, str]) -> None:
    # Not every error of a client can be sent back.
    with loss_explained(worker[0].storage):
        run_worker(*worker)


def _shared(spec: TuningSpec) -> TuningSpec:
    """The search as workers with other current folders understand it, if all of them reach its storage."""
    host = file = None
    storage = spec.storage
    if "://" not in storage:
        file = storage
        storage = str(Path(file).absolute())
    else:
        url = make_url(storage)
        host = url.host
        if url.get_backend_name() == "sqlite" and url.database:
            file = url.database
            storage = url.set(database=str(Path(file).absolute())).render_as_string(hide_password=False)
    if spans_machines():
        if file is not None:
            raise UserError(
                f"--storage: the workers on other machines of the cluster cannot share the file {file!r}: give a"
                " database such as postgresql://user:password@host/database, or grpc://host:port"
            )
        if host in ("localhost", "127.0.0.1", "::1"):
            raise UserError(f"--storage: on other machines of the cluster {host} is themselves: give the server's name")
    return replace(spec, storage=storage)
