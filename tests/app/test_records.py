import csv
import math
from pathlib import Path

from sb3_ext.app.records import write_records


def test_records_hold_numbers_as_they_are_and_nothing_for_what_is_unknown(tmp_path: Path) -> None:
    write_records([{"name": "a,b", "x": 0.1 + 0.2, "y": math.nan, "z": None}], tmp_path / "new" / "raw.csv")
    with (tmp_path / "new" / "raw.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["name", "x", "y", "z"], ["a,b", "0.30000000000000004", "", ""]]
