import numpy as np
import pytest
from scipy import optimize, stats

from sb3_ext.evaluation import improvement_interval, probability_of_improvement, stratified_interval


def test_probability_by_hand() -> None:
    # Of the six pairs four are won and one is a tie.
    assert probability_of_improvement([[1.0, 3.0, 4.0]], [[0.0, 3.0]]) == pytest.approx((4 + 0.5) / 6)
    assert probability_of_improvement([[1.0], [0.0]], [[0.0], [1.0]]) == 0.5


def test_probability_is_rliables() -> None:
    metrics = pytest.importorskip("rliable.metrics")
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 6, size=(8, 3)).astype(float), rng.integers(1, 7, size=(6, 3)).astype(float)
    expected = metrics.probability_of_improvement(first, second)
    assert probability_of_improvement(list(first.T), list(second.T)) == pytest.approx(expected, rel=1e-12)


def test_interval_is_rliables_but_wider() -> None:
    library, metrics = pytest.importorskip("rliable.library"), pytest.importorskip("rliable.metrics")
    rng = np.random.default_rng(1)
    first, second = rng.normal(0.4, 1.0, size=(10, 3)), rng.normal(size=(10, 3))
    np.random.seed(0)
    _, expected = library.get_interval_estimates(
        {"a": [first, second]}, lambda x, y: np.array([metrics.probability_of_improvement(x, y)]), reps=400
    )
    low, high = improvement_interval(list(first.T), list(second.T))
    np.testing.assert_allclose((low, high), expected["a"][:, 0], atol=0.06)
    ends = stratified_interval(
        [*first.T, *second.T],
        lambda drawn: probability_of_improvement(drawn[:3], drawn[3:]),
        n_resamples=2_000,
        method="percentile",
    )
    assert low < ends[0] < ends[1] < high


def test_an_interval_of_certain_wins_is_no_point() -> None:
    """All of 10 x 10 pairs are won: the lower end is where Hanley and McNeil's deviation explains that."""
    wins = improvement_interval([np.arange(10.0, 20.0)], [np.arange(10.0)])
    losses = improvement_interval([np.arange(10.0)], [np.arange(10.0, 20.0)])

    def excess(p: float) -> float:
        variance = p * (1 - p) * (1 + 9 * ((1 - p) / (2 - p) + p / (1 + p))) / 100
        return (1 - p) ** 2 - stats.t.ppf(0.975, 18) ** 2 * variance

    assert wins == (pytest.approx(optimize.brentq(excess, 0.5, 0.99), abs=1e-5), 1.0)
    assert losses == (0.0, pytest.approx(1.0 - wins[0], abs=1e-9))
    # Three environments say more than one.
    assert improvement_interval([np.arange(10.0, 20.0)] * 3, [np.arange(10.0)] * 3)[0] > wins[0]


def test_both_algorithms_need_the_same_environments() -> None:
    with pytest.raises(ValueError):
        probability_of_improvement([[1.0, 2.0]], [[1.0, 2.0], [3.0, 4.0]])
