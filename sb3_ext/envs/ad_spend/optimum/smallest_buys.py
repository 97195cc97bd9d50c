"""The best plan whose spends are 0 or at least a smallest buy: outer approximation (Duran & Grossmann, 1986)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from sb3_ext.common.arrays import BoolArray, FloatArray
from sb3_ext.envs.ad_spend.optimum.aim import Aim
from sb3_ext.envs.ad_spend.optimum.linear_program import beside, eye, zeros
from sb3_ext.envs.ad_spend.optimum.polytope import ConstrainedPolytope, Rows, Unreachable
from sb3_ext.envs.ad_spend.optimum.search import Found, search
from sb3_ext.envs.ad_spend.optimum.uncertain import Lowest

# Pulses that are tried, in smallest buys, and the precision at which they are compared.
_LEVELS, _COARSE = (1.0, 1.15, 1.35, 1.6, 2.0), 1e-3
# Few spends can be decided exactly; the programs of many are stopped early, by nodes so that every run is alike.
_NODES, _LEAST_ROUNDS, _MOST_ROUNDS, _WORK = 1000, 3, 60, 500


def search_buys(
    aim: Aim,
    low: FloatArray,
    cap: FloatArray,
    budget: float,
    rows: Rows,
    smallest_buy: FloatArray,
    pulses: Sequence[FloatArray],
    tolerance: float,
) -> Found:
    """
    The best plan without the smallest buys says how much a channel spends: pulses of the smallest buy or more, as dense
    as these spends, give first choices of which spends are on, channel by channel. Then take turns: a mixed-integer
    linear program over planes above the concave relaxation says which are on, and bounds what any choice can earn; the
    best plan with those on gives a plan and the next plane. All spends have the shape (N, T).
    """
    chosen = _Choice(low, cap, rows, smallest_buy)
    relaxed = search(aim, ConstrainedPolytope(np.where(chosen.free, 0.0, low), cap, budget, rows), pulses, tolerance)
    chosen.add_plane(aim, relaxed.spend)
    seen: dict[bytes, Found | None] = {}

    def plan(on: BoolArray, precision: float) -> Found | None:
        """The best plan with some spends on, to a precision; None where there is none."""
        lowest = np.where(chosen.free, np.where(on, np.maximum(smallest_buy, low), 0.0), low)
        highest = np.where(chosen.free & ~on, 0.0, cap)
        if np.any(lowest > highest):
            return None
        try:
            return search(aim, ConstrainedPolytope(lowest, highest, budget, rows), pulses, precision)
        except Unreachable:
            return None

    upper_bound, best, best_on = relaxed.upper_bound, None, relaxed.spend >= 0.5 * smallest_buy
    for channel in [*np.flatnonzero(chosen.free.any(axis=1))] * 2:
        for level in _LEVELS:
            on = best_on.copy()
            on[channel] = _pulses(relaxed.spend[channel], level * float(smallest_buy[channel].max()))
            if on.tobytes() not in seen:
                found = seen[on.tobytes()] = plan(on, max(tolerance, _COARSE))
                if found is not None and (best is None or found.gain > best.gain):
                    best, best_on = found, on
    for number in range(min(max(_WORK // int(chosen.free.sum()), _LEAST_ROUNDS), _MOST_ROUNDS)):
        on, bound = (best_on, upper_bound) if number == 0 and best is not None else chosen.best()
        upper_bound = min(upper_bound, bound)
        found = plan(on, tolerance)
        if found is not None:
            chosen.add_plane(aim, found.spend)
            if best is None or found.gain > best.gain:
                best = found
        if best is not None and upper_bound - best.gain <= tolerance * abs(best.gain):
            break
    if best is None:
        raise Unreachable
    return best._replace(upper_bound=max(upper_bound, best.gain))


def _pulses(spend: FloatArray, level: float) -> BoolArray:
    """Which periods are on if pulses of ``level`` follow a channel's spends, shape (T,), as closely as they can."""
    pulses = np.floor(np.cumsum(spend) / max(level, 1e-300) + 0.5)
    return np.asarray(np.diff(pulses, prepend=0.0) > 0.0)


class _Choice:
    """Which spends are on: a program over spends, on and off, and what they earn at most."""

    def __init__(self, low: FloatArray, cap: FloatArray, rows: Rows, smallest_buy: FloatArray) -> None:
        self.free: BoolArray = (smallest_buy > 0.0) & (low < smallest_buy)
        if np.any(self.free & (low > 0.0) & (cap < smallest_buy)):
            raise Unreachable
        self._shape, size, self._unit = low.shape, low.size, max(float(np.median(cap)), 1e-3 * float(cap.max()), 1e-9)
        self._rows, unit = rows, self._unit
        buy, most = np.minimum(smallest_buy, cap * (1.0 + 1e-9)).ravel() / unit, cap.ravel() / unit
        never = smallest_buy.ravel() > cap.ravel()
        is_free = self.free.ravel()
        least_on = np.where(is_free & ~never, buy, low.ravel() / unit)
        nothing = zeros(size, 1)
        self._limits = [
            LinearConstraint(beside(eye(size), -np.diag(least_on), nothing), 0.0, np.inf),
            LinearConstraint(beside(eye(size), -np.diag(most), nothing), -np.inf, 0.0),
        ]
        if len(rows.most):
            self._limits.append(
                LinearConstraint(beside(rows.matrix, zeros(len(rows.most), size + 1)), -np.inf, rows.most / unit)
            )
        if len(rows.level):
            level = rows.level / unit
            self._limits.append(LinearConstraint(beside(rows.equal, zeros(len(level), size + 1)), level, level))
        must = ~is_free | (low.ravel() > 0.0)
        self._bounds = Bounds(
            np.concatenate([np.zeros(size), np.where(must, 1.0, 0.0), [-np.inf]]),
            np.concatenate([most, np.where(is_free & never, 0.0, 1.0), [np.inf]]),
        )
        self._planes: list[FloatArray] = []
        self._levels: list[float] = []
        self._scale = 1.0

    def add_plane(self, aim: Aim, spend: FloatArray) -> None:
        """Bound what plans earn by the tangent of the relaxation at one of them."""
        gradient = aim.relaxation.gradient(spend).ravel()
        level = aim.bound(spend)
        if isinstance(aim.relaxation, Lowest):
            level += aim.relaxation.above(spend)
        self._scale = max(self._scale, abs(level))
        self._planes.append(gradient)
        self._levels.append(level - float(gradient @ spend.ravel()))

    def best(self) -> tuple[BoolArray, float]:
        """The spends that are on in the plan that earns most below all planes, and a bound on what any plan earns."""
        size, scale = int(np.prod(self._shape)), self._scale
        planes = np.column_stack(
            [
                -np.array(self._planes) * self._unit / scale,
                np.zeros((len(self._planes), size)),
                np.ones(len(self._planes)),
            ]
        )
        limits = [*self._limits, LinearConstraint(planes, -np.inf, np.array(self._levels) / scale)]
        cost = np.append(np.zeros(2 * size), -1.0)
        kinds = np.concatenate([np.zeros(size), np.ones(size), [0.0]])
        options: Any = {"node_limit": _NODES, "mip_rel_gap": 1e-5}
        found = milp(cost, integrality=kinds, bounds=self._bounds, constraints=limits, options=options)
        if found.x is None:
            raise Unreachable
        return (found.x[size : 2 * size] > 0.5).reshape(self._shape), -float(found.mip_dual_bound) * scale
