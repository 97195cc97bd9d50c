"""The Q-values of the three-state chapter, as they were measured."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

from docs.formats import Span
from sb3_ext.evaluation.statistics import iqm

Pair: TypeAlias = tuple[int, int]
"""State and action."""


class OverSeeds(NamedTuple):
    """A Q-value of several trainings."""

    iqm: float
    interval: Span
    """From the lowest to the highest."""


class QValues:
    """
    Exact and learned Q-values.

    :param path: CSV file
    """

    def __init__(self, path: Path) -> None:
        tables: dict[str, dict[str, dict[Pair, float]]] = {}
        with path.open(newline="", encoding="utf-8") as file:
            for line in csv.DictReader(file):
                table = tables.setdefault(line["method"], {}).setdefault(line["training_seed"], {})
                table[int(line["state"]), int(line["action"])] = float(line["q_value"])
        (self.exact,) = tables.pop("exact").values()
        """By state and action."""
        self.learned = {
            method: {pair: _over_seeds([table[pair] for table in seeds.values()]) for pair in self.exact}
            for method, seeds in tables.items()
        }
        """By method, state and action."""
        self.best_plans = {
            method: f"{sum(_plan(table) == _plan(self.exact) for table in seeds.values())} of {len(seeds)}"
            for method, seeds in tables.items()
        }
        """By method: how many trainings found the best action of every state, and of how many."""


def _over_seeds(values: list[float]) -> OverSeeds:
    return OverSeeds(float(iqm(values)), Span(min(values), max(values)))


def _plan(values: Mapping[Pair, float]) -> dict[int, int]:
    """The best action of every state."""
    return dict(sorted(values, key=lambda pair: (values[pair], pair)))
