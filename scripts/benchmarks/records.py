"""The CSV of measurements: one line per case and repeat."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sb3_ext.app.errors import UserError
from sb3_ext.app.records import write_records

_NEEDED = {"section", "quantity", "setting", "threads", "name", "round", "value", "unit", "ratio", "reference"}


def read_csv(path: str | os.PathLike[str]) -> list[dict[str, str]]:
    """
    Read measurements.

    :param path: CSV file
    :return: its lines
    :raises UserError: if it cannot be read, or holds something else
    """
    try:
        with Path(path).open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            lines = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read {str(path)!r}: {getattr(error, 'strerror', None) or error}") from error
    missing = _NEEDED - set(reader.fieldnames or ())
    if missing:
        raise UserError(f"{str(path)!r} holds no measurements of this command: no column {', '.join(sorted(missing))}")
    return lines


def merge_csv(records: Sequence[dict[str, Any]], path: str | os.PathLike[str]) -> None:
    """
    Write measurements in place of those of the same sections.

    :param records: the lines, all with the same keys, at least one
    :param path: CSV file; what it holds of other sections stays
    :raises OSError: if it cannot be written
    :raises UserError: if it exists and holds something else
    """
    sections = {record["section"] for record in records}
    kept = [line for line in read_csv(path) if line["section"] not in sections] if Path(path).exists() else []
    columns = dict.fromkeys([*records[0], *(kept[0] if kept else ())])
    write_records([{name: record.get(name, "") for name in columns} for record in [*kept, *records]], Path(path))
