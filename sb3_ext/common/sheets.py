"""Tables as people keep them, in CSV and Excel files, as rows of cells with the places they come from."""

from __future__ import annotations

import codecs
import csv
import os
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

from sb3_ext.common.amounts import decimal_sign, read_amounts

Cell = str | float | date | datetime
"""Text without blanks around it (empty: nothing), a number, or a day."""

EXCEL_SUFFIXES = (".xlsx", ".xlsm")
CSV_SUFFIXES = (".csv", ".tsv", ".txt")
_SEPARATORS = ";\t|,"
_MOST_ROWS = 200_000
_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


class Row(NamedTuple):
    """A row that is not empty."""

    place: str
    """Where it stands, such as ``line 7``."""
    cells: Sequence[Cell]

    def cell(self, column: int) -> Cell:
        """What stands in a column, or an empty text."""
        return self.cells[column] if column < len(self.cells) else ""


class Sheet(NamedTuple):
    """The rows of a file."""

    rows: Sequence[Row]
    separator: str
    """Of a CSV; empty for Excel."""
    notes: Sequence[str]
    """What was decided while it was read, a line each."""

    def amounts(
        self, rows: Sequence[Row], columns: Sequence[int], names: Sequence[str], factors: Collection[str] = ()
    ) -> list[list[float | None]]:
        """
        The numbers of some columns; None where a cell is empty.

        :param rows: The rows below the titles.
        :param columns: Where the columns are.
        :param names: What to call them in errors.
        :param factors: Names of those that hold shares or factors, see :func:`~sb3_ext.common.amounts.read_amount`.
        :return: A list for every column.
        :raises ValueError: If a cell is no number, or a column can be read in two ways; with its place.
        """
        cells = [[row.cell(column) for row in rows] for column in columns]
        texts = [[cell for cell in column if isinstance(cell, str) and cell] for column in cells]
        found: list[list[float | None]] = []
        for index, (column, name) in enumerate(zip(cells, names, strict=True)):
            others = decimal_sign([text for other, column in enumerate(texts) if other != index for text in column])
            # Spreadsheets write semicolons where the comma is the decimal sign.
            likely = others or ("," if self.separator == ";" else None)
            places = [f"{row.place}: {name}" for row in rows]
            typed = [at for at, cell in enumerate(column) if isinstance(cell, str) and cell]
            if days := [at for at, cell in enumerate(column) if isinstance(cell, date)]:
                raise ValueError(f"{places[days[0]]} must be a number, got the date {column[days[0]]}")
            read = read_amounts(
                [str(column[at]) for at in typed],
                [places[at] for at in typed],
                likely=likely,
                factor=name in factors,
            )
            numbers: list[float | None] = [float(cell) if isinstance(cell, float) else None for cell in column]
            for at, number in zip(typed, read, strict=True):
                numbers[at] = number
            found.append(numbers)
        return found


def read_sheet(path: str | os.PathLike[str]) -> Sheet:
    """
    Read a CSV (any usual separator; UTF-8, UTF-16 or Windows-1252) or the only sheet of an Excel file.

    :param path: The file; Excel's end in ``.xlsx`` or ``.xlsm``.
    :return: Its rows without the empty ones.
    :raises FileNotFoundError: If there is no such file.
    :raises ValueError: If it is no such file, holds several sheets or more than 200 000 rows.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"no table at {os.fspath(path)!r}")
    if file.suffix.lower() == ".xls":
        raise ValueError("an Excel file of the old kind (.xls): save it as .xlsx or CSV")
    sheet = _read_excel(file) if file.suffix.lower() in EXCEL_SUFFIXES else _read_csv(file)
    if len(sheet.rows) > _MOST_ROWS:
        raise ValueError(f"{len(sheet.rows)} rows: at most {_MOST_ROWS} are read")
    return sheet


def _read_csv(file: Path) -> Sheet:
    data = file.read_bytes()
    encoding = next((name for bom, name in _BOMS.items() if data.startswith(bom)), "utf-8")
    notes = []
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        # What Excel writes as "CSV" in Western Europe and America.
        text = data.decode("cp1252", errors="replace")
        notes.append("the file is not UTF-8: its letters were read as Windows-1252")
    if "\0" in text:
        raise ValueError("not a text file: save it as CSV UTF-8")
    lines = text.splitlines()
    parsed = {separator: _parse(lines, separator) for separator in _SEPARATORS}

    def fit(separator: str) -> int:
        """How many rows have as many cells as most."""
        widths = Counter(len(cells) for _, cells in parsed[separator] if len(cells) > 1)
        return max(widths.values(), default=0)

    separator = max(_SEPARATORS, key=fit)
    rows = [Row(f"line {line}", [cell.strip() for cell in cells]) for line, cells in parsed[separator]]
    return Sheet([row for row in rows if any(row.cells)], separator, notes)


def _parse(lines: list[str], separator: str) -> list[tuple[int, list[str]]]:
    reader = csv.reader(lines, delimiter=separator)
    try:
        return [(reader.line_num, cells) for cells in reader]
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: not a CSV ({error})") from error


def _read_excel(file: Path) -> Sheet:
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = openpyxl.load_workbook(file, read_only=True, data_only=True)
        sheets = {
            sheet.title: [
                row
                for number, values in enumerate(sheet.iter_rows(values_only=True), 1)
                if any((row := Row(f"row {number}", [_cell(value) for value in values])).cells)
            ]
            for sheet in book.worksheets
        }
        book.close()
    except (InvalidFileException, BadZipFile, KeyError, ValueError, EOFError, OSError) as error:
        raise ValueError(f"not an Excel file that can be read ({error}): save it as CSV") from error
    filled = {title: rows for title, rows in sheets.items() if rows}
    if len(filled) != 1:
        raise ValueError(f"{len(filled)} sheets hold something ({', '.join(filled)}): leave the one to read")
    return Sheet(next(iter(filled.values())), "", [])


def _cell(value: object) -> Cell:
    if isinstance(value, bool) or value is None:
        return "" if value is None else str(value)
    if isinstance(value, (int, float)):
        return float(value)
    return value if isinstance(value, date) else str(value).strip()
