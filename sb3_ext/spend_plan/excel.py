"""The plan as an Excel workbook with charts. Importing this needs XlsxWriter."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import xlsxwriter
from xlsxwriter.utility import xl_col_to_name

from sb3_ext.app.versions import versions
from sb3_ext.common.palette import color_of
from sb3_ext.common.wording import period_name
from sb3_ext.spend_plan.caveats import find_caveats
from sb3_ext.spend_plan.cents import floor_cents
from sb3_ext.spend_plan.changes import COLUMNS
from sb3_ext.spend_plan.plan import SpendPlan
from sb3_ext.spend_plan.standouts import find_standouts
from sb3_ext.spend_plan.tables import money_digits
from sb3_ext.spend_plan.wording import Wording

Cell = str | float | date | None
_WIDE = {"width": 900, "height": 380}


def write_workbook(plan: SpendPlan, command: str, path: Path) -> None:
    """Write plan by date, channels, comparison and settings, a sheet each."""
    # Names are text: none becomes a formula, a link or a number.
    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(str(path), {**options, "default_date_format": "yyyy-mm-dd"}) as book:
        # Equal plans give equal files.
        book.set_properties({"title": "Spend plan", "created": datetime(1980, 1, 1)})
        sheets = _Sheets(book, money_digits(plan))
        _dates(sheets, plan)
        _channels(sheets, plan)
        _comparison(sheets, plan)
        _budgets(sheets, plan)
        _changes(sheets, plan)
        _settings(sheets, plan, command)


class _Sheets:
    """Sheets of a workbook that look alike."""

    def __init__(self, book: Any, digits: int) -> None:
        self.book = book
        money = "#,##0" if not digits else "#,##0.00"
        self.formats = {
            name: book.add_format({"num_format": form, "bold": bold, "top": int(bold)})
            for bold in (False, True)
            for name, form in (
                ("money" + "!" * bold, money), ("ratio" + "!" * bold, "0.00"), ("share" + "!" * bold, "0.0%"),
                ("text" + "!" * bold, "@"),
            )
        }  # fmt: skip
        top = {"text_wrap": True, "valign": "top", "align": "left"}
        self.head = book.add_format({**top, "bold": True, "bottom": 1, "bg_color": "#f5f7f9"})
        self.prose = book.add_format({**top, "num_format": "#,##0.00"})

    def add(
        self, name: str, columns: Sequence[tuple[str, str]], rows: Iterable[Sequence[Cell]], total: Sequence[Cell] = ()
    ) -> Any:
        """A table with titles and kinds of its columns, and a last line of totals; the first row and column stay."""
        sheet = self.book.add_worksheet(name)
        sheet.freeze_panes(1, 1)
        sheet.hide_gridlines(2)
        for column, (title, kind) in enumerate(columns):
            sheet.write_string(0, column, title, self.head)
            sheet.set_column(column, column, max(13, min(30, len(title) + 2)) if kind != "text" else 26)
        number = 0
        for number, row in enumerate(rows, 1):
            self._write_row(sheet, number, row, [kind for _, kind in columns])
        if total:
            self._write_row(sheet, number + 1, total, [f"{kind}!" for _, kind in columns])
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(0)
        return sheet

    def _write_row(self, sheet: Any, number: int, row: Sequence[Cell], kinds: Sequence[str]) -> None:
        for column, (cell, kind) in enumerate(zip(row, kinds, strict=True)):
            if isinstance(cell, str):
                sheet.write_string(number, column, cell, self.formats["text!" if kind.endswith("!") else "text"])
            elif isinstance(cell, date):
                sheet.write_datetime(number, column, datetime(cell.year, cell.month, cell.day))
            elif cell is None or not math.isfinite(cell):
                sheet.write_blank(number, column, None, self.formats[kind])
            else:
                sheet.write_number(number, column, cell, self.formats[kind])

    def chart(self, kind: str, title: str, series: Iterable[dict[str, Any]], **axes: dict[str, Any]) -> Any:
        """A chart in the look of the page."""
        name, _, subtype = kind.partition(" ")
        chart = self.book.add_chart({"type": name, **({"subtype": subtype} if subtype else {})})
        for each in series:
            chart.add_series(each)
        chart.set_title({"name": title, "name_font": {"size": 12}})
        chart.set_legend({"position": "bottom"})
        chart.set_x_axis({"num_font": {"size": 9}, **axes.get("x", {})})
        chart.set_y_axis({"major_gridlines": {"visible": True, "line": {"color": "#e6eaee"}}, **axes.get("y", {})})
        chart.set_size(_WIDE)
        return chart


def _dates(sheets: _Sheets, plan: SpendPlan) -> None:
    names, periods = plan.campaign.market.names, plan.campaign.periods
    spent = np.cumsum(plan.cents.sum(axis=1))
    left = (floor_cents(plan.campaign.budget) - spent) / 100.0
    columns = [("Date", "text"), *((name, "money") for name in names), ("Spend", "money"), ("Expected sales", "money")]
    numbers = [*plan.spend.T, plan.spend.sum(axis=1), plan.outcome.sales[0]]
    totals: list[Cell] = ["Total", *(plan.cents.sum(axis=0) / 100.0), plan.total, float(plan.outcome.sales[0].sum())]
    if plan.sales_interval is not None:
        columns += [("Expected sales, low", "money"), ("Expected sales, high", "money")]
        numbers += list(plan.sales_interval)
        totals += [None, None]
    if plan.last_year is not None:
        columns += [("Spend last year", "money")]
        numbers += [plan.last_year.sum(axis=1)]
        totals += [float(plan.last_year.sum())]
    columns += [("Cumulative spend", "money"), ("Budget left", "money")]
    numbers += [spent / 100.0, left]
    rows: list[list[Cell]] = [
        [day, *map(float, row)] for day, row in zip(plan.campaign.dates, np.column_stack(numbers), strict=True)
    ]
    sheet = sheets.add("Plan", columns, rows, [*totals, None, None])
    sheet.set_column(0, 0, 12)
    for column in range(1, len(names) + 3):
        letter = xl_col_to_name(column)
        total = totals[column]
        # Where somebody changes the plan by hand, the totals follow.
        sheet.write_formula(
            periods + 1, column, f"=SUM({letter}2:{letter}{periods + 1})", sheets.formats["money!"], total
        )
    spends = [
        {
            "name": ["Plan", 0, column],
            "categories": ["Plan", 1, 0, periods, 0],
            "values": ["Plan", 1, column, periods, column],
            "fill": {"color": color_of(column - 1)},
            "gap": 30,
        }
        for column in range(1, len(names) + 1)
    ]
    dates: dict[str, Any] = {"x": {"text_axis": True, "num_format": "d mmm", "major_tick_mark": "none"}}
    unit = period_name(plan.campaign.market.period_days)
    chart = sheets.chart("column stacked", f"Spend per {unit}", spends, **dates)
    sheet.insert_chart(periods + 3, 1, chart)
    sold = {
        "name": ["Plan", 0, len(names) + 2],
        "categories": ["Plan", 1, 0, periods, 0],
        "values": ["Plan", 1, len(names) + 2, periods, len(names) + 2],
        "line": {"color": "#0b7a75", "width": 2.25},
    }
    chart = sheets.chart("line", f"Expected sales per {unit}", [sold], **dates, y={"min": 0})
    chart.set_legend({"none": True})
    sheet.insert_chart(periods + 23, 1, chart)


def _channels(sheets: _Sheets, plan: SpendPlan) -> None:
    numbers, names = plan.economics, plan.campaign.market.names
    columns = [
        ("Channel", "text"), ("Spend", "money"), ("Past spend", "money"), ("Share", "share"), ("Sales", "money"),
        ("ROAS", "ratio"), ("Marginal ROAS", "ratio"), ("Net result", "money"),
    ]  # fmt: skip
    before = None if plan.last_year is None else np.append(plan.last_year.sum(axis=0), plan.last_year.sum())
    columns += [] if before is None else [("Last year", "money")]
    known = plan.campaign.market.historical_mean.any()
    rows: list[list[Cell]] = [
        [
            name,
            float(numbers.spend[index]),
            float(numbers.past[index]) if known else None,
            float(numbers.spend[index] / plan.total) if plan.total else None,
            *(float(each[index]) for each in (numbers.sales, numbers.roas, numbers.marginal, numbers.net)),
            *([] if before is None else [float(before[index])]),
        ]
        for index, name in enumerate((*names, "Total"))
    ]
    sheet = sheets.add("Channels", columns, rows[:-1], rows[-1])
    count = len(names)
    bars = [
        {
            "name": ["Channels", 0, column],
            "categories": ["Channels", 1, 0, count, 0],
            "values": ["Channels", 1, column, count, column],
            "fill": {"color": color},
        }
        for column, color in ((1, "#0b7a75"), (2, "#b8c1c9"))
        if column == 1 or known
    ]
    sheet.insert_chart(count + 3, 0, sheets.chart("column", "Spend by channel", bars))


def _comparison(sheets: _Sheets, plan: SpendPlan) -> None:
    reference = plan.reference
    columns = [
        ("Policy", "text"), ("Earns", "money"), ("95% low", "money"), ("95% high", "money"),
        (f"Against {reference.name}", "money"), ("Spends", "money"),
    ]  # fmt: skip
    leads = {gain.name: gain[1:] for gain in plan.versus}
    if leads:
        columns += [("The plan's lead", "money"), ("Lead, 95% low", "money"), ("Lead, 95% high", "money")]
    rows: list[list[Cell]] = [
        [
            *(score.name, score.value, score.low, score.high, score.value - reference.value, plan.spent[score.name]),
            *(leads.get(score.name, (None, None, None)) if leads else ()),
        ]
        for score in plan.scores
    ]
    sheet = sheets.add("Comparison", columns, rows)
    bars = {
        "categories": ["Comparison", 1, 0, len(rows), 0],
        "values": ["Comparison", 1, 1, len(rows), 1],
        "fill": {"color": "#0b7a75"},
        "gap": 50,
    }
    chart = sheets.chart("bar", "What every policy earns", [bars], y={"reverse": True})
    chart.set_legend({"none": True})
    sheet.insert_chart(len(rows) + 2, 0, chart)


def _budgets(sheets: _Sheets, plan: SpendPlan) -> None:
    """What other budgets would earn, where that is known."""
    found = plan.frontier
    if found is None:
        return
    columns = [("Budget", "money"), ("Earns", "money"), ("No plan more than", "money")]
    columns += [(name, "money") for name in plan.campaign.market.names]
    rows = np.column_stack([found.budget, found.value, found.upper_bound, found.spend]).tolist()
    sheet = sheets.add("Budgets", columns, rows)
    curve = {
        "categories": ["Budgets", 1, 0, len(rows), 0],
        "values": ["Budgets", 1, 1, len(rows), 1],
        "line": {"color": "#0b7a75", "width": 2.25},
        "marker": {"type": "circle", "size": 5},
    }
    axes: dict[str, Any] = {"x": {"name": "Budget", "num_format": "#,##0"}}
    chart = sheets.chart("scatter straight_with_markers", "What other budgets would earn", [curve], **axes)
    chart.set_legend({"none": True})
    sheet.insert_chart(len(rows) + 2, 0, chart)


def _changes(sheets: _Sheets, plan: SpendPlan) -> None:
    """What changed since the plan before, where there was one."""
    if plan.changes is None:
        return
    rows: list[list[Cell]] = [
        [name, *numbers]
        for name, numbers in zip((*plan.campaign.market.names, "Total"), plan.changes.rows(), strict=True)
    ]
    sheets.add("Changes", [("Channel", "text"), *((title, "money") for title in COLUMNS)], rows[:-1], rows[-1])


def _settings(sheets: _Sheets, plan: SpendPlan, command: str) -> None:
    words = Wording(plan)
    sheet = sheets.book.add_worksheet("Settings")
    sheet.set_column(0, 0, 24)
    sheet.set_column(1, 1, 110)
    sheet.hide_gridlines(2)
    market, campaign = plan.campaign.market, plan.campaign
    lines: list[tuple[str, Cell]] = [
        ("Plan", words.lead),
        ("Campaign", words.span),
        ("Budget", campaign.budget),
        ("Margin", market.margin),
        ("Cost of spend", market.spend_cost),
        ("Certificate", words.certificate),
        *((("Lead", words.leads),) if words.leads else ()),
        *((f"Worth of one more in {name}", price) for name, price in plan.prices.items()),
        *(("Since the last plan", text) for text in (plan.changes.notes if plan.changes else ())),
        *(("Warning", text) for text in find_caveats(plan)),
        *(("Stands out", text) for text in find_standouts(plan)),
        *(("Assumed", text) for text in words.assumptions),
        *((name, meaning) for name, meaning in words.policies.items()),
        ("Command", command),
        ("Versions", " · ".join(f"{name} {number}" for name, number in versions().items())),
    ]
    for row, (title, value) in enumerate(lines):
        sheet.write_string(row, 0, title, sheets.head)
        if isinstance(value, str):
            sheet.write_string(row, 1, value, sheets.prose)
        elif isinstance(value, float):
            sheet.write_number(row, 1, value, sheets.prose)
