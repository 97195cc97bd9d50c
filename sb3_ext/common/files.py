"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def atomic_path(target: str | os.PathLike[str]) -> Iterator[Path]:
    """
    Write to a path that takes the target's place only if the block ends without an error.

    ::

        with atomic_path("results.csv") as path:
            path.write_text(table)

    :param target: The file to create or to replace. Missing folders are created.
    :return: A path in the target's folder, with the target's suffix (libraries choose the format by it). It must exist
        when the block ends.
    :raises OSError: If the folder cannot be written to.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.stem}-{uuid.uuid4().hex}{target.suffix}")
    try:
        yield temporary
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
