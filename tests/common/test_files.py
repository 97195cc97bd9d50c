import io
import os
import time
from pathlib import Path

import pytest

from sb3_ext.common.files import atomic_path, saved_whole


def test_writes_and_replaces(tmp_path: Path) -> None:
    target = tmp_path / "new" / "table.csv"
    for text in ("first", "second"):
        with atomic_path(target) as path:
            assert path.suffix == ".csv"
            path.write_text(text)
        assert target.read_text() == text
    assert list(target.parent.iterdir()) == [target]


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    target.write_text("old")
    with pytest.raises(RuntimeError, match="half way"), atomic_path(target) as path:
        path.write_text("new, but incompl")
        raise RuntimeError("half way")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_nothing_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "table.csv"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_killed_processes_left_is_removed_once_it_is_old(tmp_path: Path) -> None:
    old, new, other = (tmp_path / f".table-{digit * 32}.csv" for digit in "abz")
    for path in (old, new, other):
        path.write_text("half")
    long_ago = time.time() - 7200
    for path in (old, other):
        os.utime(path, (long_ago, long_ago))
    with atomic_path(tmp_path / "table.csv") as path:
        path.write_text("whole")
    assert {path.name for path in tmp_path.iterdir()} == {"table.csv", new.name, other.name}


def test_where_sb3_saves_to(tmp_path: Path) -> None:
    for given, written in (("model", "model.zip"), ("model.own", "model.own")):
        with saved_whole(tmp_path / given, ".zip") as file:
            file.write(b"x")
        assert (tmp_path / written).read_bytes() == b"x"
    with io.BytesIO() as buffer, saved_whole(buffer, ".zip") as file:
        assert file is buffer
