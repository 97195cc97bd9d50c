from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sb3_ext.common.dates import Day, read_date, read_dates


@pytest.mark.parametrize(
    "value",
    [
        *("2026-01-05", "2026/1/5", "2026.01.05", "20260105", "2026-W02", "2026-W02-1", "Mon 2026-01-05"),
        *("05.01.2026", "5.1.26", "Mon 05/01/2026", "Mo 05.01.2026", "5 Jan 2026", "5. Januar 2026", "05-Jan-26"),
        *("January 5, 2026", "Monday, 5th January 2026", "2026-01-05 00:00", "2026-01-05T00:00:00.000+01:00"),
        *("2026-01-05T00:00:00Z", "46027", 46027, 46027.0, date(2026, 1, 5), datetime(2026, 1, 5)),
    ],
)
def test_days_are_read_as_people_and_spreadsheets_write_them(value: Day) -> None:
    assert read_date(value) == date(2026, 1, 5) == read_dates([value], ["it"])[0]


@pytest.mark.parametrize(
    "value",
    [
        *("", "x", "2026", "2026-13-01", "2026-02-30", "31.02.2026", "12.31.2026", "32/13/2026", "5 Foo 2026", "-5"),
        *("2026-01", "January 2026", "123456789", "2026-01-05 25:00", "20260199", 5, 5.5, float("nan"), True, "1e9"),
        *("0000-01-01", "moon 2026-01-05", "2026-W60"),
    ],
)
def test_other_values_are_refused_in_one_line(value: Day) -> None:
    with pytest.raises(ValueError, match="line 3 must be a date such as 2026-12-31") as error:
        read_date(value, "line 3")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["02/03/2026", "2-3-2026", "2/3/26"])
def test_day_or_month_first_is_asked(text: str) -> None:
    with pytest.raises(ValueError) as error:
        read_date(text, "--start")
    assert str(error.value) == f"--start: {text!r} can mean 2026-03-02 or 2026-02-03: write it as one of these"
    assert read_date("03/03/2026") == date(2026, 3, 3)


@pytest.mark.parametrize(
    "value", ["2026-01-04T23:00:00Z", "2026-01-05 14:30", datetime(2026, 1, 4, 22, tzinfo=timezone.utc)]
)
def test_a_time_that_is_another_day_elsewhere_is_refused(value: Day) -> None:
    with pytest.raises(ValueError, match="has a time of day, which in another time zone is another day"):
        read_date(value)


def test_a_weekday_must_be_right() -> None:
    with pytest.raises(ValueError, match="is not the weekday that it says"):
        read_date("Tue 2026-01-05")


def test_months_where_they_are_meant() -> None:
    assert [read_date(text, months=True) for text in ("2026-02", "Feb 2026")] == [date(2026, 2, 1)] * 2


def test_a_column_settles_the_order() -> None:
    places = ["line 1", "line 2"]
    assert read_dates(["05/01/2026", "19/01/2026"], places) == [date(2026, 1, 5), date(2026, 1, 19)]
    assert read_dates(["01/05/2026", "01/19/2026"], places) == [date(2026, 1, 5), date(2026, 1, 19)]
    with pytest.raises(ValueError, match=r"line 1: '05/01/2026' can mean 2026-01-05 or 2026-05-01"):
        read_dates(["05/01/2026", "12/01/2026"], places)
    weeks = [date(2026, 1, 5) + timedelta(weeks=week) for week in range(9)]
    assert read_dates(["05/01/2026", "12/01/2026"], places, expected=weeks) == weeks[:2]
    with pytest.raises(ValueError, match=r"line 1: '19/01/2026' has the day first, but '01/20/2026' \(line 2\)"):
        read_dates(["19/01/2026", "01/20/2026"], places)


@given(st.dates(date(2000, 1, 1), date(2099, 12, 31)), st.sampled_from(["%d/%m/%Y", "%m/%d/%Y", "%d-%m-%y"]))
def test_a_day_is_read_right_or_asked(day: date, pattern: str) -> None:
    try:
        assert read_date(day.strftime(pattern)) == day
    except ValueError as error:
        assert "can mean" in str(error) and day.day <= 12


@given(st.text(max_size=20))
def test_any_text_is_a_day_or_one_line(text: str) -> None:
    try:
        read_date(text)
    except ValueError as error:
        assert len(str(error).splitlines()) == 1
