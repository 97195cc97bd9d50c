"""
Statistics over the scores of several training seeds.

Agarwal et al., Deep Reinforcement Learning at the Edge of the Statistical Precipice (2021), https://arxiv.org/abs/2108.13264
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def iqm(scores: npt.ArrayLike) -> FloatArray:
    """
    Interquartile mean: the mean without the lowest and the highest quarter of the scores.

    Where a quarter is no whole number of scores, fewer are left out: ``floor(n / 4)`` at each end. This is
    ``scipy.stats.trim_mean(scores, 0.25)``, as in the paper's library ``rliable``; with n < 4 it is the mean.

    :param scores: Finite scores, shape (..., n), n >= 1; the mean is taken over the last axis.
    :return: Shape (...), a NumPy float for a single list of scores.
    :raises ValueError: If there are no scores or some are not finite.
    """
    ordered = np.sort(_checked(scores, at_least=1), axis=-1)
    cut = ordered.shape[-1] // 4
    mean: FloatArray = ordered[..., cut : ordered.shape[-1] - cut].mean(axis=-1)
    return mean


def bootstrap_interval(
    scores: npt.ArrayLike,
    statistic: Callable[[FloatArray], Any] = iqm,
    confidence: float = 0.95,
    n_resamples: int = 10_000,
    seed: int = 0,
) -> tuple[FloatArray, FloatArray]:
    """
    Percentile bootstrap interval of a statistic over seeds.

    The seeds are drawn with replacement; the interval holds the middle ``confidence`` of the statistic's values over
    the resamples. The same call returns the same interval.

    :param scores: Finite scores, shape (..., n), n >= 2: one per training seed on the last axis. All rows (e.g. points
        of a learning curve) share their resamples.
    :param statistic: Maps scores, shape (..., n), to values, shape (...), e.g. :func:`iqm`.
    :param confidence: Coverage, in (0, 1).
    :param n_resamples: Number of resamples, >= 1.
    :param seed: Seed of the resampling.
    :return: Lower and upper end, each of shape (...).
    :raises ValueError: If an argument is out of its range.
    """
    values = _checked(scores, at_least=2)
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must lie in (0, 1), got {confidence!r}")
    if n_resamples < 1:
        raise ValueError(f"n_resamples must be >= 1, got {n_resamples!r}")
    n_scores = values.shape[-1]
    drawn = np.random.default_rng(seed).integers(n_scores, size=(n_resamples, n_scores))
    resampled = np.asarray(statistic(values[..., drawn]))
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(resampled, [tail, 1.0 - tail], axis=-1)
    return low, high


def paired_difference(
    runs: npt.ArrayLike, other: npt.ArrayLike, confidence: float = 0.95, n_resamples: int = 2_000, seed: int = 0
) -> tuple[float, float, float]:
    """
    How much several training runs are better than one policy that was not trained, on the same episodes.

    The statistic is the IQM over the runs of their mean return, less the policy's mean return. The bootstrap draws runs
    and episodes with replacement, both at once: the interval holds for new training seeds on new episodes.

    :param runs: Return of every run in every episode, shape (runs, episodes), at least 2 each.
    :param other: Return of the policy in the same episodes, shape (episodes,).
    :param confidence: Coverage, in (0, 1).
    :param n_resamples: Number of resamples, >= 1.
    :param seed: Seed of the resampling.
    :return: The difference, and the ends of its interval.
    :raises ValueError: If shapes do not fit, or returns are not finite.
    """
    gains = _checked(runs, at_least=2) - _checked(other, at_least=2)
    if gains.ndim != 2 or len(gains) < 2:
        raise ValueError(f"returns of at least 2 runs in the episodes of the policy are needed, got {gains.shape}")
    rng = np.random.default_rng(seed)
    n_runs, n_episodes = gains.shape
    drawn_runs = rng.integers(n_runs, size=(n_resamples, n_runs))
    # How often every episode is drawn is all that counts for a mean.
    counts = rng.multinomial(n_episodes, np.full(n_episodes, 1.0 / n_episodes), size=n_resamples)
    means = counts @ gains.T / n_episodes
    resampled = iqm(np.take_along_axis(means, drawn_runs, axis=1))
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(resampled, [tail, 1.0 - tail])
    return float(iqm(gains.mean(axis=1))), float(low), float(high)


def _checked(scores: npt.ArrayLike, at_least: int) -> FloatArray:
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim == 0 or values.shape[-1] < at_least:
        raise ValueError(f"at least {at_least} scores are needed, got {scores!r:.80}")
    if not np.all(np.isfinite(values)):
        raise ValueError(f"scores must be finite, got {scores!r:.80}")
    return values
