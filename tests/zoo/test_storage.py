"""Storages: what a killed writer leaves, and what may be printed."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import optuna
import pytest

from sb3_ext.app.errors import UserError
from sb3_ext.zoo.storage import open_storage, shown


def test_what_a_killed_writer_leaves_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "study.log"
    study = optuna.create_study(storage=open_storage(str(path)), study_name="s")
    study.tell(study.ask(), 1.0)
    whole = path.read_bytes()
    # A writer that holds the lock, has written half a line, and is killed
    writing = "import os, sys; from sb3_ext.zoo.storage import JournalLock; JournalLock(sys.argv[1]).acquire();"
    writing += "open(sys.argv[1], 'a').write('half a li'); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", writing, str(path)], check=False)
    assert Path(f"{path}.lock").is_symlink()
    assert path.read_bytes() == whole + b"half a li"
    start = time.monotonic()
    again = optuna.load_study(study_name="s", storage=open_storage(str(path)))
    again.tell(again.ask(), 2.0)
    # Optuna alone would have waited for half a minute.
    assert time.monotonic() - start < 20.0
    assert [trial.value for trial in study.trials] == [1.0, 2.0]
    assert path.read_bytes().startswith(whole)
    assert not Path(f"{path}.lock").is_symlink()


def test_writers_take_turns_with_those_of_optuna(tmp_path: Path) -> None:
    path = tmp_path / "study.log"
    ours = optuna.create_study(storage=open_storage(str(path)), study_name="s")
    backend = optuna.storages.journal.JournalFileBackend(str(path))
    theirs = optuna.load_study(study_name="s", storage=optuna.storages.JournalStorage(backend))

    def write(study: optuna.Study) -> None:
        for _ in range(20):
            study.tell(study.ask(), 1.0)

    threads = [threading.Thread(target=write, args=(study,)) for study in (ours, theirs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [trial.state.name for trial in ours.get_trials()] == ["COMPLETE"] * 40


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
        ("postgresql://host/studies?user=me&password=secret&a=b", "postgresql://host/studies?user=me&password=***&a=b"),
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
