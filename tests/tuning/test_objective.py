"""What trials do: their score, and when they end early."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from studies import MakeSpec, began

from sb3_ext.tuning.objective import Objective, score
from sb3_ext.tuning.spec import PRUNERS, TuningSpec
from sb3_ext.tuning.trials import states


@pytest.mark.parametrize(
    ("evaluations", "expected"), [([1.0], 1.0), ([1.0, 2.0, 3.0, 4.0], 4.0), ([0.0] * 8 + [2.0, 4.0], 3.0)]
)
def test_score_is_the_mean_of_the_last_quarter(evaluations: list[float], expected: float) -> None:
    assert score(evaluations) == expected


class Pruning:
    """A study with finished trials of a constant value, which a hopeless one is compared with."""

    def __init__(self, spec: TuningSpec, monkeypatch: pytest.MonkeyPatch, value: Callable[[int, int], float]) -> None:
        self.spec, self.study = began(spec)
        self.n_trained = 0

        def fake(spec: TuningSpec, settings: Any, seed: int, seeds: range, folder: Path, report: Any, **_: Any) -> Any:
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
