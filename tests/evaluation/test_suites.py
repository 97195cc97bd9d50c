import numpy as np
import pytest

from sb3_ext.evaluation.statistics import stratified_interval
from sb3_ext.evaluation.suites import optimality_gap, performance_profile, suite_iqm, suite_mean, suite_median

RUNS, TASKS = 9, 4


@pytest.fixture(name="scores")
def _scores() -> np.ndarray:
    """Scores as rliable takes them: shape (runs, tasks)."""
    return np.random.default_rng(0).normal(0.6, 0.4, size=(RUNS, TASKS)) + np.linspace(-0.5, 0.5, TASKS)


def test_estimates_are_rliables(scores: np.ndarray) -> None:
    metrics = pytest.importorskip("rliable.metrics")
    strata = list(scores.T)
    assert suite_iqm(strata) == pytest.approx(metrics.aggregate_iqm(scores), rel=1e-12)
    assert suite_mean(strata) == pytest.approx(metrics.aggregate_mean(scores), rel=1e-12)
    assert suite_median(strata) == pytest.approx(metrics.aggregate_median(scores), rel=1e-12)
    assert optimality_gap(strata) == pytest.approx(metrics.aggregate_optimality_gap(scores), rel=1e-12)
    assert optimality_gap(strata, 0.5) == pytest.approx(metrics.aggregate_optimality_gap(scores, 0.5), rel=1e-12)


def test_profiles_are_rliables(scores: np.ndarray) -> None:
    library = pytest.importorskip("rliable.library")
    limits = np.linspace(-0.5, 1.5, 21)
    np.testing.assert_allclose(
        performance_profile(list(scores.T), limits), library.score_distributions(scores, limits), rtol=1e-12
    )


def test_percentile_intervals_are_close_to_rliables(scores: np.ndarray) -> None:
    library, metrics = pytest.importorskip("rliable.library"), pytest.importorskip("rliable.metrics")
    functions = {metrics.aggregate_iqm: suite_iqm, metrics.aggregate_mean: suite_mean}
    np.random.seed(0)
    for theirs, ours in functions.items():
        _, expected = library.get_interval_estimates(
            {"a": scores}, lambda drawn, theirs=theirs: np.array([theirs(drawn)]), reps=3_000
        )
        interval = stratified_interval(list(scores.T), ours, method="percentile")
        # A hundredth of the scores' deviation, twice the noise of their resampling
        np.testing.assert_allclose(interval, expected["a"][:, 0], atol=0.01)
        low, high = stratified_interval(list(scores.T), ours)
        assert low < interval[0] < interval[1] < high


def test_environments_weigh_the_same_however_many_seeds_they_have() -> None:
    strata = [np.zeros(3), np.ones(30)]
    assert suite_mean(strata) == 0.5
    assert optimality_gap(strata) == 0.5
    assert performance_profile(strata, [0.5]).tolist() == [0.5]


def test_all_work_on_resamples() -> None:
    drawn = [np.random.default_rng(n).normal(size=(7, n)) for n in (3, 5)]
    for statistic in (suite_iqm, suite_mean, suite_median, optimality_gap):
        expected = [statistic([scores[row] for scores in drawn]) for row in range(7)]
        np.testing.assert_allclose(statistic(drawn), expected, rtol=1e-12)
    assert performance_profile(drawn, [0.0, 1.0]).shape == (7, 2)
