"""Workers die, and the study loses nothing."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.storages import RetryHeartbeatStaleTrialCallback

from sb3_ext.tuning.processes import run_processes
from sb3_ext.tuning.spec import TuningSpec
from sb3_ext.tuning.study import claim_study, open_study
from sb3_ext.tuning.trials import states

MakeSpec = Callable[..., TuningSpec]


class Killer:
    """Kills a random worker some time after a trial was started, until it has done so often enough."""

    def __init__(self, n_kills: int, study: optuna.Study) -> None:
        self.left = n_kills
        self.study = study
        self.random = random.Random(0)
        self.finished: dict[int, float] = {}
        self.next_kill = 0.0

    def watch(self, study: optuna.Study) -> None:
        for trial in states(study)["complete"]:
            self.finished.setdefault(trial.number, trial.values[0])
        alive = multiprocessing.active_children()
        if self.left and alive and states(study)["running"] and time.monotonic() > self.next_kill:
            pid = self.random.choice(alive).pid
            assert pid is not None
            # At any moment of a trial, also while the journal is written
            threading.Timer(self.random.uniform(0.0, 0.8), _kill, [pid]).start()
            self.left -= 1
            self.next_kill = time.monotonic() + self.random.uniform(0.3, 1.0)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def run_killing(spec: TuningSpec, n_kills: int, n_workers: int = 2) -> tuple[optuna.Study, Killer]:
    # Trials of a second or more, so that the search outlives its killer on any machine
    spec = dataclasses.replace(spec, block={**spec.block, "n_timesteps": 4_000})
    study = open_study(spec)
    spec = claim_study(spec, study, "test")
    killer = Killer(n_kills, study)
    run_processes(spec, study, n_workers, killer.watch)
    return study, killer


def check_whole(study: optuna.Study, killer: Killer, n_trials: int) -> None:
    by_state = states(study)
    assert killer.left == 0
    assert not by_state["running"]
    assert not by_state["waiting"]
    assert len(by_state["complete"]) == n_trials
    assert {trial.number: trial.value for trial in by_state["complete"]}.items() >= killer.finished.items()
    params = [tuple(sorted(trial.params.items())) for trial in by_state["complete"]]
    assert len(set(params)) == n_trials
    assert all(len(RetryHeartbeatStaleTrialCallback.retry_history(trial)) <= 20 for trial in by_state["complete"])
    killed = [trial for trial in by_state["fail"] if "skipped" not in trial.user_attrs]
    assert {trial.user_attrs["failure"].partition(" (")[0] for trial in killed} == {"its worker was killed"}


def test_killed_workers_lose_no_trial(make_spec: MakeSpec, tmp_path: Path) -> None:
    spec = make_spec(n_trials=8, max_retries=20, unfinished_folder=str(tmp_path / "unfinished"))
    study, killer = run_killing(spec, n_kills=3)
    check_whole(study, killer, 8)
    assert not (tmp_path / "unfinished").exists()


def test_a_silent_worker_elsewhere_is_replaced(make_spec: MakeSpec, tmp_path: Path) -> None:
    spec = make_spec(n_trials=1, storage=f"sqlite:///{tmp_path}/study.db")
    study = open_study(spec)
    spec = claim_study(spec, study, "test")
    lost = study.ask()
    lost.set_user_attr("worker", "another-host:1:1")
    storage = study._storage
    assert isinstance(storage, optuna.storages._CachedStorage)
    storage.record_heartbeat(lost._trial_id)
    connection = sqlite3.connect(tmp_path / "study.db")
    connection.execute("UPDATE trial_heartbeats SET heartbeat = datetime('now', '-1 hour')")
    connection.commit()
    connection.close()
    run_processes(spec, study, 1, lambda _: None)
    assert [trial.state.name for trial in study.trials] == ["FAIL", "COMPLETE"]


@pytest.mark.slow
@pytest.mark.parametrize("storage", ["study.log", "sqlite:///{}/study.db"])
def test_twenty_killed_workers_lose_no_trial(make_spec: MakeSpec, tmp_path: Path, storage: str) -> None:
    path = storage.format(tmp_path) if "{" in storage else str(tmp_path / storage)
    spec = make_spec(n_trials=40, max_retries=20, storage=path)
    study, killer = run_killing(spec, n_kills=20)
    check_whole(study, killer, 40)
