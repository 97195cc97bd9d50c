import numpy as np
import pytest
from scipy import stats

from sb3_ext.evaluation import bootstrap_interval, iqm
from sb3_ext.evaluation.statistics import paired_difference


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
    assert bootstrap_interval([0.0, 1.0], statistic=lambda s: s.mean(axis=-1), confidence=0.4) == (0.5, 0.5)
    assert bootstrap_interval([0.0, 1.0], statistic=lambda s: s.mean(axis=-1), confidence=0.6) == (0.0, 1.0)


def test_interval_agrees_with_scipy() -> None:
    scores = np.random.default_rng(0).normal(5.0, 2.0, size=12)
    expected = stats.bootstrap(
        (scores,), lambda s, axis: stats.trim_mean(s, 0.25, axis=axis), method="percentile", n_resamples=20_000, rng=1
    ).confidence_interval
    np.testing.assert_allclose(bootstrap_interval(scores), expected, atol=0.05)


def test_interval_is_deterministic_and_row_by_row() -> None:
    rows = np.random.default_rng(0).normal(size=(3, 6))
    low, high = bootstrap_interval(rows, n_resamples=500)
    assert low.shape == high.shape == (3,)
    for row in range(3):
        assert bootstrap_interval(rows[row], n_resamples=500) == (low[row], high[row])
    assert bootstrap_interval(rows[0], n_resamples=500, seed=1) != (low[0], high[0])


def test_interval_covers_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    intervals = [bootstrap_interval(rng.normal(size=20), n_resamples=300) for _ in range(200)]
    covered = np.mean([low <= 0.0 <= high for low, high in intervals])
    assert 0.85 <= covered <= 0.99


@pytest.mark.parametrize(
    ("scores", "options", "message"),
    [
        ([1.0], {}, "at least 2"),
        ([1.0, np.nan], {}, "finite"),
        ([1.0, 2.0], {"confidence": 1.0}, "confidence"),
        ([1.0, 2.0], {"n_resamples": 0}, "n_resamples"),
    ],
)
def test_interval_refuses(scores: list[float], options: dict[str, float], message: str) -> None:
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
