"""Tables with the faults that people's files have: each is read right or refused in one line."""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pytest

from sb3_ext.spend_plan.actuals import Actuals, read_actuals

NAMES = ("tv", "Paid Search")
WEEKS = [date(2027, 1, 4) + timedelta(weeks=week) for week in range(6)]
SPEND = np.array([[1200.5, 300.0], [5000.0, 0.0], [2000.0, 1250.75]])
SALES = [9000.0, 9500.5, 12000.0]
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def text(content: str | Sequence[str], encoding: str = "utf-8", name: str = "actuals.csv") -> Path:
        path = tmp_path / name
        path.write_bytes((content if isinstance(content, str) else "\n".join(content)).encode(encoding))
        return path

    return text


def excel(path: Path, rows: Sequence[Sequence[Any]], merged: str = "", second: Sequence[Sequence[Any]] = ()) -> Path:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(list(row))
    if merged:
        book.active.merge_cells(merged)
    if second:
        sheet = book.create_sheet("More")
        for row in second:
            sheet.append(list(row))
    book.save(path)
    return path


def read(path: Path, names: Sequence[str] = NAMES, dates: Sequence[date] = WEEKS) -> Actuals:
    return read_actuals(path, names, dates, dates[-1] + (dates[1] - dates[0]))


def refused(path: Path, *parts: str, names: Sequence[str] = NAMES, dates: Sequence[date] = WEEKS) -> None:
    with pytest.raises(ValueError) as error:
        read(path, names, dates)
    message = str(error.value)
    assert "\n" not in message and len(message) < 500
    assert all(part in message for part in parts), message


def as_expected(actuals: Actuals, *notes: str) -> None:
    np.testing.assert_allclose(actuals.spend, SPEND)
    assert actuals.sales is not None
    np.testing.assert_allclose(actuals.sales, SALES)
    said = "\n".join(actuals.notes)
    assert all(note in said for note in notes), said


def test_a_german_export_with_titles_total_and_cents_behind_commas(write: Write) -> None:
    lines = [
        "Mediaausgaben 2027;;;",
        "erstellt am 25.01.2027;;;",
        ";;;",
        "Datum;TV (€);paid_search;Umsatz",
        "04.01.2027;1.200,50;300,00;9.000,00",
        ";;;",
        "11.01.2027;5.000;0;9.500,50",
        "18.01.2027;2.000;1.250,75;12.000",
        "Summe;8.200,50;1.550,75;30.500,50",
    ]
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "cp1252"):
        as_expected(read(write(lines, encoding)), "'TV (€)' is 'tv'", "'paid_search' is 'Paid Search'")


def test_an_american_file_in_long_form_with_dollars(write: Write) -> None:
    lines = ["Week,Channel,Spend (USD),Sales"]
    for week, spends, sales in zip(("1/4/2027", "1/11/2027", "1/18/2027"), SPEND, SALES, strict=True):
        lines += [
            f'{week},{name},"${spend:,.2f}","{sales:,.2f}"'
            for name, spend in zip(("TV", "Paid search"), spends, strict=True)
        ]
    as_expected(read(write(lines)), "'TV' is 'tv'")


def test_an_excel_file_with_dates_merged_title_empty_rows_and_weeks_to_come(tmp_path: Path) -> None:
    rows = [
        ["Spends of Q1", None, None, None],
        [None] * 4,
        ["Date", "Paid Search", "TV", "Sales"],
        *(
            [datetime(2027, 1, 4) + timedelta(weeks=week), SPEND[week, 1], SPEND[week, 0], SALES[week]]
            for week in range(3)
        ),
        [None] * 4,
        *([datetime(2027, 1, 25) + timedelta(weeks=week), None, None, None] for week in range(3)),
    ]
    as_expected(read(excel(tmp_path / "actuals.xlsx", rows, merged="A1:D1")), "'TV' is 'tv'")


def test_days_are_added_up_to_the_plans_weeks(write: Write) -> None:
    days = [WEEKS[0] + timedelta(days=day) for day in range(14)]
    lines = ["date\ttv\tPaid Search", *(f"{day}\t{10 + number}\t1" for number, day in enumerate(days))]
    actuals = read(write(lines))
    np.testing.assert_allclose(actuals.spend, [[91.0, 7.0], [140.0, 7.0]])
    assert actuals.sales is None
    refused(write(lines[:-2]), "there is no row of 2027-01-16", "for every day of it")


def test_last_years_rows_and_foreign_columns_are_left_out_and_said(write: Write) -> None:
    lines = ["date,tv,Paid Search,clicks,sales", "2026-12-28,9,9,9,9"]
    lines += [f"{day},{a},{b},7,{sold}" for day, (a, b), sold in zip(WEEKS, SPEND, SALES, strict=False)]
    as_expected(read(write(lines)), "1 rows before 2027-01-04", "left out: clicks")


def test_what_plan_csv_holds_can_be_filled_in(write: Write) -> None:
    lines = ["date,spend_tv,spend_Paid Search,spend,sales"]
    lines += [f"{day},{a},{b},{a + b},{sold}" for day, (a, b), sold in zip(WEEKS, SPEND, SALES, strict=False)]
    as_expected(read(write(lines)), "left out: spend")


def test_dates_that_the_plan_settles(write: Write) -> None:
    lines = ["date,tv,Paid Search", "04/01/2027,1,2", "11/01/2027,1,2"]
    np.testing.assert_allclose(read(write(lines)).spend, [[1.0, 2.0]] * 2)
    days = [date(2027, 1, 1) + timedelta(days=day) for day in range(60)]
    refused(write(["date,tv,Paid Search", "01/02/2027,1,2", "02/01/2027,1,2"]), "can mean", dates=days)


@pytest.mark.parametrize(
    ("lines", "parts"),
    [
        (["date,tv,Paid Search", "2027-01-04,1,2", "2027-01-18,1,2"], ["no row of 2027-01-11", "later ones"]),
        (["date,tv,Paid Search", "2027-01-04,1,2", "2027-01-04,1,2"], ["line 3", "a second spend of 'tv'"]),
        (["date,tv,Paid Search", "2027-01-04,1,-2"], ["line 2", "'Paid Search' is -2.00"]),
        (["date,tv,Paid Search", "2027-01-04,1,(2)"], ["line 2", "'Paid Search' is -2.00"]),
        (["date,tv,Paid Search", "2027-01-04,1,"], ["line 2", "no spend of 'Paid Search': write 0"]),
        (["date,tv,Paid Search", "2027-01-04,5.000,2"], ["line 2: tv", "'5.000' can mean 5000 or 5.0"]),
        (["date,tv,Paid Search", "2027-01-04,1,2", "2027-03-01,1,2"], ["line 3", "after the plan", "2027-02-15"]),
        (["date,tv,Paid Search", "2026-01-04,1,2"], ["no rows from 2027-01-04"]),
        (["date,tv,Paid Search", "2027-01-03T23:00:00Z,1,2"], ["line 2", "time of day", "time zone"]),
        (["date,tv,Paid Search", "2027-01-10,1,2"], ["no row of 2027-01-04", "2027-01-10 is none of these"]),
        (["date,tv,Paid Serch", "2027-01-04,1,2"], ["'Paid Search'", "Did you mean 'Paid Serch'?"]),
        (["date,tv,TV,Paid Search", "2027-01-04,1,2,3"], ["two columns are of channel 'tv'"]),
        (["date,channel,spend", "2027-01-04,tv,1"], ["2027-01-04 has no spend of 'Paid Search'"]),
        (["date,channel,spend", "2027-01-04,radio,1"], ["line 2", "no channel 'radio'", "tv, Paid Search"]),
        (["date,channel,spend,clicks", "2027-01-04,tv,x,3"], ["line 2: spend must be a number"]),
        (["date,channel,spend,sales", "2027-01-04,tv,1,5", "2027-01-04,Paid Search,1,6"], ["sales of 5.00 and 6.00"]),
        (["date,channel,spend,currency", "2027-01-04,tv,1,EUR", "2027-01-04,Paid Search,1,USD"], ["in one currency"]),
        (["date,tv,Paid Search", "2027-01-04,1,2", "", "date,sales", "2027-01-04,9"], ["line 4", "second table"]),
        (["date,tv,,date,Paid Search", "2027-01-04,1,,2027-01-04,2"], ["2 columns hold dates"]),
        (["tv,Paid Search", "1,2"], ["no row of titles with a column 'date'"]),
        (["date,tv,Paid Search", ",1,2"], ["line 2 has no date"]),
        ([""], ["no row of titles"]),
    ],
)
def test_faults_are_one_line_with_their_place(write: Write, lines: list[str], parts: list[str]) -> None:
    refused(write(lines), *parts)


def test_excel_faults_are_one_line(tmp_path: Path, write: Write) -> None:
    rows = [["date", "tv", "Paid Search"], [date(2027, 1, 4), 1, 2]]
    refused(excel(tmp_path / "two.xlsx", rows, second=rows), "2 sheets hold something (Sheet, More)")
    merged = [[None, "TV", None, "Paid Search", None], ["date", "spend", "clicks", "spend", "clicks"]]
    refused(
        excel(tmp_path / "merged.xlsx", [*merged, [date(2027, 1, 4), 1, 2, 3, 4]], merged="B1:C1"), "'tv'", "titles"
    )
    refused(write("no workbook", name="torn.xlsx"), "not an Excel file")
    refused(write("old", name="old.xls"), "save it as .xlsx")
    refused(write("a\0b"), "not a text file")


def test_names_that_differ_in_brackets_alone_are_kept_apart(write: Write) -> None:
    names = ("TV (north)", "TV (south)")
    path = write(["date,TV (south),TV (north)", "2027-01-04,1,2"])
    np.testing.assert_allclose(read(path, names).spend, [[2.0, 1.0]])
    refused(write(["date,TV,TV (north)", "2027-01-04,1,2"]), "'TV (south)'", names=names)
