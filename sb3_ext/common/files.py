"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import glob
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

_ABANDONED_SECONDS = 3600.0


@contextlib.contextmanager
def atomic_path(target: str | os.PathLike[str]) -> Iterator[Path]:
    """
    Write to a path that takes the target's place only if the block ends without an error, and is on the disk by then.

    ::

        with atomic_path("results.csv") as path:
            path.write_text(table)

    :param target: The file to create or to replace. Missing folders are created.
    :return: A path in the target's folder, with the target's suffix (libraries choose the format by it). It must exist
        when the block ends.
    :raises OSError: If the folder cannot be written to or the disk is full; the older file is still there then.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(target)
    temporary = target.with_name(f".{target.stem}-{uuid.uuid4().hex}{target.suffix}")
    try:
        with naming(target, temporary):
            yield temporary
            sync(temporary)
            os.replace(temporary, target)
            sync(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_file(target: str | os.PathLike[str], mode: str = "wb", **kwargs: Any) -> Iterator[IO[Any]]:
    """
    Open a file for writing that appears whole or not at all, see :func:`atomic_path`.

    :param target: The file to create or to replace.
    :param mode: ``"w"`` or ``"wb"``.
    :param kwargs: Further arguments of ``open``.
    :return: The open file.
    :raises OSError: As :func:`atomic_path`.
    """
    with atomic_path(target) as temporary, open(temporary, mode, **kwargs) as file:
        yield file


@contextlib.contextmanager
def saved_whole(path: Any, suffix: str) -> Iterator[Any]:
    """
    Let what SB3 saves appear whole or not at all, see :func:`atomic_path`.

    :param path: What its methods take: a path, or an open file, which stays as it is.
    :param suffix: What SB3 appends to a path without one.
    :return: An open file to give to SB3 in place of the path.
    :raises OSError: As :func:`atomic_path`.
    """
    target = None
    if isinstance(path, (str, os.PathLike)):
        target = Path(path) if Path(path).suffix else Path(f"{os.fspath(path)}{suffix}")
    if target is None or target.is_dir():  # SB3 evades a folder
        yield path
        return
    with whole_file(target) as file:
        yield file


@contextlib.contextmanager
def naming(target: Path, temporary: Path) -> Iterator[None]:
    """
    Let errors of the system name what was to be written, in place of a temporary path or nothing.

    :param target: What was to be written.
    :param temporary: Where it was written to at first.
    """
    try:
        yield
    except OSError as error:
        named = error.filename
        if error.errno is not None and (named is None or os.fspath(temporary) in os.fsdecode(named)):
            error.filename, error.filename2 = os.fspath(target), None
        raise


def sync(path: Path) -> None:
    """Wait until a file or a folder is on the disk."""
    if os.name == "nt" and path.is_dir():
        return  # Windows syncs none
    descriptor = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_abandoned(target: Path) -> None:
    """Remove what processes left that were killed while they wrote the file."""
    for left in target.parent.glob(f".{glob.escape(target.stem)}-{'[0-9a-f]' * 32}{glob.escape(target.suffix)}"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _ABANDONED_SECONDS:
                left.unlink()
