from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from sb3_ext.envs.ad_spend import Channel, Market
from sb3_ext.envs.ad_spend.campaign.simulator import CampaignSimulator
from sb3_ext.envs.ad_spend.market.presets import adstock, profit, s_shape, static
from sb3_ext.envs.ad_spend.optimum.constraints import Condition, Constraints
from sb3_ext.spend_plan.calendar import period_dates
from sb3_ext.spend_plan.campaign import Campaign
from sb3_ext.spend_plan.caveats import find_caveats
from sb3_ext.spend_plan.comparison import EVEN, PAST_MIX
from sb3_ext.spend_plan.economics import economics
from sb3_ext.spend_plan.plan import make_plan
from sb3_ext.spend_plan.standouts import find_standouts
from sb3_ext.spend_plan.tables import channel_table, price_table
from sb3_ext.spend_plan.wording import Wording


def campaign(market: Market, budget: float = 10_000.0, periods: int = 7) -> Campaign:
    dates = period_dates(date(2027, 1, 4), market.period_days, periods)
    return Campaign(market, budget, dates, np.zeros(len(market.names)), market.spend_caps(budget, periods))


def test_numbers_by_hand() -> None:
    # No carry-over: 100 * 30 / (10 + 30) = 75 sold by tv, whose next unit sells 100 * 10 / 40**2 = 0.625.
    market = Market(
        (Channel("tv", beta=100.0, kappa=10.0, historical_mean=20.0), Channel("radio", beta=100.0, kappa=50.0)),
        margin=0.5,
        spend_cost=0.25,
    )
    numbers = economics(campaign(market, 80.0, periods=2), np.array([[30.0, 0.0], [30.0, 0.0]]))
    np.testing.assert_allclose(numbers.spend, [60.0, 0.0, 60.0])
    np.testing.assert_allclose(numbers.sales, [150.0, 0.0, 150.0])
    np.testing.assert_allclose(numbers.roas, [2.5, np.nan, 2.5])
    # What radio's first unit would sell: 100 / 50.
    np.testing.assert_allclose(numbers.marginal, [0.625, 2.0, 0.625], rtol=1e-6)
    np.testing.assert_allclose(numbers.net, [15.0, 0.0, 15.0])
    np.testing.assert_allclose(numbers.past, [40.0, 0.0, 40.0])
    assert numbers.break_even == 2.0


def test_channels_add_up_to_what_the_plan_earns() -> None:
    for market in (adstock(), replace(s_shape(), margin=0.4), profit()):
        made = make_plan(campaign(market))
        numbers = made.economics
        assert numbers.sales[:-1].sum() == pytest.approx(numbers.sales[-1])
        earned = market.margin * numbers.sales[-1] - market.spend_cost * made.total
        assert earned == pytest.approx(made.score.value, rel=1e-6)
        more = CampaignSimulator(market, 20_000.0, 7)
        step = np.where(made.spend < made.campaign.cap - 0.01, 1e-4 * made.spend, 0.0)
        gain = more.plan_value(made.spend + step) - more.plan_value(made.spend)
        slope = (gain / step.sum() + market.spend_cost) / market.margin
        assert numbers.marginal[-1] == pytest.approx(slope, rel=1e-3)


def test_a_loss_is_said() -> None:
    """Money that sells less than it costs, as the whole plan or with its last part."""
    poor = Market((Channel("tv", beta=9_000.0, kappa=3_000.0), Channel("ooh", beta=300.0, kappa=3_000.0)))
    made = make_plan(campaign(poor, budget=100_000.0))
    text = "\n".join(find_caveats(made))
    numbers = made.economics
    assert numbers.net[-1] < 0.0
    assert f"below break-even: the plan spends 100,000 and sells {numbers.sales[-1]:,.0f}, a loss of" in text
    assert "--spend-cost 1" in text
    thrifty = make_plan(campaign(replace(poor, spend_cost=1.0), budget=100_000.0))
    assert "break-even" not in "\n".join(find_caveats(thrifty))
    assert thrifty.economics.marginal[-1] == pytest.approx(1.0, rel=1e-2)
    late = "\n".join(find_caveats(make_plan(campaign(poor, budget=30_000.0))))
    assert "the last money does not come back" in late and "below break-even:" not in late
    forced = replace(campaign(poor, budget=10_000.0), low=np.array([0.0, 500.0]))
    assert "below break-even on its own: ooh (ROAS 0.0" in "\n".join(find_caveats(make_plan(forced)))


def test_channels_that_stand_out_are_named_with_the_reason() -> None:
    market = Market((
        Channel("search", beta=9_000.0, kappa=900.0, cap=200.0, historical_mean=200.0),
        Channel("tv", beta=9_000.0, kappa=3_000.0, cap=5_000.0, historical_mean=100.0),
        Channel("print", beta=50.0, kappa=3_000.0, historical_mean=1_000.0),
        Channel("radio", beta=500.0, kappa=9_000.0, alpha=4.0, historical_mean=10.0),
        Channel("dead", beta=0.0, kappa=1.0),
    ))  # fmt: skip
    lines = {line.split()[0]: line for line in find_standouts(make_plan(campaign(market)))}
    assert set(lines) == {"search", "tv", "print", "radio"}
    assert "is at its limit of 200 every day" in lines["search"] and "--caps search=..." in lines["search"]
    assert "8% in the past" in lines["tv"]
    assert "print gets nothing: its next unit of money would sell 0.02, elsewhere it sells" in lines["print"]
    assert "its curve is S-shaped" in lines["radio"]
    assert not list(find_standouts(make_plan(campaign(static()))))


def test_the_plan_is_measured_against_the_past_where_it_is_known() -> None:
    known = make_plan(campaign(adstock()))
    unknown = make_plan(
        campaign(replace(adstock(), channels=tuple(replace(c, historical_mean=0.0) for c in adstock().channels)))
    )
    assert (known.reference.name, unknown.reference.name) == (PAST_MIX, EVEN)
    assert known.score.value > known.reference.value


def test_leads_and_worths_of_conditions_are_shown() -> None:
    market = adstock()
    draws = tuple(tuple(replace(c, beta=c.beta * factor) for c in market.channels) for factor in (0.5, 1.5))
    made = make_plan(campaign(replace(market, draws=draws)))
    leads = Wording(made).leads
    assert leads is not None
    said = [gain for gain in made.versus if gain.name in (PAST_MIX, EVEN)]
    assert len(said) == 2
    for gain in said:
        assert f"{gain.mean:+,.0f} over {gain.name} (95% of the draws: {gain.low:+,.0f} to {gain.high:+,.0f})" in leads
    assert "It is ahead of historical proportions in 100% of them." in leads
    assert price_table(made.prices) is None and Wording(make_plan(campaign(market))).leads is None
    weights = np.zeros((1, 7, 2))
    weights[0, :, 0] = 1.0
    little = Constraints((Condition("facebook at most 1,000", weights, np.array([0.0]), np.array([1_000.0])),))
    priced = make_plan(replace(campaign(market), constraints=little))
    table = price_table(priced.prices)
    assert table is not None
    worth = {row.cells[0]: row.cells[1] for row in table.rows}
    assert float(worth["facebook at most 1,000"]) > 0.5
    assert worth["facebook at most 1,000"] == f"{priced.prices['facebook at most 1,000']:+,.2f}"


def test_a_burst_at_the_end_is_explained_by_what_comes_afterwards() -> None:
    market = Market((
        Channel("tv", beta=9_000.0, kappa=3_000.0, theta=0.7, historical_mean=800.0, cap=9_000.0),
        Channel("search", beta=4_000.0, kappa=900.0, historical_mean=800.0),
    ), tail_periods=28)  # fmt: skip
    (line,) = find_standouts(make_plan(campaign(market, 12_000.0, 10)))
    assert line.startswith("tv spends ") and "times its usual in the last day" in line and "--afterwards past" in line
    assert not list(find_standouts(make_plan(campaign(replace(market, afterwards="past"), 12_000.0, 10))))


def test_shares_that_depend_on_the_draw_are_marked() -> None:
    market = static()
    first, second = market.channels
    tilted = tuple(
        (replace(first, beta=first.beta * factor), replace(second, beta=second.beta / factor)) for factor in (0.3, 3.0)
    )
    table = channel_table(make_plan(campaign(replace(market, draws=tilted))))
    column = list(table.columns).index("Best in 80% of draws")
    assert all(row.cells[column].endswith(", unsure") for row in table.rows) and "40 draws" in table.notes
    alike = tuple(tuple(replace(c, beta=c.beta * factor) for c in market.channels) for factor in (0.9, 1.1))
    sure = channel_table(make_plan(campaign(replace(market, draws=alike))))
    assert not any("unsure" in row.cells[column] for row in sure.rows)
    assert "Best in 80% of draws" not in channel_table(make_plan(campaign(market))).columns
