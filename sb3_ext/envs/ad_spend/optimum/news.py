"""What chance brings after a decision that nobody could expect: functions of it whose mean, given the past, is 0."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.campaign.scenario import Scenario
from sb3_ext.envs.ad_spend.market.randomness import Randomness

_N_LIMITS = 5
_QUANTILES = ndtri((np.arange(_N_LIMITS) + 0.5) / _N_LIMITS)


def news_after(randomness: Randomness, scenario: Scenario, period: int, periods: int) -> FloatArray:
    """
    What becomes known after the spends of a period, from 0, are decided, of n campaigns: shape (n, N, K).

    Both quantities are log-normal given the past: what a unit of media will cost in the next period, and how demand has
    changed since the last one, of which the period's own sales are the first to tell. Of each there are
    ``min(Y, q) - E[min(Y, q)]`` for some limits q, piecewise linear functions that can form any other; as the means are
    those of a limited log-normal variable they are exact.
    """
    found = []
    if scenario.uncut_shock is not None and period + 1 < periods:
        sigma, rho = randomness.price_sigma, randomness.price_persistence
        now, then = scenario.uncut_shock[period], scenario.uncut_shock[period + 1]
        limits = [*np.exp(sigma * _QUANTILES), np.inf]
        found.append(limited_news(-then, -rho * now, sigma * (1.0 - rho**2) ** 0.5, limits))
    if scenario.drift is not None and period > 0:
        sigma = randomness.drift_sigma
        change = np.log(scenario.drift[period] / scenario.drift[period - 1])
        limits = [*np.exp(sigma * _QUANTILES - sigma**2 / 2.0), np.inf]
        found.append(limited_news(change, np.full_like(change, -(sigma**2) / 2.0), sigma, limits))
    path = scenario.drift if scenario.uncut_shock is None else scenario.uncut_shock
    assert path is not None
    return np.concatenate(found, axis=-1) if found else np.zeros((*path.shape[1:], 0))


def limited_news(log: FloatArray, mean: FloatArray, deviation: float, limits: list[float]) -> FloatArray:
    """
    ``min(Y, q) - E[min(Y, q)]`` for every limit q, shape (..., K), where ``log Y`` is given and has been normal with
    that mean, shape (...), and deviation.
    """
    value, found = np.exp(log), []
    whole = np.exp(mean + deviation**2 / 2.0)
    for limit in limits:
        if np.isinf(limit):
            found.append(value - whole)
            continue
        above = (np.log(limit) - mean) / deviation
        expected = whole * ndtr(above - deviation) + limit * ndtr(-above)
        found.append(np.minimum(value, limit) - expected)
    return np.stack(found, axis=-1)
