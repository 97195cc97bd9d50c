"""Plans of markets whose carry-over has a window: what is said of them."""

from datetime import date

import numpy as np
import pytest

from sb3_ext.envs.ad_spend import Channel, Market, plan_optimal
from sb3_ext.spend_plan.calendar import period_dates
from sb3_ext.spend_plan.campaign import Campaign
from sb3_ext.spend_plan.caveats import find_caveats
from sb3_ext.spend_plan.plan import SpendPlan, make_plan
from sb3_ext.spend_plan.wording import Wording


def planned(*channels: Channel, **settings: object) -> SpendPlan:
    market = Market(channels, period_days=7.0, tail_periods=3, **settings)  # type: ignore[arg-type]
    dates = period_dates(date(2027, 1, 4), 7.0, 6)
    n_channels = len(channels)
    return make_plan(Campaign(market, 600.0, dates, np.zeros(n_channels), np.full(n_channels, 200.0)))


def test_windows_and_notes_are_said() -> None:
    tv = Channel("tv", beta=300.0, kappa=40.0, weights=(0.2, 0.2, 0.4, 0.2), history=(50.0, 0.0))
    search = Channel("search", beta=200.0, kappa=30.0, weights=(1.0,))
    plan = planned(tv, search, notes=("12 of 600 draws diverged",))
    assumed, warned = " ".join(Wording(plan).assumptions), list(find_caveats(plan))
    assert "works for some weeks, the first included: tv 4 (half within 3 weeks)." in assumed
    assert "credited for 3 weeks" in assumed and "search" not in assumed.split("works for some weeks")[1].split(".")[0]
    assert "12 of 600 draws diverged" in warned and not any("past spend is not known" in line for line in warned)
    best = plan_optimal(plan.campaign.market, 600.0, 6, cap=plan.campaign.cap)
    assert plan.score.value == pytest.approx(best.value, rel=1e-4) and best.relative_gap < 1e-5


def test_an_unknown_past_of_a_window_is_said() -> None:
    plan = planned(Channel("tv", beta=300.0, kappa=40.0, weights=(0.5, 0.5)))
    assert any("tv: past spend is not known" in line for line in find_caveats(plan))
