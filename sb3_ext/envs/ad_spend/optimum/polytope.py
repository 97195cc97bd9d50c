"""The plans that keep to bounds, a budget and any other linear conditions."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import numpy as np
from scipy.linalg import block_diag, cho_factor, cho_solve, qr
from scipy.sparse import csr_array, diags_array

from sb3_ext.common.arrays import BoolArray, FloatArray
from sb3_ext.envs.ad_spend.optimum.constraints import Condition
from sb3_ext.envs.ad_spend.optimum.linear_program import beside, eye, minimize, stacked, zeros
from sb3_ext.envs.ad_spend.optimum.uncertain import Earning, Lowest

# Slack of a condition, relative to the spends' scale: multiples of a plan up to the one make slacks of 1 of all that
# leave room; those that stay below the other leave none.
_MOST_SCALING, _NO_SLACK = 1e4, 1e-5


class Unreachable(Exception):
    """No plan keeps to all conditions."""


class Rows:
    """
    Conditions as ``matrix @ x <= most`` and ``equal @ x == level``, for spends x of shape (N, T), flattened.

    ``of_most`` and ``of_level`` number each row's condition; ``sides`` are 1 for upper ends in ``most``, -1 for lower.
    """

    def __init__(self, conditions: Sequence[Condition]) -> None:
        weights = np.concatenate([condition.weights for condition in conditions])
        flat = csr_array(weights.swapaxes(1, 2).reshape(len(weights), -1))
        least, most = (np.concatenate([getattr(each, end) for each in conditions]) for end in ("least", "most"))
        owner = np.repeat(np.arange(len(conditions)), [len(condition.weights) for condition in conditions])
        fixed = least == most
        above, below = np.flatnonzero(~fixed & np.isfinite(most)), np.flatnonzero(~fixed & np.isfinite(least))
        equal = np.flatnonzero(fixed)
        self.matrix, self.most = stacked([flat[above], -flat[below]]), np.append(most[above], -least[below])
        self.equal, self.level = flat[equal], most[equal]
        self.of_most, self.of_level = np.append(owner[above], owner[below]), owner[equal]
        self.sides = np.repeat([1.0, -1.0], [len(above), len(below)])
        self.places_of_most, self.places_of_level = np.append(above, below), equal

    def within(self, low: FloatArray, cap: FloatArray) -> tuple[FloatArray, FloatArray, Rows]:
        """Bounds of shape (N, T) that hold what the rows say of single spends as well, and the other rows."""
        shape, low, cap = low.shape, low.ravel().copy(), cap.ravel().copy()
        rest = copy(self)
        single = np.diff(self.matrix.indptr) == 1
        places, factors = self.matrix[np.flatnonzero(single)].indices, self.matrix[np.flatnonzero(single)].data
        ends = self.most[single] / factors
        np.minimum.at(cap, places[factors > 0.0], ends[factors > 0.0])
        np.maximum.at(low, places[factors < 0.0], ends[factors < 0.0])
        rest.matrix, rest.most, rest.of_most = (
            self.matrix[np.flatnonzero(~single)],
            self.most[~single],
            self.of_most[~single],
        )
        single = np.diff(self.equal.indptr) == 1
        places = self.equal[np.flatnonzero(single)].indices
        level = self.level[single] / self.equal[np.flatnonzero(single)].data
        np.minimum.at(cap, places, level)
        np.maximum.at(low, places, level)
        rest.equal, rest.level, rest.of_level = (
            self.equal[np.flatnonzero(~single)],
            self.level[~single],
            self.of_level[~single],
        )
        return low.reshape(shape), cap.reshape(shape), rest

    def maximum(self, gradient: FloatArray, low: FloatArray, cap: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        """
        An upper bound on ``<gradient, s>`` over all plans s, tight but for rounding, with the prices of the rows that
        prove it: of ``matrix`` and of ``equal``. All arrays have the shape (N, T).
        """
        scale, g = max(float(np.abs(gradient).max()), 1e-300), gradient.ravel()
        size = max(float(cap.max()), 1e-300)
        ends = low.ravel() / size, cap.ravel() / size
        found = minimize(-g / scale, self.matrix, self.most / size, self.equal, self.level / size, *ends)
        if found is None:
            return self._dual(g, low, cap, np.zeros(len(self.most)), np.zeros(len(self.level)))
        return self._dual(g, low, cap, found.on_upper * scale, found.on_equal * scale)

    def _dual(
        self, g: FloatArray, low: FloatArray, cap: FloatArray, on_most: FloatArray, on_level: FloatArray
    ) -> tuple[float, FloatArray, FloatArray]:
        """By weak duality a bound at any prices >= 0, exact or not."""
        left = g - self.matrix.T @ on_most - self.equal.T @ on_level
        best = np.maximum(left * low.ravel(), left * cap.ravel()).sum()
        return float(on_most @ self.most + on_level @ self.level + best), on_most, on_level


class ConstrainedPolytope:
    """
    The feasible plans of :func:`~sb3_ext.envs.ad_spend.optimum.barrier.maximize` under linear conditions, whose budget
    is one of them. Bounds of shape (N, T), money. Conditions that leave no room count as equations.

    :raises Unreachable: If no plan keeps to all.
    """

    def __init__(self, low: FloatArray, cap: FloatArray, budget: float, rows: Rows) -> None:
        self.low, self.cap, self.budget, self.rows = low, cap, budget, rows
        self._scale = max(float(np.median(cap)), 1e-3 * float(cap.max()), 1e-9)
        self.center, fixed, tight = self._inside()
        self._free = np.flatnonzero(~fixed)
        loose = np.flatnonzero(~tight)
        held = np.where(fixed, self.center.ravel(), 0.0)
        self._matrix = rows.matrix[loose][:, self._free].toarray()
        self._most = rows.most[loose] - rows.matrix[loose] @ held
        equal = stacked([rows.equal, rows.matrix[np.flatnonzero(tight)]])
        level = np.append(rows.level, rows.most[tight]) - equal @ held
        self._equal, self._level = _independent(equal[:, self._free].toarray(), level)
        self.n_constraints = 2 * len(self._free) + len(loose)

    @property
    def is_single(self) -> bool:
        """Whether one plan alone keeps to all: the center."""
        return not self._free.size

    def _inside(self) -> tuple[FloatArray, BoolArray, BoolArray]:
        """
        A plan well inside, shape (N, T), and which spends, shape (N * T,), and rows leave no room. These leave none in
        any multiple alpha >= 1 of a plan in which every other has a slack of 1 (Freund, Roundy & Todd, 1985).
        """
        rows, size = self.rows, self.low.size
        low, cap = self.low.ravel() / self._scale, self.cap.ravel() / self._scale
        norms = np.ones(len(rows.most))
        if len(norms):
            norms = np.maximum(abs(rows.matrix).max(axis=1).toarray().ravel(), 1e-12)
        matrix, most = diags_array(1.0 / norms) @ rows.matrix, rows.most / norms / self._scale
        m = len(most)
        left = stacked([-eye(size), eye(size), matrix])
        right = np.concatenate([-low, cap, most])
        level = rows.level / self._scale
        found = minimize(
            np.concatenate([np.zeros(size + 1), -np.ones(len(right))]),
            beside(left, -right[:, None], eye(len(right))),
            np.zeros(len(right)),
            beside(rows.equal, -level[:, None], zeros(len(level), len(right))),
            np.zeros(len(level)),
            np.concatenate([np.full(size, -np.inf), [1.0], np.zeros(len(right))]),
            np.concatenate([np.full(size, np.inf), [_MOST_SCALING], np.ones(len(right))]),
        )
        if found is None:
            raise Unreachable
        tight = found.x[size + 1 :] < _NO_SLACK
        fixed, held = tight[:size] | tight[size : 2 * size], np.flatnonzero(tight[2 * size :])
        plan = np.clip(found.x[:size] / found.x[size], low, cap)
        # Of the rest, a plan with more room: the smallest slack, or half of a range, is largest.
        loose = np.flatnonzero(~np.concatenate([fixed, fixed, tight[2 * size :]]))
        width = np.minimum(np.concatenate([cap - low, cap - low, np.ones(m)]), 1.0)
        roomy = minimize(
            np.append(np.zeros(size), -1.0),
            beside(left[loose], width[loose, None]),
            right[loose],
            beside(stacked([rows.equal, matrix[held]]), zeros(len(level) + len(held), 1)),
            np.append(level, most[held]),
            np.append(np.where(fixed, plan, -np.inf), 0.0),
            np.append(np.where(fixed, plan, np.inf), 1.0),
        )
        if roomy is not None and roomy.x[-1] > 0.0:
            plan = 0.99 * roomy.x[:-1] + 0.01 * plan
        return plan.reshape(self.low.shape) * self._scale, fixed, tight[2 * size :]

    def _slacks(self, spend: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Of the lower bounds, the upper bounds and the rows, those that leave room."""
        x = spend.ravel()[self._free]
        low, cap = self.low.ravel()[self._free], self.cap.ravel()[self._free]
        return x - low, cap - x, self._most - self._matrix @ x

    def barrier(self, spend: FloatArray) -> float:
        """See :class:`Feasible`."""
        slacks = self._slacks(spend)
        if any(np.any(slack <= 0.0) for slack in slacks):
            return -np.inf
        return float(sum(np.log(slack).sum() for slack in slacks))

    def slope(self, spend: FloatArray) -> FloatArray:
        """See :class:`Feasible`."""
        above, below, room = self._slacks(spend)
        return self._whole(1.0 / above - 1.0 / below - self._matrix.T @ (1.0 / room))

    def direction(self, objective: Earning, spend: FloatArray, gradient: FloatArray, weight: float) -> FloatArray:
        """See :class:`Feasible`: a dense system, in which risk and conditions couple all spends."""
        above, below, room = self._slacks(spend)
        system = block_diag(*objective.curvature(spend))[np.ix_(self._free, self._free)]
        if isinstance(objective, Lowest):
            spread = objective.spread(spend)[:, self._free]
            system += spread.T @ spread
        system[np.diag_indices_from(system)] += weight * (above**-2 + below**-2)
        scaled = self._matrix / room[:, None]
        system += weight * (scaled.T @ scaled)
        factor = cho_factor(system, overwrite_a=True)
        right = gradient.ravel()[self._free]
        along = cho_solve(factor, right)
        if len(self._equal):
            across = cho_solve(factor, self._equal.T)
            missing = self._level - self._equal @ spend.ravel()[self._free]
            along -= across @ np.linalg.solve(self._equal @ across, self._equal @ along - missing)
        return self._whole(along)

    def gap(self, spend: FloatArray, gradient: FloatArray) -> float:
        """See :class:`Feasible`; the maximum is a linear program, whose dual bounds it whatever the solver's errors."""
        bound, *_ = self.rows.maximum(gradient, self.low, self.cap)
        return bound - float((gradient * spend).sum())

    def nearest(self, spend: FloatArray) -> FloatArray:
        """A plan that keeps to all, by the least money away from any, both of shape (N, T)."""
        size, rows, target = spend.size, self.rows, spend.ravel() / self._scale
        found = minimize(
            np.append(np.zeros(size), np.ones(size)),
            stacked(
                [
                    beside(eye(size), -eye(size)),
                    beside(-eye(size), -eye(size)),
                    beside(rows.matrix, zeros(len(rows.most), size)),
                ]
            ),
            np.concatenate([target, -target, rows.most / self._scale]),
            beside(rows.equal, zeros(len(rows.level), size)),
            rows.level / self._scale,
            np.append(self.low / self._scale, np.zeros(size)),
            np.append(self.cap / self._scale, np.full(size, np.inf)),
        )
        if found is None:
            return self.center
        return np.clip(found.x[:size].reshape(spend.shape) * self._scale, self.low, self.cap)

    def _whole(self, free: FloatArray) -> FloatArray:
        whole: FloatArray = np.zeros(self.low.size)
        whole[self._free] = free
        return whole.reshape(self.low.shape)


def _independent(equal: FloatArray, level: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Rows of a consistent system that say all of it."""
    if not len(equal):
        return equal, level
    _, triangle, order = qr(equal.T, mode="economic", pivoting=True)
    diagonal = np.abs(np.diag(triangle))
    chosen = order[: len(diagonal)][diagonal > 1e-9 * max(float(diagonal.max(initial=0.0)), 1e-300)]
    return equal[chosen], level[chosen]
