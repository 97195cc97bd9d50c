"""What changed since the plan before, where the rest of a campaign is planned anew."""

from __future__ import annotations

from dataclasses import dataclass

from sb3_ext.app.table import Row, Table
from sb3_ext.common.arrays import FloatArray
from sb3_ext.common.wording import amount, count

COLUMNS = ("Planned", "Spent", "Over or under", "Rest before", "Rest now", "Change", "by spends", "by sales")
_SIGNED = {2, 5, 6, 7}


@dataclass(frozen=True)
class Changes:
    """By channel, shape (N,), money."""

    over: int
    """How many periods are over since the plan before."""
    planned: FloatArray
    """What that plan wanted to spend in the periods that are over since."""
    spent: FloatArray
    """What was spent in them."""
    rest_before: FloatArray
    """What it wanted to spend in the periods to come."""
    rest_as_believed: FloatArray
    """What a plan that heard nothing of the sales would spend in them."""
    rest: FloatArray
    """What the new plan spends in them."""
    notes: tuple[str, ...]
    """What actuals and sales say, a line each."""
    warnings: tuple[str, ...]
    """Reasons to doubt, a line each."""

    def rows(self) -> list[list[float]]:
        """The numbers of each channel, then their sums, by :data:`COLUMNS`."""
        by_spends, by_sales = self.rest_as_believed - self.rest_before, self.rest - self.rest_as_believed
        columns = (
            *(self.planned, self.spent, self.spent - self.planned),
            *(self.rest_before, self.rest, self.rest - self.rest_before, by_spends, by_sales),
        )
        return [*(list(map(float, row)) for row in zip(*columns, strict=True)), [float(each.sum()) for each in columns]]


def changes_table(changes: Changes, names: tuple[str, ...], unit: str, to_come: int) -> Table:
    """What was planned and spent so far, and what the rest was and is."""
    rows: list[Row] = []
    for name, numbers in zip((*names, "Total"), changes.rows(), strict=True):
        cells = [
            f"{'+' if at in _SIGNED and number > 0.5 else ''}{amount(number)}" for at, number in enumerate(numbers)
        ]
        total = len(rows) == len(names)
        rows.append(Row([name, *cells], "bold" if total else "", "total" if total else ""))
    return Table(
        f"What changed: {count(changes.over, unit)} are over since the plan, {to_come} are to come",
        ["Channel", *COLUMNS],
        rows,
        "by spends: what budget and carry-over leave after what was spent; by sales: what was learned from the sales.",
    )
