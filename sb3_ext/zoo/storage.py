"""Where studies are kept: a journal file, a database, or Optuna's gRPC proxy in front of one."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import optuna
from optuna.storages import BaseStorage
from optuna.storages.journal import JournalFileSymlinkLock

from sb3_ext.app.errors import DISK_ERRORS, UserError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

FIRST_TRIAL = "first_trial_of_command"
"""Attribute of every study of ``sb3-ext tune``: its number of trials when the command was started."""
_CONNECT_SECONDS = 10


class JournalLock(JournalFileSymlinkLock):
    """
    Optuna's lock of a journal, made safe for writers that are killed at any moment.

    Optuna's alone is a symbolic link that outlives its owner; those who wait for it may, after a while, remove each
    other's. Here they first queue for a lock that the system releases when its owner dies, so that a link of ours which
    is found then is nobody's. Programs that only know Optuna's lock are still waited for. Besides, a line that a writer
    left unfinished is cut off: the next record would join it, and nobody could read the journal any more.
    """

    def __init__(self, filepath: str) -> None:
        self._journal: BinaryIO
        # The same file by another name, by which our links are known
        super().__init__(os.path.join(os.path.dirname(filepath), ".", os.path.basename(filepath)))
        self._lock_file = f"{filepath}.lock"

    def acquire(self) -> bool:
        """Wait for the lock."""
        self._journal = open(self._lock_target_file, "rb+")
        if fcntl is not None:
            fcntl.flock(self._journal, fcntl.LOCK_EX)
            with contextlib.suppress(OSError):
                if os.readlink(self._lock_file) == self._lock_target_file:
                    os.unlink(self._lock_file)
        acquired = super().acquire()
        _cut_unfinished_line(self._journal)
        return acquired

    def release(self) -> None:
        """Give the lock back."""
        try:
            super().release()
        finally:
            self._journal.close()


def _cut_unfinished_line(journal: BinaryIO) -> None:
    size = end = journal.seek(0, os.SEEK_END)
    while end and (journal.seek(end - 1), journal.read(1))[1] != b"\n":
        end -= 1
    if end < size:
        journal.truncate(end)


def open_storage(storage: str, max_retries: int = 3) -> BaseStorage:
    """
    Connect to a storage; files and their folders are created.

    It is a path that ends with ``.log`` (journal), an SQLAlchemy URL such as ``sqlite:///study.db`` or
    ``postgresql://user:password@host/database``, or ``grpc://host:port``. A database is given heartbeats: a trial whose
    worker has shown none for a while fails and is queued again, at most ``max_retries`` times.
    """
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    try:
        if storage.startswith("grpc://"):
            return _proxy(storage)
        if "://" in storage:
            return _database(storage, max_retries)
        if not storage.endswith(".log"):
            raise UserError(
                f"--storage: {storage!r} is neither a journal file (NAME.log) nor a URL such as sqlite:///study.db,"
                " postgresql://user:password@host/database or grpc://host:port"
            )
        Path(storage).absolute().parent.mkdir(parents=True, exist_ok=True)
        backend = optuna.storages.journal.JournalFileBackend(storage, JournalLock(storage))
        return optuna.storages.JournalStorage(backend)
    except UserError:
        raise
    except ModuleNotFoundError as error:
        raise UserError(f"--storage: {shown(storage)!r} needs the package {error.name!r}: pip install it", 1) from error
    except Exception as error:
        raise UserError(f"--storage: cannot open {shown(storage)!r}: {_reason(error)}", exit_code=1) from error


def shown(storage: str) -> str:
    """Hide the password of a storage, or of a command that names it, as it may be printed."""
    return re.sub(r"(://[^:/@\s]*:)[^@\s]*(?=@)|([?&]password=)[^&\s'\"]*", r"\1\2***", storage)


@contextlib.contextmanager
def loss_explained(storage: str) -> Iterator[None]:
    """Report in one line that a storage was lost while it was used, in place of what its client raises."""
    try:
        yield
    except Exception as error:
        # Optuna's own message is about the data, whatever happened.
        internal = isinstance(error, optuna.exceptions.StorageInternalError)
        cause = error.__cause__ if internal and error.__cause__ else error
        full = isinstance(cause, OSError) and cause.errno in DISK_ERRORS
        if type(cause).__module__.partition(".")[0] not in ("sqlalchemy", "grpc", "optuna") and not full:
            raise
        raise UserError(
            f"--storage: lost {shown(storage)!r}: {_reason(cause)}; the same command resumes the study", 1
        ) from error


def retry_trial(study: optuna.Study, trial: optuna.trial.FrozenTrial, max_retries: int) -> None:
    """Queue a failed trial again whose worker died, unless that happened ``max_retries`` times."""
    # Whoever takes it from the queue is its worker, and may succeed.
    for name in ("worker", "failure"):
        trial.user_attrs.pop(name, None)
    optuna.storages.RetryHeartbeatStaleTrialCallback(max_retry=max_retries)(study, trial)


def _proxy(storage: str) -> BaseStorage:
    address = re.fullmatch(r"grpc://([^:/]+):(\d+)/?", storage)
    if address is None:
        raise UserError(f"--storage: cannot read {storage!r}: give grpc://host:port")
    proxy = optuna.storages.GrpcStorageProxy(host=address[1], port=int(address[2]))
    proxy.wait_server_ready(timeout=_CONNECT_SECONDS)
    return proxy


def _database(url: str, max_retries: int) -> BaseStorage:
    # SQLite makes writers wait for each other, servers don't answer: both within limits.
    limits = {"sqlite": {"timeout": 60}, "postgresql": {"connect_timeout": _CONNECT_SECONDS}}
    dialect = url.partition(":")[0].partition("+")[0]
    if dialect == "sqlite":
        if not url.partition(":///")[2] or ":memory:" in url:
            raise UserError(f"--storage: {url!r} keeps nothing and cannot be shared: name a file, sqlite:///study.db")
        Path(url.partition(":///")[2]).absolute().parent.mkdir(parents=True, exist_ok=True)
    return optuna.storages.RDBStorage(
        url,
        engine_kwargs={"connect_args": limits.get(dialect, {})},
        heartbeat_interval=30,
        grace_period=150,
        heartbeat_stale_trial_callback=functools.partial(retry_trial, max_retries=max_retries),
    )


def _reason(error: BaseException) -> str:
    # SQLAlchemy appends the statement and a link to its documentation; gRPC's message is a report.
    details = error.details() if hasattr(error, "details") else getattr(error, "orig", None)
    return " ".join(str(details or error).split()) or type(error).__name__
