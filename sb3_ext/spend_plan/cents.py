"""Spend plans in whole cents."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import numpy as np
import numpy.typing as npt

from sb3_ext.common.arrays import FloatArray

Cents = npt.NDArray[np.int64]

_TRIFLE = 1e-5


def floor_cents(amount: float) -> int:
    """An amount of money in whole cents, rounded down; exact for any float, as its decimal digits read."""
    return int((Decimal(repr(float(amount))) * 100).to_integral_value(ROUND_FLOOR))


def ceil_cents(amount: float) -> int:
    """An amount of money in whole cents, rounded up."""
    return int((Decimal(repr(float(amount))) * 100).to_integral_value(ROUND_CEILING))


def round_plan(spend: FloatArray, budget: float, low: FloatArray, cap: FloatArray) -> Cents:
    """
    Round spend of shape (T, N), money, down to cents, then the largest remainders up: within budget and caps.

    The smallest spends are kept wherever the budget in cents allows.
    """
    lowest = np.array([ceil_cents(amount) for amount in low], dtype=np.int64)
    highest = np.array([floor_cents(amount) for amount in cap], dtype=np.int64)
    exact = _without_trifles(spend, low, cap) * 100.0
    cents = np.clip(np.floor(exact).astype(np.int64), np.minimum(lowest, highest), highest)
    # The sum of a plan that uses up its budget may miss it by a rounding error.
    total = min(floor_cents(budget), round(float(exact.sum()) + 1e-9 * budget * 100.0))
    spare = total - int(cents.sum())
    if spare > 0:
        room = cents < highest
        remainders = np.where(room, exact - cents, -np.inf)
        order = np.argsort(-remainders, axis=None, kind="stable")[: min(spare, int(room.sum()))]
        cents.flat[order] += 1
    while (excess := int(cents.sum()) - floor_cents(budget)) > 0:
        above = cents - np.minimum(lowest, highest) if np.any(cents > lowest) else cents
        order = np.argsort(-above, axis=None, kind="stable")[:excess]
        cents.flat[order] -= (above.flat[order] > 0).astype(np.int64)
    return cents


def _without_trifles(spend: FloatArray, low: FloatArray, cap: FloatArray) -> FloatArray:
    """Interior-point plans hold traces of everything: move them to the spend with the most room, if it takes all."""
    trifling = (spend > 0.0) & (spend < _TRIFLE * spend.sum(axis=1).mean()) & (low == 0.0)
    cleared = np.where(trifling, 0.0, spend)
    room = np.where(cleared > 0.0, cap - cleared, 0.0)
    place = np.unravel_index(np.argmax(room), room.shape)
    traces = float(spend[trifling].sum())
    if traces > room[place]:
        return spend
    cleared[place] += traces
    return cleared


def as_money(cents: int) -> str:
    """Cents, >= 0, as an amount of money for a CSV, such as ``1234.50``."""
    return f"{cents // 100}.{cents % 100:02d}"
