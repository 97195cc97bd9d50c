import numpy as np
import pytest
from scipy import stats

from sb3_ext.evaluation import bootstrap_interval, iqm, stratified_interval
from sb3_ext.evaluation.statistics import paired_difference, tail
from sb3_ext.evaluation.suites import suite_iqm


def test_iqm_by_hand() -> None:
    # 8 scores: two go at each end, (3 + 4 + 5 + 6) / 4 stays.
    assert iqm([100.0, 1.0, 3.0, 4.0, 2.0, 6.0, 5.0, 50.0]) == 4.5
    # 5 scores: floor(5 / 4) = 1 goes at each end.
    assert iqm([-1000.0, 1.0, 2.0, 6.0, 1000.0]) == 3.0
    assert iqm([1.0, 2.0, 6.0]) == 3.0
    assert iqm([7.0]) == 7.0


@pytest.mark.parametrize("n_scores", range(1, 14))
def test_iqm_is_rliables(n_scores: int) -> None:
    scores = np.random.default_rng(n_scores).normal(size=(3, n_scores))
    np.testing.assert_allclose(iqm(scores), stats.trim_mean(scores, 0.25, axis=-1), rtol=1e-12)


def test_interval_by_hand() -> None:
    # Two scores, mean: resamples are 0 (1/4), 1/2 (1/2) and 1 (1/4), so the middle 40 % are all 1/2.
    for confidence, expected in ((0.4, (0.5, 0.5)), (0.6, (0.0, 1.0))):
        interval = bootstrap_interval([0.0, 1.0], lambda s: s.mean(axis=-1), confidence, method="percentile")
        assert interval == expected


def test_interval_agrees_with_scipy() -> None:
    scores = np.random.default_rng(0).normal(5.0, 2.0, size=12)
    expected = stats.bootstrap(
        (scores,), lambda s, axis: stats.trim_mean(s, 0.25, axis=axis), method="percentile", n_resamples=20_000, rng=1
    ).confidence_interval
    np.testing.assert_allclose(bootstrap_interval(scores, method="percentile"), expected, atol=0.05)


def test_interval_is_deterministic_and_row_by_row() -> None:
    rows = np.random.default_rng(0).normal(size=(3, 6))
    low, high = bootstrap_interval(rows, n_resamples=500)
    assert low.shape == high.shape == (3,)
    for row in range(3):
        assert bootstrap_interval(rows[row], n_resamples=500) == (low[row], high[row])
    assert bootstrap_interval(rows[0], n_resamples=500, seed=1) != (low[0], high[0])


def test_the_expanded_interval_reaches_as_far_as_students_quantile() -> None:
    assert tail(0.95, 10, "percentile") == pytest.approx(0.025)
    assert tail(0.95, 10) == pytest.approx(stats.norm.cdf(stats.t.ppf(0.025, 9)))
    assert tail(0.9, 10**9) == pytest.approx(0.05)


def test_strata_are_resampled_by_themselves() -> None:
    """A group of equal scores stays what it is, whatever is drawn from the other."""
    constant, varied = np.full(5, 3.0), np.arange(10.0)
    low, high = stratified_interval([constant, varied], lambda drawn: drawn[0].mean(axis=-1))
    assert (low, high) == (3.0, 3.0)
    low, high = stratified_interval([constant, varied], lambda drawn: drawn[1].mean(axis=-1))
    assert 0.0 < low < 4.5 < high < 9.0


def test_one_stratum_is_the_plain_interval() -> None:
    scores = np.random.default_rng(3).normal(size=8)
    assert stratified_interval([scores], suite_iqm) == bootstrap_interval(scores)


def test_strata_need_lists_of_scores() -> None:
    for strata in ([], [np.ones((2, 3))]):
        with pytest.raises(ValueError, match="one list of scores per group"):
            stratified_interval(strata, suite_iqm)
    with pytest.raises(ValueError, match="at least 2"):
        stratified_interval([[1.0, 2.0], [1.0]], suite_iqm)


@pytest.mark.parametrize(
    ("scores", "options", "message"),
    [
        ([1.0], {}, "at least 2"),
        ([1.0, np.nan], {}, "finite"),
        ([1.0, 2.0], {"confidence": 1.0}, "confidence"),
        ([1.0, 2.0], {"n_resamples": 0}, "n_resamples"),
        ([1.0, 2.0], {"method": "exact"}, "'expanded' or 'percentile'"),
    ],
)
def test_interval_refuses(scores: list[float], options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(scores, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("scores", [[], [np.inf], 3.0])
def test_iqm_refuses(scores: object) -> None:
    with pytest.raises(ValueError, match="scores"):
        iqm(scores)  # type: ignore[arg-type]


def test_paired_difference_of_equal_runs_is_exact() -> None:
    assert paired_difference(np.full((4, 6), 2.0), np.full(6, 1.5)) == (0.5, 0.5, 0.5)


def test_paired_difference_is_the_iqm_over_runs_of_what_they_gain_in_the_same_episodes() -> None:
    hard_and_easy = np.array([0.0, 100.0, 50.0])
    gains = np.array([-9.0, 1.0, 2.0, 9.0])
    difference, low, high = paired_difference(hard_and_easy + gains[:, None], hard_and_easy)
    assert difference == pytest.approx(1.5)
    assert -9.0 <= low < 1.5 < high <= 9.0


def test_paired_difference_covers_new_runs_and_episodes() -> None:
    rng, hits = np.random.default_rng(0), 0
    for _ in range(100):
        runs = rng.normal(0, 0.3, (10, 1)) + rng.normal(0, 1, (1, 50)) + rng.normal(0, 0.2, (10, 50))
        _, low, high = paired_difference(runs, np.zeros(50), n_resamples=500)
        hits += low <= 0.0 <= high
    assert 85 <= hits <= 100


def test_paired_difference_needs_two_runs_in_the_same_episodes() -> None:
    with pytest.raises(ValueError, match="at least 2 runs"):
        paired_difference(np.ones((1, 5)), np.zeros(5))
    with pytest.raises(ValueError):
        paired_difference(np.ones((2, 5)), np.zeros(4))
