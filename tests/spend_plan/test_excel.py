from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import numpy as np
import openpyxl
import pytest

from sb3_ext.envs.ad_spend import Channel, Market
from sb3_ext.spend_plan.calendar import period_dates
from sb3_ext.spend_plan.campaign import Campaign
from sb3_ext.spend_plan.excel import write_workbook
from sb3_ext.spend_plan.plan import SpendPlan, make_plan

NAMES = ("=1+1", "https://example.org", "tv")


@pytest.fixture(scope="module")
def plan() -> SpendPlan:
    channels = tuple(
        Channel(name, beta=9_000.0, kappa=900.0 + 200.0 * index, theta=0.4, historical_mean=300.0 * index)
        for index, name in enumerate(NAMES)
    )
    draws = tuple(tuple(replace(c, beta=c.beta * factor) for c in channels) for factor in (0.5, 1.5))
    market = Market(channels, period_days=7.0, draws=draws)
    dates = period_dates(date(2027, 1, 4), 7.0, 5)
    return make_plan(Campaign(market, 10_000.0, dates, np.zeros(3), market.spend_caps(10_000.0, 5)))


def test_the_workbook_holds_what_the_plan_says(plan: SpendPlan, tmp_path: Path) -> None:
    write_workbook(plan, "sb3-ext plan", tmp_path / "plan.xlsx")
    book = openpyxl.load_workbook(tmp_path / "plan.xlsx")
    shown = openpyxl.load_workbook(tmp_path / "plan.xlsx", data_only=True)
    assert book.sheetnames == ["Plan", "Channels", "Comparison", "Budgets", "Settings"]
    rows = list(shown["Plan"].values)
    assert rows[0][:6] == ("Date", *NAMES, "Spend", "Expected sales")
    assert [row[0] for row in rows[1:6]] == [datetime(day.year, day.month, day.day) for day in plan.campaign.dates]
    np.testing.assert_allclose([row[1:4] for row in rows[1:6]], plan.spend)
    np.testing.assert_allclose([row[5] for row in rows[1:6]], plan.outcome.sales[0])
    np.testing.assert_allclose(rows[6][1:5], [*plan.spend.sum(axis=0), plan.total])
    assert book["Plan"]["B7"].value == "=SUM(B2:B6)"
    # Names are text whatever they look like.
    for sheet, cell in (("Plan", "B1"), ("Plan", "C1"), ("Channels", "A2")):
        assert book[sheet][cell].data_type == "s"
        assert book[sheet][cell].hyperlink is None
    assert {cell.data_type for row in book["Channels"].iter_rows() for cell in row} <= {"s", "n"}
    channels = list(shown["Channels"].values)
    np.testing.assert_allclose([row[7] for row in channels[1:5]], plan.economics.net)
    np.testing.assert_allclose([row[5] for row in channels[1:5]], plan.economics.roas)
    compared = list(shown["Comparison"].values)[1:]
    assert [row[0] for row in compared] == [score.name for score in plan.scores]
    np.testing.assert_allclose([row[1] for row in compared], [score.value for score in plan.scores])
    leads = {gain.name: gain for gain in plan.versus}
    for name, *_, lead, low, high in compared:
        gain = leads.get(name)
        assert (lead, low, high) == ((None,) * 3 if gain is None else pytest.approx((gain.mean, gain.low, gain.high)))
    assert set(leads) == {score.name for score in plan.scores} - {plan.policy}
    assert plan.frontier is not None
    budgets = list(shown["Budgets"].values)
    assert budgets[0] == ("Budget", "Earns", "No plan more than", *NAMES)
    np.testing.assert_allclose([row[0] for row in budgets[1:]], plan.frontier.budget)
    np.testing.assert_allclose([row[1] for row in budgets[1:]], plan.frontier.value)
    np.testing.assert_allclose([row[3:] for row in budgets[1:]], plan.frontier.spend)
    for sheet in book.worksheets[:4]:
        assert sheet.freeze_panes == "B2" and sheet._charts
    settings = {str(row[0]): row[1] for row in shown["Settings"].values}
    assert settings["Budget"] == 10_000.0 and settings["Command"] == "sb3-ext plan"


def test_equal_plans_give_equal_workbooks(plan: SpendPlan, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_workbook(plan, "sb3-ext plan", tmp_path / f"{name}.xlsx")
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()


def test_amounts_are_shown_as_on_the_page(plan: SpendPlan, tmp_path: Path) -> None:
    for cents, form in ((plan.cents, "#,##0"), (plan.cents // 100, "#,##0.00")):
        write_workbook(replace(plan, cents=cents), "sb3-ext plan", tmp_path / "plan.xlsx")
        book = openpyxl.load_workbook(tmp_path / "plan.xlsx")
        assert book["Plan"]["B2"].number_format == book["Channels"]["B2"].number_format == form
