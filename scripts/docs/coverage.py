"""
How often 95 % intervals hold the truth, on simulated scores whose interquartile mean is known.

The distributions are those that training seeds show: noise, skew, seeds that fail, a maximum that many seeds reach.

Example: python scripts/measure.py coverage --output docs/results/interval_coverage.csv
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from scipy import stats

from sb3_ext.app.records import write_records
from sb3_ext.common.arrays import FloatArray
from sb3_ext.evaluation.improvement import improvement_interval, probability_of_improvement
from sb3_ext.evaluation.statistics import bootstrap_interval, iqm, stratified_interval
from sb3_ext.evaluation.suites import suite_iqm

Quantiles: TypeAlias = Callable[[FloatArray], FloatArray]
"""Maps probabilities to scores."""
Ends: TypeAlias = tuple[FloatArray, FloatArray]
"""Lower and upper ends of intervals."""

SEEDS = (5, 10, 20, 30)
_RESAMPLES = 1_000
_CHUNK = 50
_PROBABILITIES = (np.arange(100_000) + 0.5) / 100_000
_EDGE = 1e-9


class Coverage(NamedTuple):
    """How often one kind of interval held the truth."""

    statistic: str
    interval: str
    distribution: str
    seeds: int
    repetitions: int
    truth: float
    coverage: float
    """Percent."""
    mean_width: float


def _mixture(failing: float) -> Quantiles:
    """A share of the seeds fails."""
    grid = np.linspace(-80.0, 180.0, 260_001)
    below = failing * stats.norm.cdf(grid, 20.0, 10.0) + (1.0 - failing) * stats.norm.cdf(grid, 100.0, 10.0)
    return lambda shares: np.interp(shares, below, grid)


def _capped(share: float) -> Quantiles:
    """A share of the seeds is at the maximum of 500."""
    return lambda shares: np.minimum(500.0, 500.0 + 60.0 * (stats.norm.ppf(shares) - stats.norm.ppf(1.0 - share)))


DISTRIBUTIONS: Mapping[str, Quantiles] = {
    "normal": stats.norm.ppf,
    "heavy tails (t, 3 degrees)": stats.t(3).ppf,
    "uniform": stats.uniform.ppf,
    "exponential": stats.expon.ppf,
    "log-normal": stats.lognorm(1.0).ppf,
    "log-normal, negated": lambda shares: -stats.lognorm(1.0).ppf(1.0 - shares),
    "10 % of the seeds fail": _mixture(0.1),
    "20 % of the seeds fail": _mixture(0.2),
    "30 % of the seeds fail": _mixture(0.3),
    "50 % of the seeds fail": _mixture(0.5),
    "30 % of the seeds at the cap": _capped(0.3),
    "60 % of the seeds at the cap": _capped(0.6),
    "80 % of the seeds at the cap": _capped(0.8),
}
SUITES: Mapping[str, tuple[Quantiles, ...]] = {
    "three normal": (stats.norm.ppf,) * 3,
    "five exponential": (stats.expon.ppf,) * 5,
    "normal, log-normal, failing seeds": (
        stats.norm(0.5, 0.15).ppf,
        lambda shares: stats.lognorm(1.0).ppf(shares) / 4.0,
        lambda shares: DISTRIBUTIONS["20 % of the seeds fail"](shares) / 120.0,
    ),
}
PAIRS: Mapping[str, tuple[Quantiles, Quantiles]] = {
    "equal": (stats.norm.ppf, stats.norm.ppf),
    "one deviation apart": (stats.norm(1.0).ppf, stats.norm.ppf),
    "two and a half apart": (stats.norm(2.5).ppf, stats.norm.ppf),
    "never worse": (stats.norm(9.0).ppf, stats.norm.ppf),
    "a fifth of the spread": (stats.norm(0.7, 0.2).ppf, stats.norm.ppf),
    "20 and 10 % fail": (_mixture(0.2), _mixture(0.1)),
    "20 % fail, the other in between": (_mixture(0.2), stats.norm(70.0, 5.0).ppf),
    "60 and 30 % at the cap": (_capped(0.6), _capped(0.3)),
}


def measure_coverage(n_seeds: int, repetitions: int, seed: int = 0) -> list[Coverage]:
    """
    Measure all intervals on all distributions.

    :param n_seeds: Scores per interval.
    :param repetitions: How many sets of scores to draw for each.
    :param seed: Seed of the scores.
    :return: One record per statistic, interval and distribution.
    """
    rng = np.random.default_rng([seed, n_seeds])
    return [
        *(
            record
            for name, quantiles in DISTRIBUTIONS.items()
            for record in iqm_coverage(name, quantiles, n_seeds, repetitions, rng)
        ),
        *(suite_coverage(name, suite, n_seeds, repetitions, rng) for name, suite in SUITES.items()),
        *(improvement_coverage(name, pair, n_seeds, repetitions, rng) for name, pair in PAIRS.items()),
    ]


def iqm_coverage(
    name: str, quantiles: Quantiles, n_seeds: int, repetitions: int, rng: np.random.Generator
) -> Iterator[Coverage]:
    """
    Measure every interval of the interquartile mean on one distribution.

    :param name: What to call the distribution.
    :param quantiles: Its quantiles.
    :param n_seeds: Scores per interval.
    :param repetitions: Number of intervals.
    :param rng: Draws the scores.
    :return: One record per interval.
    """
    truth = float(iqm(quantiles(_PROBABILITIES)))
    scores = quantiles(rng.random((repetitions, n_seeds)))
    for interval, method in INTERVALS.items():
        low, high = _in_chunks(method, scores)
        yield _coverage("iqm", interval, name, n_seeds, truth, low, high)


def suite_coverage(
    name: str, suite: tuple[Quantiles, ...], n_seeds: int, repetitions: int, rng: np.random.Generator
) -> Coverage:
    """
    Measure the stratified interval of the interquartile mean over several environments.

    :param name: What to call the environments.
    :param suite: Quantiles of the scores in each.
    :param n_seeds: Scores per environment and interval.
    :param repetitions: Number of intervals.
    :param rng: Draws the scores.
    :return: The record.
    """
    truth = float(suite_iqm([quantiles(_PROBABILITIES) for quantiles in suite]))
    ends = [
        stratified_interval(
            [quantiles(rng.random(n_seeds)) for quantiles in suite], suite_iqm, n_resamples=_RESAMPLES, seed=index
        )
        for index in range(repetitions)
    ]
    return _coverage("suite iqm", "expanded", name, n_seeds, truth, *np.transpose(ends))


def improvement_coverage(
    name: str, pair: tuple[Quantiles, Quantiles], n_seeds: int, repetitions: int, rng: np.random.Generator
) -> Coverage:
    """
    Measure the interval of the probability of improvement.

    :param name: What to call the two algorithms.
    :param pair: Quantiles of their scores.
    :param n_seeds: Scores per algorithm and interval.
    :param repetitions: Number of intervals.
    :param rng: Draws the scores.
    :return: The record.
    """
    first, second = pair
    truth = float(probability_of_improvement([first(_PROBABILITIES[::50])], [second(_PROBABILITIES[::50])]))
    ends = [
        improvement_interval(
            [first(rng.random(n_seeds))], [second(rng.random(n_seeds))], n_resamples=_RESAMPLES, seed=index
        )
        for index in range(repetitions)
    ]
    return _coverage("improvement", "hull", name, n_seeds, truth, *np.transpose(ends))


def _coverage(statistic: str, interval: str, name: str, n_seeds: int, truth: float, low: Any, high: Any) -> Coverage:
    held = (low - _EDGE <= truth) & (truth <= high + _EDGE)
    return Coverage(
        statistic, interval, name, n_seeds, len(held), truth, 100.0 * float(held.mean()), float(np.mean(high - low))
    )


def _in_chunks(method: Callable[[FloatArray, int], Ends], scores: FloatArray) -> Ends:
    """Fifty sets of scores share their resamples, which is faster and leaves the coverage as it is."""
    ends = [method(scores[start : start + _CHUNK], start) for start in range(0, len(scores), _CHUNK)]
    low, high = (np.concatenate(parts) for parts in zip(*ends, strict=True))
    return low, high


def _expanded(scores: FloatArray, seed: int) -> Ends:
    return bootstrap_interval(scores, n_resamples=_RESAMPLES, seed=seed)


def _percentile(scores: FloatArray, seed: int) -> Ends:
    return bootstrap_interval(scores, n_resamples=_RESAMPLES, seed=seed, method="percentile")


def _standard_error(scores: FloatArray) -> FloatArray:
    """Of a trimmed mean, from the winsorised variance (Tukey and McLaughlin, 1963)."""
    n, cut = scores.shape[-1], scores.shape[-1] // 4
    ordered = np.sort(scores, axis=-1)
    winsorised = np.clip(ordered, ordered[..., cut : cut + 1], ordered[..., n - cut - 1 : n - cut])
    error: FloatArray = winsorised.std(axis=-1, ddof=1) / ((1.0 - 2.0 * cut / n) * np.sqrt(n))
    return error


def _tukey_mclaughlin(scores: FloatArray, _: int) -> Ends:
    n = scores.shape[-1]
    margin = stats.t.ppf(0.975, n - 2 * (n // 4) - 1) * _standard_error(scores)
    return iqm(scores) - margin, iqm(scores) + margin


def _resampled(scores: FloatArray, seed: int) -> FloatArray:
    n = scores.shape[-1]
    return scores[..., np.random.default_rng(seed).integers(n, size=(_RESAMPLES, n))]


def _bootstrap_t(scores: FloatArray, seed: int) -> Ends:
    drawn, middle = _resampled(scores, seed), iqm(scores)
    with np.errstate(divide="ignore", invalid="ignore"):
        studentised = (iqm(drawn) - middle[:, None]) / _standard_error(drawn)
    # A resample of equal scores has no error; the largest number that can be interpolated stands for infinity.
    studentised = np.nan_to_num(studentised, nan=0.0, posinf=1e9, neginf=-1e9)
    low, high = np.quantile(studentised, [0.025, 0.975], axis=-1) * _standard_error(scores)
    return middle - high, middle - low


def _bca(scores: FloatArray, seed: int) -> Ends:
    n, middle = scores.shape[-1], iqm(scores)
    drawn = iqm(_resampled(scores, seed))
    left_out = np.stack([iqm(np.delete(scores, index, axis=-1)) for index in range(n)], axis=-1)
    influence = left_out.mean(axis=-1, keepdims=True) - left_out
    with np.errstate(divide="ignore", invalid="ignore"):
        skew = np.nan_to_num((influence**3).sum(axis=-1) / (6.0 * (influence**2).sum(axis=-1) ** 1.5))
    below = (drawn < middle[:, None]).mean(axis=-1) + 0.5 * (drawn == middle[:, None]).mean(axis=-1)
    bias = stats.norm.ppf(np.clip(below, 1.0 / _RESAMPLES, 1.0 - 1.0 / _RESAMPLES))
    ends = []
    for share in (0.025, 0.975):
        shifted = bias + stats.norm.ppf(share)
        shares = stats.norm.cdf(bias + shifted / (1.0 - skew * shifted))
        ends.append(np.array([np.quantile(row, level) for row, level in zip(drawn, shares, strict=True)]))
    return ends[0], ends[1]


INTERVALS: Mapping[str, Callable[[FloatArray, int], Ends]] = {
    "expanded": _expanded,
    "percentile": _percentile,
    "bca": _bca,
    "bootstrap-t": _bootstrap_t,
    "tukey-mclaughlin": _tukey_mclaughlin,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.add_argument("--repetitions", type=int, default=2_000, help="sets of scores for each interval")
    parser.add_argument("--seed", type=int, default=0, help="seed of the scores")
    parser.add_argument("--n-jobs", type=int, default=2, help="processes")
    parser.add_argument("--output", type=Path, required=True, help="CSV file")


def run(args: argparse.Namespace) -> None:
    """Measure and write the CSV."""
    measure = functools.partial(measure_coverage, repetitions=args.repetitions, seed=args.seed)
    with ProcessPoolExecutor(args.n_jobs) as pool:
        # The largest numbers of seeds take longest, so they go first.
        records = [record for part in reversed(list(pool.map(measure, reversed(SEEDS)))) for record in part]
    lines = [
        {name: f"{cell:.6g}" if isinstance(cell, float) else cell for name, cell in record._asdict().items()}
        for record in records
    ]
    write_records(lines, args.output)
