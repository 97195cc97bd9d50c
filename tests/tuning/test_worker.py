"""Workers run the trials that a study lacks."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import optuna
import pytest
from studies import MakeSpec, began

from sb3_ext.tuning.spec import SAMPLERS
from sb3_ext.tuning.study import make_sampler
from sb3_ext.tuning.trials import failures, open_slots, states
from sb3_ext.tuning.worker import run_worker


class TestWorker:
    def test_runs_as_many_trials_as_the_study_shall_have(self, make_spec: MakeSpec) -> None:
        spec, study = began(make_spec(n_trials=3))
        run_worker(spec, 0, owner="me")
        assert len(study.trials) == len(states(study)["complete"]) == 3
        assert {trial.user_attrs["worker"] for trial in study.trials} == {"me"}
        run_worker(dataclasses.replace(spec, n_trials=4), 0)
        assert len(states(study)["complete"]) == 4

    def test_trials_share_seeds_and_workers_do_not(self, make_spec: MakeSpec) -> None:
        spec, study = began(make_spec(n_trials=2, sampler="random"))
        run_worker(spec, 0)
        other, other_study = began(make_spec(n_trials=2, sampler="random", study_name="other"))
        run_worker(other, 1)
        drawn = [tuple(trial.params.values()) for trial in (*study.trials, *other_study.trials)]
        assert len(set(drawn)) == 4
        again, again_study = began(make_spec(n_trials=2, sampler="random", study_name="again"))
        run_worker(again, 0)
        assert [trial.params for trial in again_study.trials] == [trial.params for trial in study.trials]
        assert [trial.value for trial in again_study.trials] == [trial.value for trial in study.trials]

    def test_a_restarted_worker_draws_anew(self, make_spec: MakeSpec) -> None:
        spec = make_spec()
        first, second = (make_sampler(spec, 0, n_trials) for n_trials in (0, 1))
        studies = [optuna.create_study(sampler=sampler) for sampler in (first, second)]
        assert len({study.ask().suggest_float("x", 0, 1) for study in studies}) == 2

    @pytest.mark.parametrize("sampler", SAMPLERS)
    def test_no_parameters_twice_and_an_end(self, make_spec: MakeSpec, tmp_path: Path, sampler: str) -> None:
        path = tmp_path / "space.py"
        path.write_text(
            "def sample_params(trial, n_actions, n_envs, additional_args):\n"
            "    return {'gamma': trial.suggest_categorical('gamma', [0.1, 0.5, 0.9])}\n"
        )
        block = {"n_timesteps": 20, "policy": "TablePolicy"}
        changes: dict[str, Any] = {"block": block, "seeds_per_trial": 1, "n_evaluations": 1, "eval_episodes": 1}
        spec, study = began(make_spec(n_trials=9, search_space=str(path), sampler=sampler, **changes))
        run_worker(spec, 0)
        assert sorted(trial.params["gamma"] for trial in states(study)["complete"]) == [0.1, 0.5, 0.9]
        assert not failures(study)
        assert open_slots(spec, study) == 0

    def test_deadline(self, make_spec: MakeSpec) -> None:
        spec, study = began(make_spec(deadline=1.0))
        run_worker(spec, 0)
        assert not study.trials

    def test_failures_are_recorded_and_end_a_hopeless_study(self, make_spec: MakeSpec) -> None:
        spec, study = began(make_spec(block={"n_timesteps": 50, "policy": "NoPolicy"}, n_trials=30))
        run_worker(spec, 0)
        failed = failures(study)
        assert len(failed) == len(study.trials) == 5
        assert all("NoPolicy" in trial.user_attrs["failure"] for trial in failed)
        assert not states(study)["pruned"]
        # The next command may try again, with what the user has changed.
        spec, study = began(make_spec(n_trials=1))
        run_worker(spec, 0)
        assert len(states(study)["complete"]) == 1
