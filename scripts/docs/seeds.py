"""The seeds that rows of results are reported on, recorded in docs/results/seeds.csv; the rules: docs/protocol.md."""

from __future__ import annotations

import datetime
import random
from pathlib import Path
from typing import NamedTuple

from docs.rows import Row
from sb3_ext.app.errors import UserError
from sb3_ext.app.records import read_records, write_records

FIRST = 1_000
"""The first reporting seed; those below are for tuning."""
_END = 10_000


class Drawn(NamedTuple):
    """A line of the record."""

    row: str
    seeds: str
    """With spaces between them."""
    drawn: str
    """The day."""
    settings: str
    """Digest of the row's settings on that day."""

    @property
    def numbers(self) -> list[int]:
        """The seeds."""
        return list(map(int, self.seeds.split()))


def read_seeds(root: Path) -> dict[str, Drawn]:
    """
    Read the record.

    :param root: the repository
    :return: lines by row
    """
    path = root / "docs" / "results" / "seeds.csv"
    return {line["row"]: Drawn(**line) for line in read_records(path)} if path.is_file() else {}


def reporting_seeds(root: Path, rows: list[Row], count: int | None = None, again: bool = False) -> dict[str, list[int]]:
    """
    Look up the seeds of rows, and draw and record those of rows that have none.

    :param root: the repository
    :param rows: the rows
    :param count: how many seeds to draw for a row, by default ten, of Ms. Pac-Man five
    :param again: whether to draw new ones for rows that have some
    :return: seeds by row
    :raises UserError: if the settings of a row changed after its seeds were drawn; nothing is recorded then
    """
    record = read_seeds(root)
    for row in rows:
        old, settings = record.get(row.name), row.settings()
        if old is None or again:
            fresh = sorted({*range(FIRST, _END)} - {*(old.numbers if old else ())})
            number = count or (5 if row.env_id.startswith("MsPacman") else 10)
            seeds = " ".join(map(str, sorted(random.SystemRandom().sample(fresh, number))))
            record[row.name] = Drawn(row.name, seeds, datetime.date.today().isoformat(), settings)
        elif old.settings != settings:
            raise UserError(
                f"{row.name}: its settings changed after its seeds were drawn on {old.drawn}, and may have been "
                "chosen by them: draw others with --new-seeds"
            )
    write_records([record[name]._asdict() for name in sorted(record)], root / "docs" / "results" / "seeds.csv")
    return {row.name: record[row.name].numbers for row in rows}
