"""The dates of a campaign's periods."""

from __future__ import annotations

import calendar
from datetime import date, timedelta

from sb3_ext.app.errors import UserError
from sb3_ext.common.wording import period_name


def default_start(period_days: float, today: date) -> date:
    """When a campaign starts that nobody dated: tomorrow, next Monday, or the first of next month."""
    match period_name(period_days):
        case "week":
            return today + timedelta(days=7 - today.weekday())
        case "month":
            return _add_months(today.replace(day=1), 1)
    return today + timedelta(days=1)


def period_dates(start: date, period_days: float, periods: int) -> list[date]:
    """First day of every period, ascending. Months follow the calendar, other lengths are rounded to days."""
    if period_days < 1.0:
        raise UserError(
            f"--market: its periods last {period_days:g} days: a plan by date needs periods of a day or more"
        )
    try:
        if period_name(period_days) == "month":
            return [_add_months(start, period) for period in range(periods)]
        return [start + timedelta(days=round(period * period_days)) for period in range(periods)]
    except (OverflowError, ValueError):
        raise UserError(f"--periods: {periods} periods from {start} on pass the year 9999") from None


def _add_months(day: date, months: int) -> date:
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
