import csv
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sb3_ext.app.records import read_records, write_records


def test_records_hold_numbers_as_they_are_and_nothing_for_what_is_unknown(tmp_path: Path) -> None:
    write_records([{"name": "a,b", "x": 0.1 + 0.2, "y": math.nan, "z": None}], tmp_path / "new" / "raw.csv")
    with (tmp_path / "new" / "raw.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["name", "x", "y", "z"], ["a,b", "0.30000000000000004", "", ""]]


@pytest.mark.parametrize("text", ["=1+2", "+cmd|' /C calc'!A0", "-x", "@SUM(A1)", "\t=1", "\r=1", "'=1", "''-x"])
def test_a_spreadsheet_finds_no_formula(text: str, tmp_path: Path) -> None:
    write_records([{text: text, "number": -1.5, "text": "-1.5"}], tmp_path / "raw.csv")
    with (tmp_path / "raw.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [[f"'{text}", "number", "text"], [f"'{text}", "-1.5", "-1.5"]]
    assert read_records(tmp_path / "raw.csv") == [{text: text, "number": "-1.5", "text": "-1.5"}]


@settings(max_examples=50)
@given(cells=st.lists(st.text(alphabet="'=+-@\t ab,\"1.", max_size=6), min_size=2, max_size=2))
def test_what_is_written_is_read(cells: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "cells.csv"
    records = [{"a": cells[0], "b": cells[1]}]
    write_records(records, path)
    assert read_records(path) == records
