"""
Statistics over several environments whose scores are on one scale: one list per environment, the last axis the seeds.

They return values of the shape that is left, so that they also serve ``stratified_interval``. See
Agarwal et al., Deep Reinforcement Learning at the Edge of the Statistical Precipice (2021), https://arxiv.org/abs/2108.13264
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sb3_ext.common.arrays import FloatArray
from sb3_ext.evaluation.statistics import checked_scores, iqm


def suite_iqm(strata: Sequence[npt.ArrayLike]) -> FloatArray:
    """Interquartile mean of all scores together."""
    return iqm(np.concatenate([checked_scores(scores) for scores in strata], axis=-1))


def suite_mean(strata: Sequence[npt.ArrayLike]) -> FloatArray:
    """Mean over the environments of their mean scores."""
    return np.asarray(_environment_means(strata).mean(axis=0))


def suite_median(strata: Sequence[npt.ArrayLike]) -> FloatArray:
    """Median over the environments of their mean scores."""
    return np.asarray(np.median(_environment_means(strata), axis=0))


def optimality_gap(strata: Sequence[npt.ArrayLike], ceiling: float = 1.0) -> FloatArray:
    """How far the scores are below a ceiling on average; what exceeds it counts as the ceiling."""
    return ceiling - suite_mean([np.minimum(scores, ceiling) for scores in strata])


def performance_profile(strata: Sequence[npt.ArrayLike], scores: npt.ArrayLike) -> FloatArray:
    """Share of the runs above every score, shape (..., scores), each environment weighing the same."""
    limits = checked_scores(scores)
    shares = [(checked_scores(found)[..., None, :] > limits[:, None]).mean(axis=-1) for found in strata]
    return np.asarray(np.mean(shares, axis=0))


def _environment_means(strata: Sequence[npt.ArrayLike]) -> FloatArray:
    """Mean score of every environment, shape (environments, ...)."""
    return np.stack([checked_scores(scores).mean(axis=-1) for scores in strata])
