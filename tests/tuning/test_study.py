"""Studies: a search finds its own, and takes no other."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from studies import MakeSpec, began

from sb3_ext.app.errors import UserError
from sb3_ext.tuning.study import claim_study, open_study
from sb3_ext.tuning.worker import run_worker


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
