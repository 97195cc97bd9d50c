from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from sb3_ext.app.records import read_records
from sb3_ext.envs.ad_spend import Channel, Market
from sb3_ext.envs.ad_spend.market.progress import after
from sb3_ext.spend_plan.calendar import period_dates
from sb3_ext.spend_plan.campaign import Campaign
from sb3_ext.spend_plan.last_year import last_year
from sb3_ext.spend_plan.plan import make_plan
from sb3_ext.spend_plan.tables import date_table, finance_table, write_dates

FIRST = date(2027, 1, 4)
# What was spent names the week: 0 is the one that began 60 weeks before.
WEEKS = tuple(map(float, range(60)))
TV = Channel("tv", 900.0, 300.0, weights=(0.6, 0.4), history=WEEKS)
RADIO = Channel("radio", 600.0, 200.0, history=tuple(100.0 + week for week in WEEKS))
MARKET = Market((TV, RADIO), period_days=7.0, first_day=FIRST)


def campaign(market: Market = MARKET, start: date = FIRST, periods: int = 4) -> Campaign:
    dates = period_dates(start, market.period_days, periods)
    return Campaign(market, 2000.0, dates, np.zeros(2), np.full(2, 900.0))


def test_it_is_52_weeks_before() -> None:
    np.testing.assert_array_equal(last_year(campaign()), [[8 + week, 108 + week] for week in range(4)])
    later = campaign(start=FIRST + timedelta(weeks=3))
    np.testing.assert_array_equal(last_year(later)[0], [11, 111])  # type: ignore[index]


def test_it_goes_on_where_the_rest_of_a_campaign_is_planned() -> None:
    later = FIRST + timedelta(weeks=3)
    for channels in ((TV, RADIO), (replace(TV, weights=None), RADIO)):
        rest = after(replace(MARKET, channels=channels), np.full((3, 2), 500.0))
        np.testing.assert_array_equal(last_year(campaign(rest, later)), [[11 + week, 111 + week] for week in range(4)])


def test_what_is_not_known_by_date_is_not_guessed() -> None:
    for unknown in (
        campaign(replace(MARKET, first_day=None)),
        campaign(replace(MARKET, channels=(TV, replace(RADIO, history=WEEKS[1:])))),
        campaign(start=FIRST - timedelta(weeks=9)),
        campaign(periods=53),
        campaign(replace(MARKET, period_days=10.0)),
    ):
        assert last_year(unknown) is None


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
