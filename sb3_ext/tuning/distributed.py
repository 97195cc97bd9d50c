"""The workers of a search on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sb3_ext.common.ray_tasks import RayOptions, ray_connection, ray_map, spans_machines
from sb3_ext.errors import UserError
from sb3_ext.tuning.spec import TuningSpec
from sb3_ext.tuning.study import fail_trials_of, process_identity

if TYPE_CHECKING:
    from optuna import Study

MAX_WORKER_RESTARTS = 10
"""How often a worker starts again whose machine or process died."""


def run_workers_on_ray(
    spec: TuningSpec, study: Study, n_workers: int, options: RayOptions, waiting: Callable[[], None] | None = None
) -> None:
    """
    Run workers on a Ray cluster until there is nothing left to start.

    A worker that dies with its machine or process starts again elsewhere; its trial fails and is queued again. So do
    the trials of workers that are stopped, whatever ends the call: none is left running.

    :param spec: The search.
    :param study: Its study.
    :param n_workers: How many workers run; those that find no room on the cluster wait for it.
    :param options: The cluster, and what a worker needs.
    :param waiting: Called about every second.
    :raises UserError: If the cluster cannot be reached or the workers could not reach the storage, if a worker cannot
        work, or died too often.
    """
    # Ray stops the workers when this process dies, whose name tells the next run of the command to clean up.
    owners = [f"{process_identity()}#{index}" for index in range(n_workers)]
    with ray_connection(options):
        shared = _shared(spec)

        def died(index: int, reason: str) -> None:
            fail_trials_of(study, owners[index], f"its worker died: {reason}", spec.max_retries)

        try:
            workers = [(shared, index, owner) for index, owner in enumerate(owners)]
            for _ in ray_map(_work, workers, options, MAX_WORKER_RESTARTS, died, waiting):
                pass
        finally:
            for owner in owners:
                fail_trials_of(study, owner, "its worker was stopped", spec.max_retries)


def _work(worker: tuple[TuningSpec, int, str]) -> None:
    from sb3_ext.tuning.worker import run_worker

    run_worker(*worker)


def _shared(spec: TuningSpec) -> TuningSpec:
    """The search as workers with other current folders understand it, if all of them reach its storage."""
    from sqlalchemy import make_url

    if "://" not in spec.storage:
        file: str | None = spec.storage
        host = None
        storage = str(Path(spec.storage).absolute())
    else:
        url = make_url(spec.storage)
        file = url.database if url.get_backend_name() == "sqlite" else None
        host = url.host
        storage = spec.storage
        if file is not None:
            storage = url.set(database=str(Path(file).absolute())).render_as_string(hide_password=False)
    if spans_machines():
        if file is not None:
            raise UserError(
                f"--storage: the workers on other machines of the cluster cannot share the file {file!r}: give a"
                " database such as postgresql+psycopg://user:password@host/database, or grpc://host:port"
            )
        if host in ("localhost", "127.0.0.1", "::1"):
            raise UserError(f"--storage: the cluster has other machines, for which {host} is another: name the server")
    return replace(spec, storage=storage)
