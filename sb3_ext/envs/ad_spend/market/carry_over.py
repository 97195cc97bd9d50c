"""
Carry-over, from media bought to the adstock that sells: geometric without end, which one number per channel continues,
or a window of the last L periods, each with its weight, which holds every other kind.

To add a kind of window, write a function from its parameters, shape (...), to weights, shape (..., L), newest first.
"""

from __future__ import annotations

import numpy as np

from sb3_ext.common.arrays import FloatArray


def geometric_weights(decay: FloatArray, length: int) -> FloatArray:
    """Weights ``decay**k``, cut off: what each period leaves to the next, in [0, 1]."""
    return np.asarray(decay[..., None] ** np.arange(length))


def delayed_weights(decay: FloatArray, peak: FloatArray, length: int) -> FloatArray:
    """Weights ``decay**((k - peak)**2)``: advertising works most ``peak`` periods after it was bought."""
    return np.asarray(decay[..., None] ** (np.arange(length) - peak[..., None]) ** 2)


def binomial_weights(decay: FloatArray, length: int) -> FloatArray:
    """Weights ``(1 - k / (length + 1))**(1 / decay - 1)`` with a decay in (0, 1]."""
    return np.asarray((1.0 - np.arange(length) / (length + 1.0)) ** (1.0 / decay[..., None] - 1.0))


def weibull_density_weights(scale: FloatArray, shape: FloatArray, length: int) -> FloatArray:
    """The density of a Weibull distribution at 1 to ``length``, moved and stretched to reach from 0 to 1."""
    ratio = np.arange(1, length + 1) / scale[..., None]
    shape = shape[..., None]
    density = shape / scale[..., None] * ratio ** (shape - 1.0) * np.exp(-(ratio**shape))
    low, high = (end(density, axis=-1, keepdims=True) for end in (np.min, np.max))
    with np.errstate(invalid="ignore"):
        return np.asarray((density - low) / (high - low))


def weibull_survival_weights(scale: FloatArray, shape: FloatArray, length: int) -> FloatArray:
    """What is left after products of the survival function of a Weibull distribution: ``length + 1`` weights from 1."""
    survival = np.exp(-((np.arange(1, length + 1) / scale[..., None]) ** shape[..., None]))
    return np.cumprod(np.concatenate([np.ones((*survival.shape[:-1], 1)), survival], axis=-1), axis=-1)


def impulse(theta: FloatArray, weights: FloatArray | None, periods: int) -> FloatArray:
    """
    What a unit of media adds to the adstock of its own period and of those after it, shape (..., N, periods), by
    geometric carry-over, shape (..., N), and weights, shape (..., N, L).
    """
    lag = np.arange(periods)
    carried = np.asarray((1.0 - theta)[..., None] * theta[..., None] ** lag)
    if weights is None:
        return carried
    # A channel has either: where it has a window, theta is 0 and only the unit's own period is left of it.
    windowed = np.zeros((*weights.shape[:-1], periods))
    windowed[..., : weights.shape[-1]] = weights[..., :periods]
    return np.where(theta[..., None] > 0.0, carried, windowed)


def left_over(weights: FloatArray, window: FloatArray, periods: int) -> FloatArray:
    """
    Adstock of the coming periods from media of the past alone, shape (..., N, periods), by weights and a window of the
    last periods' media, newest first, both of shape (..., N, L).
    """
    length = weights.shape[-1]
    left = np.zeros((*np.broadcast_shapes(weights.shape, window.shape)[:-1], periods))
    for period in range(min(periods, length - 1)):
        left[..., period] = (weights[..., period + 1 :] * window[..., : length - period - 1]).sum(axis=-1)
    return left


def delays(impulse: FloatArray, periods: int) -> FloatArray:
    """
    What media of each of the first ``periods`` periods adds to every period, shape (..., N, P, periods), by an impulse
    of shape (..., N, P).
    """
    lag = np.arange(impulse.shape[-1])[:, None] - np.arange(periods)
    return np.where(lag >= 0, impulse[..., np.maximum(lag, 0)], 0.0)
