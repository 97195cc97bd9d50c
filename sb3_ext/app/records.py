"""Raw numbers as CSV files."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sb3_ext.common.files import atomic_path

_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def write_records(records: Sequence[Mapping[str, Any]], path: Path) -> None:
    """
    Write at least one record as a CSV file, whole or not at all; NaN and None become empty cells.

    Text that a spreadsheet would read as a formula gets an apostrophe before it, which :func:`read_records` takes away.
    """
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(records[0]))
        writer.writerow({name: _cell(name) for name in records[0]})
        for record in records:
            writer.writerow({name: _cell(value) for name, value in record.items()})


def read_records(path: Path) -> list[dict[str, str]]:
    """Read what :func:`write_records` wrote, as text."""
    with path.open(newline="", encoding="utf-8") as file:
        return [{_text(name): _text(cell) for name, cell in line.items()} for line in csv.DictReader(file)]


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return f"'{value}" if _FORMULA.match(value) and not _is_number(value) else value
    return "" if is_unknown(value) else value


def _text(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def is_unknown(value: object) -> bool:
    """Whether a value is None or NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))
