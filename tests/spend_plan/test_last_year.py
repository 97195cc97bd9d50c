from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import openpyxl
import pytest

from sb3_ext.app.errors import UserError
from sb3_ext.app.records import read_records
from sb3_ext.envs.ad_spend import Channel, Market
from sb3_ext.envs.ad_spend.market.progress import after
from sb3_ext.spend_plan.calendar import period_dates
from sb3_ext.spend_plan.campaign import Campaign
from sb3_ext.spend_plan.comparison import LAST_YEAR
from sb3_ext.spend_plan.constraints import make_constraints
from sb3_ext.spend_plan.document import plan_document
from sb3_ext.spend_plan.draws import simulate_draws
from sb3_ext.spend_plan.excel import write_workbook
from sb3_ext.spend_plan.last_year import last_year
from sb3_ext.spend_plan.plan import make_plan
from sb3_ext.spend_plan.tables import date_table, finance_table, write_channels, write_dates
from sb3_ext.spend_plan.wording import Wording

FIRST = date(2027, 1, 4)
# What was spent names the week: 0 is the one that began 60 weeks before.
WEEKS = tuple(map(float, range(60)))
TV = Channel("tv", 900.0, 300.0, weights=(0.6, 0.4), history=WEEKS)
RADIO = Channel("radio", 600.0, 200.0, history=tuple(100.0 + week for week in WEEKS))
MARKET = Market((TV, RADIO), period_days=7.0, first_day=FIRST)


def campaign(market: Market = MARKET, start: date = FIRST, periods: int = 4) -> Campaign:
    dates = period_dates(start, market.period_days, periods)
    return Campaign(market, 2000.0, dates, np.zeros(2), np.full(2, 900.0))


def year_before(planned: Campaign) -> np.ndarray | None:
    return last_year(planned.market, planned.dates)


def test_it_is_52_weeks_before() -> None:
    np.testing.assert_array_equal(year_before(campaign()), [[8 + week, 108 + week] for week in range(4)])
    later = campaign(start=FIRST + timedelta(weeks=3))
    np.testing.assert_array_equal(year_before(later)[0], [11, 111])  # type: ignore[index]


def test_it_goes_on_where_the_rest_of_a_campaign_is_planned() -> None:
    later = FIRST + timedelta(weeks=3)
    for channels in ((TV, RADIO), (replace(TV, weights=None), RADIO)):
        rest = after(replace(MARKET, channels=channels), np.full((3, 2), 500.0))
        expected = [[11 + week, 111 + week] for week in range(4)]
        np.testing.assert_array_equal(year_before(campaign(rest, later)), expected)


def test_what_is_not_known_by_date_is_not_guessed() -> None:
    for unknown in (
        campaign(replace(MARKET, first_day=None)),
        campaign(replace(MARKET, channels=(TV, replace(RADIO, history=WEEKS[1:])))),
        campaign(start=FIRST - timedelta(weeks=9)),
        campaign(periods=53),
        campaign(replace(MARKET, period_days=10.0)),
    ):
        assert year_before(unknown) is None


def test_the_lead_over_it_has_an_interval(tmp_path: Path) -> None:
    draws = tuple((replace(TV, beta=900.0 * factor), replace(RADIO, beta=600.0 / factor)) for factor in (0.5, 0.8, 2.0))
    made = make_plan(campaign(replace(MARKET, draws=draws)))
    # Of 476 to this budget, but no more than the plan may spend on a channel in a week.
    scaled = np.minimum(np.array([[8.0 + week, 108.0 + week] for week in range(4)]) * 2000.0 / 476.0, 900.0)
    np.testing.assert_allclose(made.spent[LAST_YEAR], scaled.sum(), atol=0.05)
    drawn = simulate_draws(made.campaign.market, 2000.0, np.stack([made.spend, scaled])).value
    gain = next(gain for gain in made.versus if gain.name == LAST_YEAR)
    low, high = np.quantile(drawn[0] - drawn[1], [0.025, 0.975])
    np.testing.assert_allclose((gain.mean, gain.low, gain.high), (np.mean(drawn[0] - drawn[1]), low, high), rtol=1e-3)
    said = f"{gain.mean:+,.0f} over last year's spends (95% of the draws: {gain.low:+,.0f} to {gain.high:+,.0f})"
    words = Wording(made)
    assert words.leads and said in words.leads
    assert "scaled to this budget" in words.policies[LAST_YEAR]
    assert made.score.value > made.score_of(LAST_YEAR).value
    write_workbook(made, "sb3-ext plan", tmp_path / "plan.xlsx")
    sheets = openpyxl.load_workbook(tmp_path / "plan.xlsx")
    (row,) = (row for row in sheets["Comparison"].values if row[0] == LAST_YEAR)
    assert row[-3:] == pytest.approx((gain.mean, gain.low, gain.high))
    assert [row[-1] for row in sheets["Channels"].values] == ["Last year", 38, 438, 476]
    write_channels(made, tmp_path / "channels.csv")
    lines = read_records(tmp_path / "channels.csv")
    write_dates(made, tmp_path / "plan.csv")
    document = plan_document(made, [tmp_path / "plan.csv", tmp_path / "channels.csv"], [])
    assert {"name": LAST_YEAR, "mean": gain.mean, "low": gain.low, "high": gain.high} in document["leads"]
    assert [line["spend_last_year"] for line in lines] == ["38.00", "438.00", "476.00"]


def test_plans_can_be_kept_within_a_share_of_it() -> None:
    before = year_before(campaign())
    assert before is not None
    for rule, limits in (("around_last_year", before), ("total_around_last_year", before.sum(axis=0))):
        given = make_constraints({"channels": {"all": {rule: "20%"}}}, MARKET, campaign().dates)
        spend = make_plan(replace(campaign(), constraints=given)).spend
        spent = spend if limits.ndim == 2 else spend.sum(axis=0)
        assert np.all((spent >= 0.8 * limits - 0.01) & (spent <= 1.2 * limits + 0.01))
    with pytest.raises(UserError, match="does not know all spends of a year before 2027-01-04 to 2027-01-25"):
        make_constraints({"channels": {"tv": {rule: "20%"}}}, replace(MARKET, first_day=None), campaign().dates)


def test_it_is_shown_beside_the_plan(tmp_path: Path) -> None:
    plan = make_plan(campaign())
    dates, finance = date_table(plan), finance_table(plan)
    assert [row.cells[dates.columns.index("Last year")] for row in dates.rows] == [
        "116", "118", "120", "122", "476",
    ]  # fmt: skip
    assert [row.cells[finance.columns.index("Last year")] for row in finance.rows] == ["38", "438", "476"]
    write_dates(plan, tmp_path / "plan.csv")
    assert [line["spend_last_year"] for line in read_records(tmp_path / "plan.csv")][:2] == ["116.00", "118.00"]
    other = make_plan(campaign(replace(MARKET, first_day=None)))
    assert "Last year" not in (*date_table(other).columns, *finance_table(other).columns)
