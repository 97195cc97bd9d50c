from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np

from sb3_ext.envs.ad_spend import Channel, Market
from sb3_ext.envs.ad_spend.market.selection import with_channels
from sb3_ext.spend_plan.afterwards import gone_on_the_same
from sb3_ext.spend_plan.calendar import period_dates
from sb3_ext.spend_plan.campaign import Campaign
from sb3_ext.spend_plan.command import main
from sb3_ext.spend_plan.plan import make_plan
from sb3_ext.spend_plan.record import read_record
from sb3_ext.spend_plan.what_if import what_if
from sb3_ext.spend_plan.wording import Wording

TV = Channel("tv", 9000.0, 3000.0, theta=0.6, historical_mean=900.0)
RADIO = Channel("radio", 6000.0, 1500.0, theta=0.3)


def campaign(*channels: Channel, budget: float = 7200.0) -> Campaign:
    count = len(channels)
    return Campaign(
        Market(channels), budget, period_dates(date(2027, 1, 4), 1.0, 8), np.zeros(count), np.full(count, 4000.0)
    )


def settled(one: Campaign) -> Campaign:
    return gone_on_the_same([one], lambda held: [held[0].best().spend])[0]


def test_a_campaign_that_goes_on_as_it_began_spends_the_same_all_the_time() -> None:
    """What is spent on a day sells over the same days to come, so where it began does not matter: the plan is flat."""
    plan = make_plan(settled(campaign(TV)))
    np.testing.assert_allclose(plan.spend, 900.0, rtol=2e-3)
    assert "every day 900 on tv are spent, as by this plan on average" in " ".join(Wording(plan).assumptions)
    ending = make_plan(campaign(TV))
    assert ending.spend[-1, 0] > 2.0 * 900.0


def test_the_plan_is_the_best_for_its_own_mean() -> None:
    """Any past, or none, leads to a plan whose mean is what is spent after it."""
    for start in (TV, replace(TV, historical_mean=0.0)):
        plan = make_plan(settled(campaign(start, RADIO)))
        apart = np.abs(plan.spend.mean(axis=0) - plan.campaign.market.spend_afterwards)
        assert apart.max() < 1.1e-3 * plan.total / 8 and plan.relative_gap < 1e-5
        assert not plan.campaign.market.notes


def test_a_plan_that_never_settles_is_said() -> None:
    (held,) = gone_on_the_same([campaign(TV)], lambda held: [np.full((8, 1), held[0].market.spend_afterwards[0] + 7.0)])
    (note,) = held.market.notes
    assert "for tv they differ by 7.00 a day" in note


def test_other_budgets_are_planned_for_channels_alone_whatever_comes_afterwards() -> None:
    """Also where the past is that of another channel only."""
    for afterwards in ("past", (300.0, 200.0)):
        one = campaign(TV, RADIO)
        assert what_if(make_plan(replace(one, market=replace(one.market, afterwards=afterwards)))) is not None
    turned = with_channels(Market((TV, RADIO), afterwards=(300.0, 200.0)), [1, 0])
    assert turned.names == ("radio", "tv") and turned.afterwards == (200.0, 300.0)


def test_the_command_writes_what_it_assumed(
    planner: Callable[..., Path], without_page: None, mistake: Callable[..., str]
) -> None:
    folder = planner("--afterwards", "same")
    record = read_record(folder)
    np.testing.assert_allclose(record.market.spend_afterwards, record.spend.mean(axis=0), rtol=0.0, atol=3.0)
    asked = ["--budget", "10000", "--periods", "5", "--afterwards", "same", "--output", "regions"]
    assert main(["--groups", "adstock", "static", *asked]) == 0
    for name in ("adstock", "static"):
        part = read_record(Path("regions", name))
        np.testing.assert_allclose(part.market.spend_afterwards, part.spend.mean(axis=0), rtol=0.0, atol=3.0)
    assert "nothing, past, same" in mistake("--afterwards", "even").replace("'", "")
