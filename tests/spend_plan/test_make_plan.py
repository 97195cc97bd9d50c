from collections.abc import Callable
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from sb3_ext.envs.ad_spend import Channel, Market, Plan, plan_optimal
from sb3_ext.envs.ad_spend.campaign.simulator import CampaignSimulator
from sb3_ext.envs.ad_spend.market.presets import adstock, profit, s_shape, static
from sb3_ext.spend_plan.calendar import period_dates
from sb3_ext.spend_plan.campaign import Campaign
from sb3_ext.spend_plan.caveats import find_caveats
from sb3_ext.spend_plan.comparison import EVEN, OPTIMIZED
from sb3_ext.spend_plan.outcome import Rollout, simulate
from sb3_ext.spend_plan.plan import SpendPlan, make_plan


def campaign(market: Market, budget: float = 10_000.0, periods: int = 7, **bounds: float) -> Campaign:
    dates = period_dates(date(2027, 1, 4), market.period_days, periods)
    low = np.full(len(market.names), bounds.get("low", 0.0))
    cap = np.full(len(market.names), bounds["cap"]) if "cap" in bounds else market.spend_caps(budget, periods)
    return Campaign(market, budget, dates, low, cap)


def agent(spend: np.ndarray) -> dict[str, Rollout]:
    return {"agent": Rollout(spend[None], np.zeros(1))}


def warned(made: SpendPlan) -> str:
    return "\n".join(find_caveats(made))


def test_the_plan_is_the_optimum_to_the_cent() -> None:
    market = adstock()
    plan = make_plan(campaign(market))
    best = plan_optimal(market, 10_000.0, 7)
    assert plan.policy == OPTIMIZED and plan.scores[0].name == OPTIMIZED
    assert plan.total <= 10_000.0
    assert plan.total == pytest.approx(10_000.0, abs=0.01)
    np.testing.assert_allclose(plan.spend, best.spend, atol=0.3)
    assert plan.score.value == pytest.approx(CampaignSimulator(market, 10_000.0, 7).plan_value(plan.spend))
    assert plan.score.value <= plan.upper_bound * (1.0 + 1e-9)
    assert plan.relative_gap < 1e-5
    even = CampaignSimulator(market, 10_000.0, 7).plan_value(np.full((7, 2), 10_000.0 / 14))
    assert plan.score_of(EVEN).value == pytest.approx(even, rel=1e-6)
    assert {"random", "maximum spend", "historical proportions", "static optimum"} <= set(plan.spent)
    assert plan.spent[OPTIMIZED] == pytest.approx(plan.total)


def test_outcomes_match_the_simulator_and_a_hand_calculation() -> None:
    # No carry-over: sales 100 * 10 / (10 + 10) = 50 and 100 * 30 / (10 + 30) = 75.
    market = Market((Channel("tv", beta=100.0, kappa=10.0),), margin=2.0, spend_cost=1.0)
    outcome = simulate(market, 40.0, np.array([[[10.0], [30.0]], [[30.0], [30.0]]]))
    np.testing.assert_allclose(outcome.sales, [[50.0, 75.0], [75.0, 50.0]])
    np.testing.assert_allclose(outcome.spend[1, :, 0], [30.0, 10.0])
    np.testing.assert_allclose(outcome.value, [2 * 125.0 - 40.0, 2 * 125.0 - 40.0])


def test_draws_give_intervals_by_replaying_the_plan() -> None:
    market = adstock()
    draws = tuple(
        tuple(replace(channel, beta=channel.beta * factor) for channel in market.channels)
        for factor in (0.5, 0.9, 1.1, 1.5)
    )
    plan = make_plan(campaign(replace(market, draws=draws)))
    values = [CampaignSimulator(replace(market, channels=draw), 10_000.0, 7).plan_value(plan.spend) for draw in draws]
    low, high = np.quantile(values, [0.025, 0.975])
    assert plan.score.low == pytest.approx(low)
    assert plan.score.high == pytest.approx(high)
    assert plan.score.value == pytest.approx(make_plan(campaign(market)).score.value)
    assert plan.score.ahead == 1.0
    assert plan.sales_interval is not None
    sales = plan.outcome.sales[0]
    np.testing.assert_allclose(plan.sales_interval[0], sales * np.quantile([0.5, 0.9, 1.1, 1.5], 0.025))
    np.testing.assert_allclose(plan.sales_interval[1], sales * np.quantile([0.5, 0.9, 1.1, 1.5], 0.975))


def test_an_agents_plan_is_taken_only_if_it_earns_more(monkeypatch: pytest.MonkeyPatch) -> None:
    # A single channel that is best left alone: whatever an agent spends there loses money.
    made = make_plan(campaign(profit()), agent(np.full((7, 2), 100.0)))
    assert made.policy == OPTIMIZED
    assert made.score_of("agent").value < made.score.value
    best = plan_optimal(adstock(), 10_000.0, 7).spend
    poor = Plan(np.full((7, 2), 100.0), value=0.0, upper_bound=50_000.0)
    monkeypatch.setattr("sb3_ext.spend_plan.campaign.plan_optimal", lambda *_, **__: poor)
    assert make_plan(campaign(adstock()), agent(best)).policy == "agent"
    # Smallest spends that the agent does not keep to.
    assert make_plan(campaign(adstock(), low=90.0), agent(best)).policy == OPTIMIZED


def test_extrapolation_is_warned_about_where_it_happens() -> None:
    facebook, instagram = adstock().channels
    market = replace(adstock(), channels=(replace(facebook, historical_max=500.0), instagram))
    made = make_plan(campaign(market))
    text = warned(made)
    count = int(np.sum(made.spend[:, 0] > 500.0))
    assert 0 < count < 7
    assert f"facebook: in {count} of 7 days the plan spends more than the model has ever seen" in text
    assert "largest past spend of instagram is not known" in text
    wide = replace(market, channels=tuple(replace(c, historical_max=1e6) for c in market.channels))
    assert warned(make_plan(campaign(wide))) == ""


def test_money_left_over_is_explained() -> None:
    assert "caps take at most 1,400.00 of the budget of 10,000.00" in warned(make_plan(campaign(adstock(), cap=100.0)))
    made = make_plan(campaign(profit(), budget=100_000.0))
    assert made.total < 90_000.0
    assert "unspent" not in warned(made)
    # The caps would not take the whole budget, but the plan does not go up to them either.
    generous = make_plan(campaign(profit(), budget=100_000.0, cap=6000.0))
    assert generous.total < 0.9 * 7 * 2 * 6000.0 < 100_000.0
    assert "unspent" not in warned(generous)


def test_even_pacing_spends_as_much_as_the_plan_under_caps() -> None:
    """facebook may spend 300 a day of 10 000 in seven days: the others' 300 of 1 428.57 go to instagram."""
    facebook, instagram = adstock().channels
    market = replace(adstock(), channels=(replace(facebook, cap=300.0, historical_mean=900.0), instagram))
    made = make_plan(campaign(market))
    assert made.total == pytest.approx(10_000.0)
    assert made.spent[EVEN] == pytest.approx(10_000.0, rel=1e-6)
    assert made.spent["historical proportions"] == pytest.approx(10_000.0, rel=1e-6)
    # In cents, as the plan.
    np.testing.assert_allclose(made.outcome.spend[1], np.tile([300.0, 10_000.0 / 7 - 300.0], (7, 1)), atol=0.01)


def test_where_even_pacing_is_best_nothing_is_warned_about() -> None:
    market = Market((Channel("tv", beta=2000.0, kappa=300.0, historical_max=1e4),))
    made = make_plan(campaign(market, budget=1000.0, periods=3))
    assert made.score.value == pytest.approx(made.score_of(EVEN).value, rel=1e-6)
    assert warned(made) == ""


def test_nothing_pays() -> None:
    market = Market((Channel("tv", beta=1.0, kappa=1000.0), Channel("radio", beta=0.0, kappa=1.0)), spend_cost=5.0)
    made = make_plan(campaign(market))
    assert made.total == 0.0 and made.score.value == 0.0
    text = warned(made)
    assert "the plan earns nothing" in text
    assert "no effect of radio" in text


def test_wide_gaps_of_s_shaped_curves_are_warned_about() -> None:
    market = Market((Channel("tv", beta=1000.0, kappa=900.0, alpha=8.0, theta=0.6, historical_mean=10.0),))
    made = make_plan(campaign(market, budget=2500.0, periods=3, cap=2000.0))
    assert made.score.value <= made.upper_bound * (1.0 + 1e-9)
    assert ("more could be possible" in warned(made)) == (made.relative_gap > 0.01)


@pytest.mark.parametrize("budget", [0.01, 0.05, 1.0, 2e10, 1e13])
@pytest.mark.parametrize("make", [static, adstock, profit, s_shape])
def test_no_plan_is_worth_less_than_a_policy_it_lists(make: Callable[[], Market], budget: float) -> None:
    """A cent is much of a small budget, and a large one has more digits than a number holds."""
    made = make_plan(campaign(make(), budget, 3))
    assert made.score.value == max(score.value for score in made.scores)
    assert made.total <= budget and np.all(made.spend <= made.campaign.cap + 0.005)
