"""How likely a run of one algorithm beats a run of another: Mann and Whitney's statistic, with an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from sb3_ext.common.arrays import FloatArray, IntArray
from sb3_ext.evaluation.statistics import checked_scores, tail


def probability_of_improvement(scores: Sequence[npt.ArrayLike], others: Sequence[npt.ArrayLike]) -> FloatArray:
    """
    Probability that a random run of the first algorithm beats a random run of the second; ties count half.

    The mean over the environments (Agarwal et al., 2021, https://arxiv.org/abs/2108.13264).

    :param scores: Scores of the first algorithm in every environment, shapes (..., n_1), (..., n_2), ...
    :param others: Scores of the second in the same environments, shapes (..., m_1), (..., m_2), ...
    :return: Shape (...), in [0, 1].
    :raises ValueError: If there are no scores, or the numbers of environments differ.
    """
    wins = [_wins(first, second) for first, second in zip(scores, others, strict=True)]
    probability: FloatArray = np.mean([matrix.mean(axis=(-2, -1)) for matrix in wins], axis=0)
    return probability


def improvement_interval(
    scores: Sequence[npt.ArrayLike],
    others: Sequence[npt.ArrayLike],
    confidence: float = 0.95,
    n_resamples: int = 2_000,
    seed: int = 0,
) -> tuple[float, float]:
    """
    Interval of the probability of improvement: the hull of two.

    The stratified bootstrap holds for any distribution, but collapses to a point where every run of one algorithm beats
    every run of the other. Newcombe's score interval (Statistics in Medicine 25, 2006, part 2, method 5), here with
    Student's quantile, does not; several environments are combined as by Zou and Donner (2008).

    Scores as for :func:`probability_of_improvement`, at least 2 in every environment; the other arguments as for
    :func:`sb3_ext.evaluation.bootstrap_interval`. Both ends are in [0, 1].
    """
    sizes = [len(checked_scores(group, at_least=2)) for group in (*scores, *others)]
    share = tail(confidence, min(sizes))
    rng = np.random.default_rng(seed)
    resampled, gaps = np.zeros(n_resamples), []
    for first, second in zip(scores, others, strict=True):
        wins = _wins(first, second)
        # How often every run is drawn is all that counts for a mean over pairs.
        drawn = [_counts(n, n_resamples, rng) for n in wins.shape]
        resampled += ((drawn[0] @ wins) * drawn[1]).sum(axis=1) / wins.size
        probability = float(wins.mean())
        lower, upper = _score_interval(probability, wins.shape[0], wins.shape[1], confidence)
        gaps.append((probability - lower, upper - probability))
    low, high = np.quantile(resampled / len(scores), [share, 1.0 - share])
    below, above = np.sqrt(np.sum(np.square(gaps), axis=0)) / len(scores)
    middle = float(probability_of_improvement(scores, others))
    return max(0.0, min(float(low), middle - below)), min(1.0, max(float(high), middle + above))


def _counts(n: int, n_resamples: int, rng: np.random.Generator) -> IntArray:
    """How often each of n runs is drawn in every resample; many times faster than ``rng.multinomial``."""
    drawn = rng.integers(n, size=(n_resamples, n)) + n * np.arange(n_resamples)[:, None]
    return np.bincount(drawn.ravel(), minlength=n * n_resamples).reshape(n_resamples, n)


def _wins(first: npt.ArrayLike, second: npt.ArrayLike) -> FloatArray:
    """Which of all pairs the first wins: 1, 0, or a half for a tie; shape (..., n, m)."""
    wins: FloatArray = 0.5 + 0.5 * np.sign(checked_scores(first)[..., :, None] - checked_scores(second)[..., None, :])
    return wins


def _score_interval(probability: float, n_first: int, n_second: int, confidence: float) -> tuple[float, float]:
    """Newcombe's: the probabilities whose own standard error, by Hanley and McNeil, explains the observed one."""
    quantile = float(special.stdtrit(n_first + n_second - 2, 0.5 + confidence / 2.0))
    pairs, degrees = n_first * n_second, (n_first + n_second) / 2.0 - 1.0

    def excess(candidate: float) -> float:
        spread = 1.0 + degrees * ((1.0 - candidate) / (2.0 - candidate) + candidate / (1.0 + candidate))
        deviation = math.sqrt(candidate * (1.0 - candidate) * spread / pairs)
        return abs(probability - candidate) - quantile * deviation

    # At 0 and 1 the standard error vanishes, so they are roots too, but not the ones looked for.
    low = 0.0 if probability == 0.0 else float(optimize.brentq(excess, 1e-12, min(probability, 1.0 - 1e-12)))
    high = 1.0 if probability == 1.0 else float(optimize.brentq(excess, max(probability, 1e-12), 1.0 - 1e-12))
    return low, high
