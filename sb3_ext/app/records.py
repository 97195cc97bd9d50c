"""Raw numbers as CSV files."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sb3_ext.common.files import atomic_path


def write_records(records: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write at least one record as a CSV file, whole or not at all; NaN and None become empty cells."""
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(records[0]))
        writer.writeheader()
        for record in records:
            writer.writerow({key: "" if is_unknown(value) else value for key, value in record.items()})


def is_unknown(value: object) -> bool:
    """Whether a value is None or NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))
