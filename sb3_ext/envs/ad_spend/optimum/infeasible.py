"""Which conditions contradict each other, and by how much."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array, diags_array

from sb3_ext.common.arrays import BoolArray, FloatArray, IntArray
from sb3_ext.common.wording import amount
from sb3_ext.envs.ad_spend.optimum.constraints import Condition
from sb3_ext.envs.ad_spend.optimum.linear_program import beside, eye, minimize, stacked, zeros
from sb3_ext.envs.ad_spend.optimum.polytope import Rows

_MOST_NAMED = 3
# Violations relative to the largest amount that count as none.
_NONE = 1e-7


class Infeasible(ValueError):
    """
    No plan keeps to all conditions.

    ``conditions`` are those that contradict each other, none of which could be left out, and ``missing`` is the least
    money by which a plan must break them in total.
    """

    def __init__(self, conditions: Sequence[str], missing: float) -> None:
        self.conditions, self.missing = tuple(conditions), missing
        super().__init__(
            f"no plan keeps to all conditions: these contradict each other by {amount(missing, 2)}: "
            f"{'; '.join(self.conditions)}"
        )


def explain(conditions: Sequence[Condition], shape: tuple[int, int]) -> Infeasible:
    """
    Say which of ``conditions``, which no plan of ``shape`` (N, T) keeps to, contradict each other.

    A linear program finds the least money by which all are broken together. The lines with a price in it cannot hold
    together; what is not needed for the contradiction is left out (a deletion filter).
    """
    rows = Rows(conditions)
    lines = np.append(rows.places_of_most, rows.places_of_level)
    left = stacked([rows.matrix, rows.equal])
    right = np.append(rows.most, rows.level)
    equal = np.arange(len(right)) >= len(rows.most)
    unit = max(float(np.abs(right).max(initial=0.0)), 1e-12)
    system = _Elastic(left, right / unit, equal)
    owner = np.append(rows.of_most, rows.of_level)
    # Of the lines of the conditions that have a price in it, first whole conditions are left out, then single lines.
    chosen = np.flatnonzero(np.isin(owner, owner[system.contradicting(np.arange(len(right)))]))
    for condition in np.unique(owner[chosen]):
        rest = chosen[owner[chosen] != condition]
        if system.miss(rest)[0] > _NONE:
            chosen = rest
    chosen = system.contradicting(chosen)
    for line in chosen:
        rest = chosen[chosen != line]
        if system.miss(rest)[0] > _NONE:
            chosen = rest
    return Infeasible(list(_named(conditions, owner[chosen], lines[chosen])), system.miss(chosen)[0] * unit)


def _named(conditions: Sequence[Condition], owners: IntArray, lines: IntArray) -> list[str]:
    named, first = [], np.cumsum([0, *(len(condition.weights) for condition in conditions)])
    for number in np.unique(owners):
        condition = conditions[number]
        places = np.unique(lines[owners == number]) - first[number]
        when = list(dict.fromkeys(condition.when[place] for place in places if condition.when))
        more = f" and {len(when) - _MOST_NAMED} more" if len(when) > _MOST_NAMED else ""
        named.append(f"{condition.name} ({', '.join(when[:_MOST_NAMED])}{more})" if when else condition.name)
    return named


class _Elastic:
    """Rows that may be broken at a price of 1 per unit of money."""

    def __init__(self, left: csr_array, right: FloatArray, equal: BoolArray) -> None:
        self._left, self._right, self._equal = left, right, equal

    def miss(self, rows: IntArray) -> tuple[float, IntArray]:
        """How much these rows are broken by at least in total, and which of them have a price in that."""
        if not len(rows):
            return 0.0, rows
        left, right, equal = self._left[rows], self._right[rows], self._equal[rows]
        size, count = left.shape[1], len(rows)
        # Beyond the end, and for equations on this side of it too.
        upper = stacked([beside(left, -eye(count)), beside(-(diags_array(1.0 * equal) @ left), -eye(count))])
        found = minimize(
            np.append(np.zeros(size), np.ones(count)),
            upper,
            np.append(right, np.where(equal, -right, 0.0)),
            zeros(0, size + count),
            np.zeros(0),
        )
        assert found is not None
        return found.value, rows[found.on_upper.reshape(2, -1).sum(axis=0) > 1e-9]

    def contradicting(self, rows: IntArray) -> IntArray:
        """Those with a price, which cannot hold together; all, where rounding left a price out."""
        priced = self.miss(rows)[1]
        return priced if self.miss(priced)[0] > _NONE else rows
