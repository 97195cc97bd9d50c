"""The best trials and the block of the beginning on fresh seeds."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import optuna
import pytest
from studies import MakeSpec, began

from sb3_ext.evaluation.runs import find_runs
from sb3_ext.tuning.comparison import Candidate, candidates, queue_comparison
from sb3_ext.tuning.report import markdown
from sb3_ext.tuning.result import SearchResult
from sb3_ext.tuning.spec import TuningSpec
from sb3_ext.tuning.study import open_study
from sb3_ext.tuning.training import train
from sb3_ext.tuning.trials import failures, states
from sb3_ext.tuning.worker import run_worker


class TestComparison:
    """The trainings on fresh seeds."""

    @pytest.fixture
    def searched(self, make_spec: MakeSpec) -> tuple[TuningSpec, optuna.Study, optuna.Study]:
        spec, study = began(make_spec(fresh_seeds=2))
        run_worker(spec, 0)
        return spec, study, open_study(spec.comparison)

    def test_trains_what_is_missing_once(self, searched: tuple[TuningSpec, optuna.Study, optuna.Study]) -> None:
        spec, study, comparison = searched
        queue_comparison(spec, study, comparison, 2)
        queue_comparison(spec, study, comparison, 2)
        run_worker(spec.comparison, 0)
        assert len(states(comparison)["complete"]) == 6
        assert all(np.isfinite(candidate.scores).all() for candidate in candidates(spec, study, comparison, 2))

    def test_trains_once_what_two_commands_have_queued(
        self, searched: tuple[TuningSpec, optuna.Study, optuna.Study]
    ) -> None:
        spec, study, comparison = searched
        queue_comparison(spec, study, comparison, 1)
        for trial in states(comparison)["waiting"]:
            comparison.enqueue_trial(trial.system_attrs["fixed_params"], user_attrs=trial.user_attrs)
        run_worker(spec.comparison, 0)
        assert len(states(comparison)["complete"]) == 4
        assert not failures(comparison) and not states(comparison)["waiting"]

    def test_the_report_tells_why_some_failed(
        self, searched: tuple[TuningSpec, optuna.Study, optuna.Study], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        spec, study, comparison = searched

        def fail(spec: TuningSpec, settings: Any, seed: int, *args: Any, **kwargs: Any) -> Any:
            if seed == 1001:
                raise RuntimeError("diverged")
            return train(spec, settings, seed, *args, **kwargs)

        monkeypatch.setattr("sb3_ext.tuning.objective.train", fail)
        queue_comparison(spec, study, comparison, 1)
        run_worker(spec.comparison, 0)
        found = candidates(spec, study, comparison, 1)
        report = markdown(SearchResult(spec, study, comparison, found, "sb3-ext tune"), {})
        assert "| current block, fresh seed 1001 | RuntimeError: diverged |" in report
        assert "(1 of 2 failed)" in report and "fresh seed 1000" not in report

        monkeypatch.setattr("sb3_ext.tuning.objective.train", train)
        queue_comparison(spec, study, comparison, 1)
        run_worker(spec.comparison, 0)
        found = candidates(spec, study, comparison, 1)
        assert "What failed" not in markdown(SearchResult(spec, study, comparison, found, "sb3-ext tune"), {})

    def test_does_not_take_those_of_a_deleted_search(
        self, searched: tuple[TuningSpec, optuna.Study, optuna.Study]
    ) -> None:
        spec, study, comparison = searched
        queue_comparison(spec, study, comparison, 1)
        run_worker(spec.comparison, 0)
        optuna.delete_study(study_name=spec.study_name, storage=study._storage)
        spec, study = began(dataclasses.replace(spec, seed=7))
        run_worker(spec, 0)
        spec = dataclasses.replace(spec, seed=0)  # the same fresh seeds as before
        assert all(np.isnan(candidate.scores).all() for candidate in candidates(spec, study, comparison, 1))
        queue_comparison(spec, study, comparison, 1)
        assert len(states(comparison)["waiting"]) == 4


def test_agents_of_an_id_with_a_namespace_are_where_the_zoo_looks(
    make_spec: MakeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    namespaced = dataclasses.replace(gym.spec("ThreeStateMDP-v0"), id="Small/ThreeStateMDP-v0")
    monkeypatch.setitem(gym.registry, namespaced.id, namespaced)
    spec, study = began(make_spec(env_id=namespaced.id, n_trials=1, fresh_seeds=1, models_folder=str(tmp_path / "a")))
    run_worker(spec, 0)
    queue_comparison(spec, study, open_study(spec.comparison), 1)
    run_worker(spec.comparison, 0)
    (run,), _ = find_runs(spec.algo, spec.env_id, str(tmp_path / "a" / "current"), [1])
    assert run.hyperparams["n_timesteps"] == spec.block["n_timesteps"]


def test_candidates_whose_trainings_failed_come_last() -> None:
    def candidate(number: int, *scores: float) -> Candidate:
        return Candidate(number, {}, np.array(scores), np.zeros((len(scores), 1)), 1.0)

    lucky, steady, worse = (
        candidate(0, np.nan, np.nan, 150.0),
        candidate(1, 90.0, 90.0, 150.0),
        candidate(2, 80.0, 80.0, 80.0),
    )
    assert sorted([lucky, worse, steady], key=lambda each: each.rank) == [steady, worse, lucky]
    assert np.isnan(lucky.gain_over(steady)).all()  # they share one seed
    gain, low, high = steady.gain_over(worse)
    assert low <= gain <= high and gain > 10
