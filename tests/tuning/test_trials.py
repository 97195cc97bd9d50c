"""Why a search lacks trials."""

from __future__ import annotations

from studies import MakeSpec, began

from sb3_ext.tuning.trials import EXHAUSTED, shortfall
from sb3_ext.tuning.worker import run_worker


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
