"""Storages: what a killed writer leaves, and what may be printed."""

from __future__ import annotations

import os
from pathlib import Path

import optuna
import pytest

from sb3_ext.errors import UserError
from sb3_ext.tuning.storage import open_storage, shown


def test_a_torn_journal_is_repaired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sb3_ext.tuning.storage._LOCK_GRACE_SECONDS", 3)
    path = tmp_path / "study.log"
    study = optuna.create_study(storage=open_storage(str(path)), study_name="s")
    study.tell(study.ask(), 1.0)
    whole = path.read_bytes()
    with path.open("ab") as file:
        file.write(b'{"op_code": 4, "worker_id"')
    # It was killed while it held the lock.
    os.symlink(path, f"{path}.lock")
    os.utime(f"{path}.lock", (0, 0), follow_symlinks=False)
    again = optuna.load_study(study_name="s", storage=open_storage(str(path)))
    again.tell(again.ask(), 2.0)
    assert [trial.value for trial in study.trials] == [1.0, 2.0]
    assert path.read_bytes().startswith(whole)
    assert not Path(f"{path}.lock").is_symlink()


@pytest.mark.parametrize("name", ["folder/study.log", "sqlite:///{}/folder/study.db"])
def test_files_and_folders_are_made(tmp_path: Path, name: str) -> None:
    storage = name.format(tmp_path) if "{" in name else str(tmp_path / name)
    study = optuna.create_study(storage=open_storage(storage), study_name="s")
    study.tell(study.ask(), 1.0)
    assert len(optuna.load_study(study_name="s", storage=open_storage(storage)).trials) == 1


def test_optuna_alone_reads_the_journal(tmp_path: Path) -> None:
    path = str(tmp_path / "study.log")
    optuna.create_study(storage=open_storage(path), study_name="s").enqueue_trial({"x": 1})
    plain = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(path))
    assert len(optuna.load_study(study_name="s", storage=plain).trials) == 1


@pytest.mark.parametrize(
    ("storage", "text"),
    [
        ("postgresql://me:se:cret@host:5432/studies", "postgresql://me:***@host:5432/studies"),
        ("postgresql://me@host/studies", "postgresql://me@host/studies"),
        ("sqlite:///study.db --env a@b", "sqlite:///study.db --env a@b"),
        ("grpc://host:13000 --study-name a@b", "grpc://host:13000 --study-name a@b"),
        ("tune/study.log", "tune/study.log"),
    ],
)
def test_passwords_are_not_shown(storage: str, text: str) -> None:
    assert shown(storage) == text


def test_a_damaged_journal_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "study.log"
    path.write_text("no journal\n{}\n")
    with pytest.raises(UserError, match=r"cannot open .*study\.log"):
        open_storage(str(path))


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_refused(url: str) -> None:
    with pytest.raises(UserError, match="name a file"):
        open_storage(url)
