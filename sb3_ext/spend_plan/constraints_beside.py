"""The constraints of a group whose budget is shared, once the plans of the other groups are made."""

from __future__ import annotations

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.optimum.constraints import Condition, Constraints

BESIDE = ", with what the other groups spend"
"""Ends the name of a condition on several groups in the plan of one."""
# What a line may be missed by without being moved, money.
_ROUNDING = 1e-7


def constraints_beside(constraints: Constraints, spend: FloatArray, own: slice) -> Constraints | None:
    """
    What the channels ``own`` have to keep to where all spend as planned, shape (T, N): what others spend counts, and an
    end that the plan misses by its rounding to cents is moved there.
    """
    conditions = []
    for condition in constraints.conditions:
        weights = condition.weights[:, :, own]
        left = np.flatnonzero(weights.any(axis=(1, 2)))
        if not len(left):
            continue
        planned = np.einsum("mtn,tn->m", weights[left], spend[:, own])
        counted = np.einsum("mtn,tn->m", condition.weights[left], spend) - planned
        shared = np.count_nonzero(condition.weights[left]) > np.count_nonzero(weights)
        counted = counted if shared else np.zeros(len(left))
        least, most = condition.least[left] - counted, condition.most[left] - counted
        conditions.append(
            Condition(
                condition.name + (BESIDE if shared else ""),
                weights[left],
                np.where(planned < least - _ROUNDING, planned, least),
                np.where(planned > most + _ROUNDING, planned, most),
                tuple(condition.when[line] for line in left) if condition.when else (),
            )
        )
    buys = constraints.buys((spend.shape[0], spend.shape[1]))
    buys = None if buys is None or not buys[:, own].any() else buys[0, own]
    return Constraints(tuple(conditions), buys) if conditions or buys is not None else None
