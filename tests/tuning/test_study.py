"""What trials of a study do: seeds, pruning, duplicates, failures."""

from __future__ import annotations

import dataclasses
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from rl_zoo3.hyperparams_opt import HYPERPARAMS_CONVERTER, HYPERPARAMS_SAMPLER

from sb3_ext.app.errors import UserError
from sb3_ext.tuning.comparison import Candidate, candidates, comparison_of, queue_comparison
from sb3_ext.tuning.dead_workers import (
    fail_dead_workers_trials,
    fail_trials_of,
    others_running,
    process_identity,
)
from sb3_ext.tuning.objective import Objective, score
from sb3_ext.tuning.processes import run_processes
from sb3_ext.tuning.report import markdown
from sb3_ext.tuning.result import SearchResult, train_command
from sb3_ext.tuning.search_space import SearchSpace
from sb3_ext.tuning.settings import as_settings
from sb3_ext.tuning.spec import TuningSpec
from sb3_ext.tuning.study import PRUNERS, SAMPLERS, claim_study, make_sampler, open_study
from sb3_ext.tuning.training import train
from sb3_ext.tuning.trials import EXHAUSTED, failures, open_slots, shortfall, states
from sb3_ext.tuning.worker import run_worker
from sb3_ext.zoo import ALGORITHMS, register

MakeSpec = Callable[..., TuningSpec]


def began(spec: TuningSpec) -> tuple[TuningSpec, optuna.Study]:
    study = open_study(spec)
    return claim_study(spec, study, "sb3-ext tune"), study


@pytest.mark.parametrize(
    ("evaluations", "expected"), [([1.0], 1.0), ([1.0, 2.0, 3.0, 4.0], 4.0), ([0.0] * 8 + [2.0, 4.0], 3.0)]
)
def test_score_is_the_mean_of_the_last_quarter(evaluations: list[float], expected: float) -> None:
    assert score(evaluations) == expected


class TestSpec:
    def test_seeds_are_apart(self, make_spec: MakeSpec) -> None:
        spec = make_spec(seed=5, seeds_per_trial=1000, fresh_seeds=1000, eval_episodes=1000)
        ranges = (spec.training_seeds, spec.fresh_training_seeds, spec.evaluation_seeds, spec.comparison_episodes)
        assert len({seed for seeds in ranges for seed in seeds}) == sum(map(len, ranges))

    def test_can_be_sent_to_another_process(self, make_spec: MakeSpec) -> None:
        spec = make_spec()
        assert pickle.loads(pickle.dumps(spec)) == spec


class TestSearchSpaces:
    def test_what_is_not_searched_of_the_policy_stays(self, make_spec: MakeSpec) -> None:
        register()
        block = {"n_timesteps": 100, "policy": "MlpPolicy", "policy_kwargs": "dict(net_arch=[8], action_layer=1)"}
        spec = make_spec(algo="ddpg_ext", env_id="Pendulum-v1", block=block)
        arguments = SearchSpace(spec).sample(optuna.create_study().ask())
        assert arguments["policy_kwargs"]["action_layer"] == 1
        assert arguments["policy_kwargs"]["net_arch"] != [8]

    @pytest.mark.parametrize("algo", [*ALGORITHMS, "crossq"])
    def test_every_algorithm_has_one(self, algo: str) -> None:
        register()
        assert algo in HYPERPARAMS_SAMPLER
        assert algo in HYPERPARAMS_CONVERTER

    def test_crossq_trains_with_what_it_draws(self, make_spec: MakeSpec, tmp_path: Path) -> None:
        register()
        block = {"n_timesteps": 120, "policy": "MlpPolicy"}
        spec = make_spec(algo="crossq", env_id="Pendulum-v1", block=block, n_evaluations=1, eval_episodes=1)
        trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()
        arguments = SearchSpace(spec).sample(trial)
        assert HYPERPARAMS_CONVERTER["crossq"](trial.params) == arguments
        model = train(spec, {**as_settings(arguments), "learning_starts": 100}, 0, range(7, 8), tmp_path).model
        assert model.batch_size == arguments["batch_size"]  # type: ignore[attr-defined]
        assert model.policy.net_arch == arguments["policy_kwargs"]["net_arch"]
        assert model.policy_delay == arguments["policy_delay"]  # type: ignore[attr-defined]


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


class Pruning:
    """A study with finished trials of a constant value, which a hopeless one is compared with."""

    def __init__(self, spec: TuningSpec, monkeypatch: pytest.MonkeyPatch, value: Callable[[int, int], float]) -> None:
        self.spec, self.study = began(spec)
        self.n_trained = 0

        def fake(spec: TuningSpec, settings: Any, seed: int, seeds: range, folder: Path, report: Any) -> Any:
            self.n_trained += 1
            evaluations: list[float] = []
            for index in range(spec.n_evaluations):
                evaluations.append(value(self.trial, seed) + index)
                report(evaluations)
            return type("Training", (), {"evaluations": evaluations, "fingerprint": "0"})

        monkeypatch.setattr("sb3_ext.tuning.objective.train", fake)

    def run(self, n_trials: int) -> None:
        objective = Objective(self.spec, "me")
        for self.trial in range(n_trials):
            self.study.optimize(objective, n_trials=1)


class TestPruning:
    @pytest.mark.parametrize("pruner", [name for name in PRUNERS if name != "none"])
    def test_hopeless_trials_end_early(self, make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch, pruner: str) -> None:
        rng = np.random.default_rng(0)
        spec = make_spec(n_trials=40, pruner=pruner, n_evaluations=6, seeds_per_trial=3)
        pruning = Pruning(spec, monkeypatch, lambda trial, seed: 100.0 * (trial < 6) + rng.normal())
        pruning.run(18)
        by_state = states(pruning.study)
        assert any(trial.number >= 6 for trial in by_state["pruned"])
        assert not by_state["fail"]
        best = max(trial.values[0] for trial in by_state["complete"])
        assert best > 99.0
        for trial in by_state["pruned"]:
            n_evaluations = sum(map(len, trial.user_attrs["evaluations"]))
            assert n_evaluations == len(trial.intermediate_values) < 18

    def test_prunes_between_trainings(self, make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch) -> None:
        # The first training of a late trial is as good as any, the second is not.
        spec = make_spec(n_trials=40, pruner="wilcoxon", n_evaluations=6, seeds_per_trial=3)
        rng = np.random.default_rng(0)
        pruning = Pruning(
            spec, monkeypatch, lambda trial, seed: 100.0 * (trial < 6 or seed == 0) + rng.normal(scale=1e-3)
        )
        pruning.run(8)
        late = pruning.study.trials[7]
        assert late.state.name == "PRUNED"
        assert 6 < len(late.intermediate_values) < 18

    def test_none_prunes_nothing(self, make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch) -> None:
        pruning = Pruning(make_spec(n_trials=40), monkeypatch, lambda trial, seed: -100.0 * trial)
        pruning.run(12)
        assert len(states(pruning.study)["complete"]) == 12
        assert pruning.n_trained == 24

    def test_reports_the_mean_learning_curve(self, make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch) -> None:
        pruning = Pruning(make_spec(pruner="median", n_evaluations=2), monkeypatch, lambda trial, seed: 10.0 * seed)
        pruning.run(1)
        assert pruning.study.trials[0].intermediate_values == {1: 0.0, 2: 1.0, 3: 5.0, 4: 6.0}
        assert pruning.study.trials[0].value == 6.0


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


class TestShortfall:
    """A search that ends before it has all its trials says why."""

    def test_nothing_is_missing(self, make_spec: MakeSpec) -> None:
        spec, study = began(make_spec(n_trials=1))
        run_worker(spec, 0)
        assert shortfall(spec, study) is None

    def test_the_time_is_over(self, make_spec: MakeSpec) -> None:
        spec, study = began(make_spec(deadline=0.0))
        run_worker(spec, 0)
        missing = shortfall(spec, study)
        assert missing is not None and "lacks 4 of 4 trials: the time of --timeout is over" in missing

    def test_every_parameter_was_tried(self, make_spec: MakeSpec) -> None:
        spec, study = began(make_spec())
        study.set_user_attr(EXHAUSTED, True)
        missing = shortfall(spec, study)
        assert missing is not None and "only parameters that were tried" in missing

    def test_too_many_fail(self, make_spec: MakeSpec) -> None:
        spec, study = began(make_spec(n_trials=20, block={"n_timesteps": 200, "policy": "NoPolicy"}))
        run_worker(spec, 0)
        missing = shortfall(spec, study)
        assert missing is not None and "lacks 20 of 20 trials: too many failed" in missing

    def test_others_still_run(self, make_spec: MakeSpec) -> None:
        spec, study = began(make_spec())
        study.ask().set_user_attr("worker", "another-host:1:1")
        missing = shortfall(spec, study)
        assert missing == "The search lacks 4 of 4 trials: 1 are still marked as running, on another-host."


class TestComparison:
    """The trainings on fresh seeds."""

    @pytest.fixture
    def searched(self, make_spec: MakeSpec) -> tuple[TuningSpec, optuna.Study, optuna.Study]:
        spec, study = began(make_spec(fresh_seeds=2))
        run_worker(spec, 0)
        return spec, study, open_study(comparison_of(spec))

    def test_trains_what_is_missing_once(self, searched: tuple[TuningSpec, optuna.Study, optuna.Study]) -> None:
        spec, study, comparison = searched
        queue_comparison(spec, study, comparison, 2)
        queue_comparison(spec, study, comparison, 2)
        run_worker(comparison_of(spec), 0)
        assert len(states(comparison)["complete"]) == 6
        assert all(np.isfinite(candidate.scores).all() for candidate in candidates(spec, study, comparison, 2))

    def test_trains_once_what_two_commands_have_queued(
        self, searched: tuple[TuningSpec, optuna.Study, optuna.Study]
    ) -> None:
        spec, study, comparison = searched
        queue_comparison(spec, study, comparison, 1)
        for trial in states(comparison)["waiting"]:
            comparison.enqueue_trial(trial.system_attrs["fixed_params"], user_attrs=trial.user_attrs)
        run_worker(comparison_of(spec), 0)
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
        run_worker(comparison_of(spec), 0)
        found = candidates(spec, study, comparison, 1)
        report = markdown(SearchResult(spec, study, comparison, found, "sb3-ext tune"), {})
        assert "| current block, fresh seed 1001 | RuntimeError: diverged |" in report
        assert "(1 of 2 failed)" in report and "fresh seed 1000" not in report

        monkeypatch.setattr("sb3_ext.tuning.objective.train", train)
        queue_comparison(spec, study, comparison, 1)
        run_worker(comparison_of(spec), 0)
        found = candidates(spec, study, comparison, 1)
        assert "What failed" not in markdown(SearchResult(spec, study, comparison, found, "sb3-ext tune"), {})

    def test_does_not_take_those_of_a_deleted_search(
        self, searched: tuple[TuningSpec, optuna.Study, optuna.Study]
    ) -> None:
        spec, study, comparison = searched
        queue_comparison(spec, study, comparison, 1)
        run_worker(comparison_of(spec), 0)
        optuna.delete_study(study_name=spec.study_name, storage=study._storage)
        spec, study = began(dataclasses.replace(spec, seed=7))
        run_worker(spec, 0)
        spec = dataclasses.replace(spec, seed=0)  # the same fresh seeds as before
        assert all(np.isnan(candidate.scores).all() for candidate in candidates(spec, study, comparison, 1))
        queue_comparison(spec, study, comparison, 1)
        assert len(states(comparison)["waiting"]) == 4


class TestClaim:
    def test_a_study_goes_on_with_the_block_it_began_with(self, make_spec: MakeSpec) -> None:
        spec, _ = began(make_spec(n_trials=1))
        run_worker(spec, 0)
        later, _ = began(make_spec(block={**spec.block, "gamma": 0.5}))
        assert later.block == spec.block

    def test_a_study_without_results_takes_the_new_block(self, make_spec: MakeSpec) -> None:
        spec, _ = began(make_spec())
        later, study = began(make_spec(block={**spec.block, "gamma": 0.5}))
        assert later.block["gamma"] == 0.5
        assert study.user_attrs["block"]["gamma"] == 0.5

    @pytest.mark.parametrize(
        "changes",
        [{"algo": "ppo"}, {"env_id": "CartPole-v1"}, {"seeds_per_trial": 3}, {"eval_episodes": 9}, {"seed": 1}],
    )
    def test_another_search_is_refused(self, make_spec: MakeSpec, changes: dict[str, Any]) -> None:
        spec, study = began(make_spec(n_trials=1))
        run_worker(spec, 0)
        with pytest.raises(UserError, match="give another --study-name"):
            began(make_spec(**changes))
        assert study.user_attrs["algo"] == "q_learning"

    def test_another_problem_under_the_same_id_is_refused(self, make_spec: MakeSpec) -> None:
        spec, _ = began(make_spec(n_trials=1))
        run_worker(spec, 0)
        other = dataclasses.replace(spec, block={**spec.block, "env_kwargs": {"max_episode_steps": 5}})
        with pytest.raises(UserError, match=r"env_kwargs .* not {'max_episode_steps': 5}: give another --study-name"):
            began(other)

    def test_trials_that_another_command_put_into_a_study_are_refused(self, make_spec: MakeSpec) -> None:
        spec, study = began(make_spec(n_trials=1))
        run_worker(spec, 0)
        study.tell(study.ask(), 1.0)
        with pytest.raises(UserError, match="did not make"):
            claim_study(spec, study, "sb3-ext tune")

    def test_a_study_of_someone_else_is_refused(self, make_spec: MakeSpec) -> None:
        spec = make_spec()
        study = open_study(spec)
        study.tell(study.ask(), 1.0)
        with pytest.raises(UserError, match="did not make"):
            claim_study(spec, study, "sb3-ext tune")


def test_candidates_whose_trainings_failed_come_last() -> None:
    def candidate(number: int, *scores: float) -> Candidate:
        return Candidate(number, {}, np.array(scores), np.array(scores), np.zeros((len(scores), 1)), 1.0)

    lucky, steady, worse = (
        candidate(0, np.nan, np.nan, 150.0),
        candidate(1, 90.0, 90.0, 150.0),
        candidate(2, 80.0, 80.0, 80.0),
    )
    assert sorted([lucky, worse, steady], key=lambda each: each.rank) == [steady, worse, lucky]
    assert np.isnan(lucky.gain_over(steady)).all()  # they share one seed
    gain, low, high = steady.gain_over(worse)
    assert low <= gain <= high and gain > 10


def test_dashboard_opens_a_study(make_spec: MakeSpec) -> None:
    dashboard = pytest.importorskip("optuna_dashboard")
    spec, study = began(make_spec(n_trials=1))
    run_worker(spec, 0)
    app = dashboard.wsgi(study._storage)
    answer: list[str] = []
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/api/studies/0", "QUERY_STRING": "after=0"}
    body = b"".join(app(environ, lambda status, headers, *_: answer.append(status)))
    assert answer == ["200 OK"]
    assert b'"name": "study"' in body
    assert b"settings" in body


def test_the_command_that_trains_the_best_block_again(make_spec: MakeSpec) -> None:
    command = train_command(make_spec(vec_env="native", device="cpu", gym_packages=("my_envs", "others")), 2)
    assert command.endswith(" --seed 0 --num-threads 2 --vec-env native --device cpu --gym-packages my_envs others")
    assert "--device" not in train_command(make_spec(gym_packages=()), 1)
