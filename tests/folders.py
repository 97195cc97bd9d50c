import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Make a folder the current one, for fixtures that many tests share."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield
