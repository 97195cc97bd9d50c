"""The constraints of a campaign once some of its periods are over."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.optimum.constraints import Condition, Constraints


def constraints_after(constraints: Constraints, spend: FloatArray) -> Constraints | None:
    """
    What the periods to come have to keep to, once ``spend``, shape (k, N), is spent in the first k.

    Conditions on those alone are over, kept or not; of the others, what is spent counts.
    """
    over = len(spend)
    conditions = []
    for condition in constraints.conditions:
        weights = condition.weights[:, over:]
        left = np.flatnonzero(weights.any(axis=(1, 2)))
        if not len(left):
            continue
        counted = np.einsum("mtn,tn->m", condition.weights[left, :over], spend)
        conditions.append(
            Condition(
                condition.name + (" (with what is spent)" if counted.any() else ""),
                weights[left],
                condition.least[left] - counted,
                condition.most[left] - counted,
                tuple(condition.when[line] for line in left) if condition.when else (),
            )
        )
    buys = constraints.smallest_buy
    if buys is not None and np.ndim(buys) == 2:
        buys = buys[over:]
    return (
        replace(constraints, conditions=tuple(conditions), smallest_buy=buys)
        if conditions or buys is not None
        else None
    )
