"""Plans in whole cents that keep to conditions."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from sb3_ext.common.arrays import FloatArray, IntArray
from sb3_ext.envs.ad_spend.optimum.constraints import Condition, Constraints
from sb3_ext.envs.ad_spend.optimum.linear_program import beside, eye, stacked, zeros
from sb3_ext.spend_plan.cents import Cents, ceil_cents, floor_cents, round_plan

# What a line with shares or percentages may miss, cents: few amounts are divided without a remainder.
_MISS = 1.0
_PENALTY, _SECONDS = 1e4, 20.0


def keeps(cents: Cents, constraints: Constraints | None) -> bool:
    """Whether a plan, shape (T, N), keeps to all: to the cent, lines with shares or percentages within a cent."""
    if constraints is None:
        return True
    buys = constraints.buys(cents.shape)
    if buys is not None and np.any((cents > 0) & (cents < np.floor(buys * 100.0 + 1e-6))):
        return False
    for condition in constraints.conditions:
        least, most = _ends(condition)
        lines = np.tensordot(condition.weights, cents.astype(np.float64), axes=2)
        if np.any((lines < least - 1e-6) | (lines > most + 1e-6)):
            return False
    return True


def _ends(condition: Condition) -> tuple[FloatArray, FloatArray]:
    """Ends of the lines in cents: whole ones where all weights are."""
    whole = np.all(condition.weights == np.round(condition.weights), axis=(1, 2))
    least, most = condition.least * 100.0, condition.most * 100.0
    exact = whole & (least == most) & ~np.isclose(most, np.round(most), rtol=0.0, atol=1e-6)
    # What is to be exactly an amount that is no whole number of cents can only be near it.
    slack = np.where(whole & ~exact, 0.0, _MISS)
    return (
        np.where(slack > 0.0, least - slack, np.ceil(least - 1e-6)),
        np.where(slack > 0.0, most + slack, np.floor(most + 1e-6)),
    )


def round_within(
    spend: FloatArray, budget: float, low: FloatArray, cap: FloatArray, constraints: Constraints | None
) -> Cents:
    """
    Round a plan of shape (T, N), money, to cents so that it keeps to what it kept to before.

    Where rounding down and up again breaks a condition, a mixed-integer program moves the amounts by the least cents.
    """
    cents = round_plan(spend, budget, low, cap)
    if constraints is None or keeps(cents, constraints):
        return cents
    exact, size = (spend * 100.0).ravel(), spend.size
    lowest = np.broadcast_to([ceil_cents(amount) for amount in low], spend.shape).ravel()
    highest = np.broadcast_to([floor_cents(amount) for amount in cap], spend.shape).ravel()
    buys = constraints.buys(spend.shape)
    if buys is not None:
        buy = np.ceil(buys.ravel() * 100.0 - 1e-6)
        on = exact >= 0.5 * buy
        lowest, highest = np.where(on, np.maximum(lowest, buy), lowest), np.where(on, highest, 0)
    least = np.clip(np.floor(exact) - 2.0, lowest, highest)
    most = np.clip(np.ceil(exact) + 2.0, lowest, highest)
    weights = np.concatenate([np.ones((1, *spend.shape)), *(each.weights for each in constraints.conditions)])
    ends = [(np.array([-np.inf]), np.array([float(floor_cents(budget))])), *map(_ends, constraints.conditions)]
    lines = weights.reshape(len(weights), size)
    down, up = (np.concatenate([end[number] for end in ends]) for number in (0, 1))
    count = len(lines)
    # Cents, how far each is from its amount, and by how much a line is broken, which costs most.
    limits: Any = [
        LinearConstraint(beside(lines, zeros(count, size), eye(count)), down, np.inf),
        LinearConstraint(beside(lines, zeros(count, size), -eye(count)), -np.inf, up),
        LinearConstraint(
            stacked(
                [beside(eye(size), -eye(size), zeros(size, count)), beside(-eye(size), -eye(size), zeros(size, count))]
            ),
            -np.inf,
            np.append(exact, -exact),
        ),
    ]
    bounds = Bounds(
        np.concatenate([least, np.zeros(size + count)]), np.concatenate([most, np.full(size + count, np.inf)])
    )
    cost = np.concatenate([np.zeros(size), np.ones(size), np.full(count, _PENALTY)])
    options: Any = {"time_limit": _SECONDS, "mip_rel_gap": 0.05}
    kinds = np.concatenate([np.ones(size), np.zeros(size + count)])
    found = milp(cost, integrality=kinds, bounds=bounds, constraints=limits, options=options)
    if found.x is None:
        return cents
    rounded: IntArray = np.round(found.x[:size]).astype(np.int64).reshape(spend.shape)
    return rounded
