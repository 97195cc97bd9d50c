"""A trial whose worker was killed goes on where it was, and gives what it would have given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from studies import MakeSpec, began

from sb3_ext.tuning import training
from sb3_ext.tuning.dead_workers import fail_trials_of
from sb3_ext.tuning.objective import Objective
from sb3_ext.tuning.spec import TuningSpec
from sb3_ext.tuning.unfinished import Unfinished
from sb3_ext.zoo import register

DDPG: dict[str, Any] = {
    "algo": "ddpg_ext",
    "env_id": "Pendulum-v1",
    "block": {"n_timesteps": 160, "policy": "MlpPolicy", "learning_starts": 20, "normalize": True},
}


class Killed(BaseException):
    """Nothing in the worker can catch it."""


class Evaluations:
    """Counts the evaluations of trainings, and kills the worker at one of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, self.last = 0, 0
        self._original = training._evaluate
        monkeypatch.setattr(training, "_evaluate", self)

    def __call__(self, *args: Any) -> float:
        self.count += 1
        if self.count == self.last:
            raise Killed
        return self._original(*args)

    def until(self, last: int) -> None:
        self.count, self.last = 0, last


def run(study: optuna.Study, spec: TuningSpec) -> optuna.trial.FrozenTrial:
    register()
    study.optimize(Objective(spec, "me"), n_trials=1)
    return study.trials[-1]


@pytest.mark.parametrize(("changes", "last"), [({}, 2), (DDPG, 7)], ids=["q_learning", "ddpg_ext"])
def test_goes_on_where_it_was(
    changes: dict[str, Any], last: int, make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spec, study = began(make_spec(unfinished_folder=str(tmp_path / "unfinished"), **changes))
    evaluations = Evaluations(monkeypatch)
    evaluations.until(last)
    with pytest.raises(Killed):
        run(study, spec)
    evaluations.until(-1)
    assert fail_trials_of(study, "me", "killed", 3) == 1
    found = run(study, spec)
    assert found.state.name == "COMPLETE"
    assert 8 - last < evaluations.count <= 8 - last + 2 < 10
    assert len(found.intermediate_values) == 8
    assert not (tmp_path / "unfinished").exists()

    alone, other = began(make_spec(storage=str(tmp_path / "other.log"), **changes))
    other.enqueue_trial(found.params)
    expected = run(other, alone)
    for name in ("fingerprints", "evaluations"):
        assert found.user_attrs[name] == expected.user_attrs[name]
    assert found.value == expected.value
    assert found.intermediate_values == expected.intermediate_values


def test_a_trial_that_fails_by_itself_leaves_nothing(make_spec: MakeSpec, tmp_path: Path) -> None:
    spec, study = began(make_spec(unfinished_folder=str(tmp_path / "unfinished")))
    register()
    broken = TuningSpec(**{**vars(spec), "block": {**spec.block, "gamma": 7.0}})
    study.optimize(Objective(broken, "me"), n_trials=1, catch=(Exception,))
    assert study.trials[-1].state.name in ("FAIL", "COMPLETE")
    assert not (tmp_path / "unfinished").exists()


def test_where_nothing_can_be_written_it_starts_over(make_spec: MakeSpec, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    spec, study = began(make_spec(unfinished_folder=str(tmp_path / "file")))
    unfinished = Unfinished(spec, study.ask())
    assert unfinished.checkpoints(0) is None
    assert run(study, spec).state.name == "COMPLETE"
