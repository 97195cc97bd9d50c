from pathlib import Path

import pytest

from sb3_ext.common.files import atomic_path


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
