"""
Statistics over the scores of several training seeds: the interquartile mean and bootstrap intervals.

Agarwal et al., Deep Reinforcement Learning at the Edge of the Statistical Precipice (2021), https://arxiv.org/abs/2108.13264
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import special

from sb3_ext.common.arrays import FloatArray

Interval: TypeAlias = Literal["expanded", "percentile"]
"""How a bootstrap interval is read off the resamples, see :func:`tail`."""
INTERVAL = "expanded percentile bootstrap over training seeds"
"""What tables call the 95 % intervals of interquartile means."""


def iqm(scores: npt.ArrayLike) -> FloatArray:
    """
    Interquartile mean: the mean without the lowest and the highest quarter of the scores.

    Where a quarter is no whole number of scores, fewer are left out: ``floor(n / 4)`` at each end. This is
    ``scipy.stats.trim_mean(scores, 0.25)``, as in the paper's library ``rliable``; with n < 4 it is the mean.

    :param scores: Finite scores, shape (..., n), n >= 1; the mean is taken over the last axis.
    :return: Shape (...), a NumPy float for a single list of scores.
    :raises ValueError: If there are no scores or some are not finite.
    """
    ordered = np.sort(checked_scores(scores), axis=-1)
    cut = ordered.shape[-1] // 4
    mean: FloatArray = ordered[..., cut : ordered.shape[-1] - cut].mean(axis=-1)
    return mean


def tail(confidence: float, n_scores: int, method: Interval = "expanded") -> float:
    """
    Share of the resamples beyond either end of a bootstrap interval over ``n_scores``, of several groups the smallest.

    The percentile interval covers too seldom with few seeds. The expanded one goes as far out as Student's quantile
    with ``n_scores - 1`` degrees of freedom is on the normal scale (Hesterberg, What Teachers Should Know About the
    Bootstrap, 2015), without his further factor ``sqrt(n / (n - 1))``: docs/evaluation.md has reasons and coverage.
    """
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must lie in (0, 1), got {confidence!r}")
    share = (1.0 - confidence) / 2.0
    if method == "percentile":
        return share
    if method == "expanded":
        return float(special.ndtr(special.stdtrit(n_scores - 1, share)))
    raise ValueError(f"method must be 'expanded' or 'percentile', got {method!r}")


def bootstrap_interval(
    scores: npt.ArrayLike,
    statistic: Callable[[FloatArray], Any] = iqm,
    confidence: float = 0.95,
    n_resamples: int = 10_000,
    seed: int = 0,
    method: Interval = "expanded",
) -> tuple[FloatArray, FloatArray]:
    """
    Bootstrap interval of a statistic over seeds.

    The seeds are drawn with replacement; the interval holds the middle of the statistic's values over the resamples.
    The same call returns the same interval.

    :param scores: Finite scores, shape (..., n), n >= 2: one per training seed on the last axis. All rows (e.g. points
        of a learning curve) share their resamples.
    :param statistic: Maps scores, shape (..., n), to values, shape (...), e.g. :func:`iqm`.
    :param confidence: Coverage, in (0, 1).
    :param n_resamples: Number of resamples, >= 1.
    :param seed: Seed of the resampling.
    :param method: How much the middle is, see :func:`tail`.
    :return: Lower and upper end, each of shape (...).
    :raises ValueError: If an argument is out of its range.
    """
    values = checked_scores(scores, at_least=2)
    share = tail(confidence, values.shape[-1], method)
    (drawn,) = _resampled([values], n_resamples, seed)
    low, high = np.quantile(np.asarray(statistic(drawn)), [share, 1.0 - share], axis=-1)
    return low, high


def stratified_interval(
    strata: Sequence[npt.ArrayLike],
    statistic: Callable[[list[FloatArray]], Any],
    confidence: float = 0.95,
    n_resamples: int = 10_000,
    seed: int = 0,
    method: Interval = "expanded",
) -> tuple[FloatArray, FloatArray]:
    """
    Bootstrap interval of a statistic over several groups of scores, each resampled by itself.

    Groups are e.g. the environments of a suite, or two algorithms that are compared.

    :param strata: Finite scores of every group, shapes (n_1,), (n_2,), ..., each n >= 2.
    :param statistic: Maps scores of shapes (resamples, n_1), (resamples, n_2), ... to values, shape (resamples, ...).

    The other arguments, result and errors are those of :func:`bootstrap_interval`.
    """
    groups = [checked_scores(stratum, at_least=2) for stratum in strata]
    if not groups or any(group.ndim != 1 for group in groups):
        raise ValueError("one list of scores per group is needed")
    share = tail(confidence, min(map(len, groups)), method)
    drawn = _resampled(groups, n_resamples, seed)
    low, high = np.quantile(np.asarray(statistic(drawn)), [share, 1.0 - share], axis=0)
    return low, high


def paired_difference(
    runs: npt.ArrayLike, other: npt.ArrayLike, n_resamples: int = 2_000
) -> tuple[float, float, float]:
    """
    How much training runs, shape (runs, episodes), are better than one untrained policy in the same episodes.

    This is the IQM over the runs of their mean return, less the policy's mean return. The bootstrap draws runs and
    episodes, both at once: the 95 % interval holds for new training seeds on new episodes.
    """
    gains = checked_scores(runs, at_least=2) - checked_scores(other, at_least=2)
    if gains.ndim != 2 or len(gains) < 2:
        raise ValueError(f"returns of at least 2 runs in the episodes of the policy are needed, got {gains.shape}")
    rng = np.random.default_rng(0)
    n_runs, n_episodes = gains.shape
    drawn_runs = rng.integers(n_runs, size=(n_resamples, n_runs))
    # How often every episode is drawn is all that counts for a mean.
    counts = rng.multinomial(n_episodes, np.full(n_episodes, 1.0 / n_episodes), size=n_resamples)
    means = counts @ gains.T / n_episodes
    resampled = iqm(np.take_along_axis(means, drawn_runs, axis=1))
    share = tail(0.95, n_runs)
    low, high = np.quantile(resampled, [share, 1.0 - share])
    return float(iqm(gains.mean(axis=1))), float(low), float(high)


def _resampled(groups: Sequence[FloatArray], n_resamples: int, seed: int) -> list[FloatArray]:
    """Scores of every resample, shapes (..., resamples, n); the rows of a group share theirs."""
    if n_resamples < 1:
        raise ValueError(f"n_resamples must be >= 1, got {n_resamples!r}")
    rng, sizes = np.random.default_rng(seed), [group.shape[-1] for group in groups]
    return [group[..., rng.integers(n, size=(n_resamples, n))] for group, n in zip(groups, sizes, strict=True)]


def checked_scores(scores: npt.ArrayLike, at_least: int = 1) -> FloatArray:
    """Scores as an array, shape (..., n >= at_least); ValueError if there are too few, or some are not finite."""
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim == 0 or values.shape[-1] < at_least:
        raise ValueError(f"at least {at_least} scores are needed, got {scores!r:.80}")
    if not np.all(np.isfinite(values)):
        raise ValueError(f"scores must be finite, got {scores!r:.80}")
    return values
