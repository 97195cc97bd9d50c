"""What was spent at the same time a year before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.common.wording import period_name
from sb3_ext.envs.ad_spend import Market

# 52 weeks, so that days are compared with the same days of the week.
_YEAR = 364.0


def last_year(market: Market, dates: Sequence[date]) -> FloatArray | None:
    """Spends a year before each date, shape (T, N), money; None where the model does not know them all, by date."""
    days = market.period_days
    periods = 12.0 if period_name(days) == "month" else _YEAR / days
    known = {len(channel.history) for channel in market.channels}
    if market.first_day is None or len(known) > 1 or periods != round(periods):
        return None
    (length,) = known
    since = round((dates[0] - market.first_day).days / days)
    places = length + since - round(periods) + np.arange(len(dates))
    if places[0] < 0 or places[-1] >= length:
        return None
    return np.asarray(np.array([channel.history for channel in market.channels]).T[places])
