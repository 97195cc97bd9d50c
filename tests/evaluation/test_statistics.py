import numpy as np
import pytest
from scipy import stats

from sb3_ext.evaluation import bootstrap_interval, iqm


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
