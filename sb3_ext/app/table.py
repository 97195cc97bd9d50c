"""Tables for the terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import rich.table
from rich.console import Group
from rich.text import Text

from sb3_ext.common.wording import printable


class Row(NamedTuple):
    """A line of a table."""

    cells: Sequence[str]
    """The first one heads the row."""
    style: str = ""
    """How a terminal shows it, e.g. ``"bold cyan"``."""
    section: str = ""
    """A rule parts it from rows of another section."""
    marked: frozenset[int] = frozenset()
    """Cells that stand out, in red."""


class Table(NamedTuple):
    """Text in rows and columns. ``console.print(table)`` shows it."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Row]
    notes: str = ""
    """What the reader must know, below the table."""
    words: frozenset[int] = frozenset({0})
    """Columns that begin at the left; numbers end at the right."""

    def __rich__(self) -> Group:
        """Show it in a terminal."""
        table = rich.table.Table()
        for index, title in enumerate(self.columns):
            table.add_column(_shown(title), justify="left" if index in self.words else "right", overflow="fold")
        section = self.rows[0].section if self.rows else ""
        for row in self.rows:
            if row.section != section:
                table.add_section()
            section = row.section
            cells = (_shown(cell, "bold red" if index in row.marked else "") for index, cell in enumerate(row.cells))
            table.add_row(*cells, style=row.style)
        notes = [Text(printable(self.notes))] if self.notes else []
        return Group(Text(printable(self.title), "bold"), table, *notes)

    def markdown(self) -> str:
        """Columns and rows, without title, notes and the last line's end."""
        alignments = ["---" if index in self.words else "---:" for index in range(len(self.columns))]
        lines = [self.columns, alignments, *(row.cells for row in self.rows)]
        return "\n".join("| " + " | ".join(_line(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _line(text: str) -> str:
    """Text of a cell, which is one line."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def _shown(text: str, style: str = "") -> Text:
    return Text(_line(text), style)
