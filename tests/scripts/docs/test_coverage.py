import itertools

import numpy as np
import pytest

from docs.coverage import (
    DISTRIBUTIONS,
    INTERVALS,
    PAIRS,
    SUITES,
    improvement_coverage,
    iqm_coverage,
    suite_coverage,
)

# The standard error of a coverage of 95 % is 0.5 points over 2 000 repetitions, 1.5 over 200.
REPETITIONS = 2_000


@pytest.mark.parametrize("name", ["normal", "log-normal", "20 % of the seeds fail", "60 % of the seeds at the cap"])
def test_ten_seeds_cover_as_often_as_they_say(name: str) -> None:
    expanded, percentile = itertools.islice(
        iqm_coverage(name, DISTRIBUTIONS[name], 10, REPETITIONS, np.random.default_rng(1)), 2
    )
    assert (expanded.interval, percentile.interval) == ("expanded", "percentile")
    assert 93.0 <= expanded.coverage <= 97.0
    assert percentile.coverage < expanded.coverage


def test_every_interval_is_measured_on_the_same_scores() -> None:
    records = list(iqm_coverage("normal", DISTRIBUTIONS["normal"], 10, 100, np.random.default_rng(1)))
    assert [record.interval for record in records] == list(INTERVALS)
    assert all(85.0 <= record.coverage <= 99.0 for record in records)


def test_several_environments_cover_as_often_as_they_say() -> None:
    name = "normal, log-normal, failing seeds"
    record = suite_coverage(name, SUITES[name], 10, 200, np.random.default_rng(2))
    assert 92.0 <= record.coverage <= 98.5


@pytest.mark.parametrize("name", ["equal", "20 % fail, the other in between"])
def test_improvement_covers_at_least_as_often_as_it_says(name: str) -> None:
    record = improvement_coverage(name, PAIRS[name], 10, 200, np.random.default_rng(3))
    assert record.coverage >= 92.0


def test_the_truth_is_the_interquartile_mean_of_the_distribution() -> None:
    truths = {
        name: next(iter(iqm_coverage(name, DISTRIBUTIONS[name], 5, 2, np.random.default_rng(0)))).truth
        for name in ("normal", "uniform", "80 % of the seeds at the cap", "exponential")
    }
    assert truths["normal"] == pytest.approx(0.0, abs=1e-6)
    assert truths["uniform"] == pytest.approx(0.5)
    assert truths["80 % of the seeds at the cap"] == 500.0
    # 2 * the integral of -log(1 - u) from 1/4 to 3/4
    assert truths["exponential"] == pytest.approx(1.0 + 2.0 * (0.25 * np.log(0.25) - 0.75 * np.log(0.75)), abs=1e-6)
