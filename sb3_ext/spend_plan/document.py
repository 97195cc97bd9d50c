"""A plan as one JSON document, for scripts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from sb3_ext.app.records import read_records
from sb3_ext.spend_plan.caveats import find_caveats
from sb3_ext.spend_plan.plan import SpendPlan
from sb3_ext.spend_plan.standouts import find_standouts
from sb3_ext.spend_plan.wording import Wording

_TEXT = ("date", "channel", "group")


def plan_document(plan: SpendPlan, written: Sequence[Path], left_out: Sequence[str]) -> dict[str, Any]:
    """What the tables and sentences of the terminal tell; amounts of money are those of the CSVs."""
    words = Wording(plan)
    files = {path.name: path for path in written}
    return {
        "budget": plan.campaign.budget,
        "spend": plan.total,
        "earns": plan.score.value,
        "no_plan_earns_more_than": plan.upper_bound,
        "policy": plan.policy,
        "periods": numbers(read_records(files["plan.csv"])),
        "channels": numbers(read_records(files["channels.csv"])),
        "policies": [asdict(score) for score in plan.scores],
        "leads": [gain._asdict() for gain in plan.versus],
        "budgets": _budgets(plan),
        "prices_of_constraints": dict(plan.prices),
        "lead": words.lead,
        "certificate": words.certificate,
        "notes": [note for note in (words.reaction, words.leads, *find_standouts(plan)) if note],
        "warnings": list(find_caveats(plan)),
        "written": [str(path) for path in written],
        "left_out": list(left_out),
    }


def _budgets(plan: SpendPlan) -> list[dict[str, Any]]:
    """What other budgets would earn; empty where that is not known."""
    found, names = plan.frontier, plan.campaign.market.names
    if found is None:
        return []
    columns = {"budget": found.budget, "earns": found.value, "no_plan_earns_more_than": found.upper_bound}
    columns |= {f"spend_{name}": spend for name, spend in zip(names, found.spend.T, strict=True)}
    rows = np.column_stack(list(columns.values())).tolist()
    return [dict(zip(columns, row, strict=True)) for row in rows]


def numbers(records: Iterable[dict[str, str]]) -> list[dict[str, Any]]:
    """Records of a CSV with their numbers read; None for an empty cell."""
    return [
        {name: cell if name in _TEXT else float(cell) if cell else None for name, cell in record.items()}
        for record in records
    ]
