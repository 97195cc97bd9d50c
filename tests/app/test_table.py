import pytest
from rich.console import Console

from sb3_ext.app.console import console
from sb3_ext.app.table import Row, Table

TABLE = Table(
    "What [policies] earn, in a title that is longer than the table",
    ["policy", "a|b"],
    [Row(["even", "1"]), Row(["[bold]", "2"], marked=frozenset({1})), Row(["sum", "3"], "bold", "total")],
    "Note [1].",
)


def test_markdown() -> None:
    assert TABLE.markdown() == "| policy | a\\|b |\n| --- | ---: |\n| even | 1 |\n| [bold] | 2 |\n| sum | 3 |"


def test_columns_of_words_begin_at_the_left(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("", ["a", "number", "reason"], [Row(["x", "1", "none"])], words=frozenset({0, 2}))
    assert table.markdown().splitlines()[1] == "| --- | ---: | --- |"
    console().print(table)
    assert "│ x │      1 │ none   │" in capsys.readouterr().out


def test_terminal_shows_text_as_it_is_with_a_rule_between_sections(capsys: pytest.CaptureFixture[str]) -> None:
    console().print(TABLE)
    lines = capsys.readouterr().out.splitlines()
    assert [lines[0], lines[-1]] == [TABLE.title, TABLE.notes]
    cells = [[cell.strip() for cell in line[1:-1].split("│")] for line in lines if line.startswith("│")]
    assert cells == [["even", "1"], ["[bold]", "2"], ["sum", "3"]]
    assert [index for index, line in enumerate(lines) if line.startswith("├")] == [6]


def test_marked_cells_stand_out() -> None:
    terminal = Console(width=80, force_terminal=True, color_system="standard", markup=False)
    with terminal.capture() as capture:
        terminal.print(TABLE)
    assert capture.get().count("\x1b[1;31m") == 1


def test_a_table_without_rows_is_no_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    console().print(Table("Nothing", ["policy"], []))
    assert "policy" in capsys.readouterr().out


HOSTILE = "\x1b[31mred\x1b[0m \x07\u202e[link=x]\x9b"


def test_text_does_not_control_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    console().print(Table(HOSTILE, [HOSTILE], [Row([f"{HOSTILE}\nnext"])], HOSTILE))
    console().print(HOSTILE, style="bold")
    shown = capsys.readouterr().out
    assert shown.count("\\x1b[31mred\\x1b[0m \\x07\\u202e[link=x]\\x9b") == 5
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(shown)
    assert "\\nnext" in shown


def test_markdown_is_one_line_a_row() -> None:
    assert Table("", ["a"], [Row(["x\ny"])]).markdown().splitlines()[2:] == ["| x\\ny |"]
