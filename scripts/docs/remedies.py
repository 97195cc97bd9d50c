"""What remedies for a stuck actor came to, as a page shows it."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import NamedTuple

from sb3_ext.app.records import read_records

STUCK = 3.0
"""What an actor asks for before tanh, from where the slope is below 0.01."""
SETTLED = 1000
"""Steps from which on seeds are counted."""


class Remedy(NamedTuple):
    """A variant at the last evaluation, in percent of the certified optimum."""

    seeds: int
    stuck: int
    """Seeds that were stuck at any evaluation."""
    median: float
    worst: float


def read_remedies(path: Path) -> dict[str, Remedy]:
    """Read the table that `python scripts/measure.py remedies` writes; raise UserError if it is damaged."""
    lines = read_records(path)
    found = {}
    for variant in dict.fromkeys(line["variant"] for line in lines):
        rows = [line for line in lines if line["variant"] == variant]
        stuck = {
            line["seed"]
            for line in rows
            if int(line["steps"]) >= SETTLED and float(line["median_preactivation"]) > STUCK
        }
        last = max(int(line["steps"]) for line in rows)
        earned = [float(line["percent_of_optimum"]) for line in rows if int(line["steps"]) == last]
        found[variant] = Remedy(len(earned), len(stuck), statistics.median(earned), min(earned))
    return found
