"""What becomes of the trials of workers that are no more."""

from __future__ import annotations

import dataclasses
import os

from studies import MakeSpec, began

from sb3_ext.tuning.dead_workers import (
    fail_dead_workers_trials,
    fail_trials_of,
    others_running,
    process_identity,
)
from sb3_ext.tuning.processes import run_processes
from sb3_ext.tuning.trials import failures
from sb3_ext.tuning.worker import run_worker


class TestDeadWorkers:
    def test_their_trials_are_queued_again_a_few_times(self, make_spec: MakeSpec) -> None:
        spec, study = began(make_spec(max_retries=2))
        study.enqueue_trial({"learning_rate": 0.25})
        for _ in range(3):
            trial = study.ask()
            assert trial.suggest_float("learning_rate", 0, 1) == 0.25
            trial.set_user_attr("worker", "gone")
            assert fail_trials_of(study, "gone", "it is gone", spec.max_retries) == 1
        assert [trial.state.name for trial in study.trials] == ["FAIL"] * 3
        assert [trial.number for trial in failures(study)] == [2]
        assert study.trials[2].user_attrs["failure"] == "it is gone"

    def test_live_workers_keep_their_trials(self, make_spec: MakeSpec) -> None:
        _, study = began(make_spec())
        alive, dead, elsewhere = (study.ask() for _ in range(3))
        alive.set_user_attr("worker", process_identity())
        # The number of a process that is alive, but which started at another time
        host, pid, _ = process_identity().rsplit(":", 2)
        dead.set_user_attr("worker", f"{host}:{pid}:1")
        elsewhere.set_user_attr("worker", "another-host:1:1")
        assert fail_dead_workers_trials(study, 3) == 1
        names = [trial.state.name for trial in study.trials]
        assert names == ["RUNNING", "FAIL", "RUNNING", "WAITING"]

    def test_those_of_another_command_are_waited_for(self, make_spec: MakeSpec) -> None:
        spec, study = began(make_spec(n_trials=1))
        study.ask().set_user_attr("worker", "another-host:1:1")
        study.ask().set_user_attr("worker", process_identity())
        assert not others_running(spec, study)  # a journal has no heartbeats, the other machine may be gone for years
        study.ask().set_user_attr("worker", process_identity(os.getppid()))
        assert others_running(spec, study)
        assert not others_running(dataclasses.replace(spec, deadline=0.0), study)
        study.tell(study.ask(), 1.0)
        assert not others_running(spec, study)  # it has what it wanted

    def test_a_command_ends_when_it_has_what_it_wanted(self, make_spec: MakeSpec) -> None:
        spec, study = began(make_spec(n_trials=1))
        run_worker(spec, 0)
        study.ask().set_user_attr("worker", process_identity(os.getppid()))
        run_processes(spec, study, 1, lambda _: None)
        assert len(study.trials) == 2
