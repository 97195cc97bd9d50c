"""Linear programs, by HiGHS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import optimize, sparse

from sb3_ext.common.arrays import FloatArray


class Minimum(NamedTuple):
    """The minimum of a linear program."""

    x: FloatArray
    value: float
    on_upper: FloatArray
    """Price of every inequality, >= 0: how much less the minimum is for one more unit on its right."""
    on_equal: FloatArray
    """Likewise of every equation, of any sign."""


def minimize(
    cost: FloatArray,
    upper: Any,
    most: FloatArray,
    equal: Any,
    level: FloatArray,
    low: npt.ArrayLike = 0.0,
    high: npt.ArrayLike = np.inf,
) -> Minimum | None:
    """``min <cost, x>`` where ``upper x <= most``, ``equal x == level``, ``low <= x <= high``; None without any."""
    bounds: Any = np.column_stack([np.broadcast_to(end, cost.shape) for end in (low, high)])
    equations: Any = {"A_eq": equal, "b_eq": level} if len(level) else {}
    found: Any = optimize.linprog(cost, upper, most, bounds=bounds, method="highs", **equations)
    if found.x is None:
        return None
    on_equal = -found.eqlin.marginals if len(level) else np.zeros(0)
    return Minimum(found.x, float(found.fun), np.maximum(-found.ineqlin.marginals, 0.0), on_equal)


def beside(*blocks: Any) -> Any:
    """Blocks of a sparse matrix next to each other."""
    return sparse.hstack([sparse.csr_array(block) for block in blocks], format="csr")


def stacked(blocks: Sequence[Any]) -> Any:
    """Blocks of a sparse matrix on top of each other."""
    return sparse.vstack([sparse.csr_array(block) for block in blocks], format="csr")


def zeros(rows: int, columns: int) -> Any:
    """A sparse block of zeros."""
    return sparse.csr_array((rows, columns), dtype=np.float64)


def eye(size: int) -> Any:
    """A sparse identity."""
    return sparse.eye_array(size, format="csr")
