from dataclasses import replace

import numpy as np
import pytest
from ad_spend_strategies import columns, markets, one_line
from hypothesis import given, settings
from hypothesis import strategies as st

from sb3_ext.envs.ad_spend import Channel, Market
from sb3_ext.envs.ad_spend.campaign.simulator import CampaignSimulator
from sb3_ext.envs.ad_spend.market.sales_function import SalesFunctionMarket


def play(campaign: CampaignSimulator, plan: np.ndarray) -> list[float]:
    """Values of the periods, tail included in the last."""
    campaign.reset()
    return [float(step.value + step.tail) for step in map(campaign.step, plan)]


def test_three_periods_by_hand() -> None:
    """One channel, cold start, alpha 1: adstocks 5, 2.5 and 6.25, and 3.125, 1.5625 in the tail."""
    market = Market((Channel("a", beta=10.0, kappa=5.0, theta=0.5),), tail_periods=2)
    campaign = CampaignSimulator(market, budget=100.0, periods=3)
    steps = [campaign.step(np.array([spend])) for spend in (10.0, 0.0, 10.0)]
    sales = [10 * 5 / 10, 10 * 2.5 / 7.5, 10 * 6.25 / 11.25]
    np.testing.assert_allclose([step.adstock[0] for step in steps], [5.0, 2.5, 6.25])
    np.testing.assert_allclose([step.sales[0] for step in steps], sales)
    np.testing.assert_allclose([step.value for step in steps], sales)
    np.testing.assert_allclose([step.tail for step in steps], [0, 0, 10 * 3.125 / 8.125 + 10 * 1.5625 / 6.5625])
    assert campaign.budget_left == pytest.approx(80.0)
    assert campaign.done


def test_economics_and_season_by_hand() -> None:
    """Two channels (alpha .5 and 3), no carry-over, season of two periods that repeats, margin, cost of spending."""
    market = Market(
        (Channel("a", beta=30.0, kappa=4.0, alpha=0.5), Channel("b", beta=90.0, kappa=2.0, alpha=3.0)),
        season=(1.0, 2.0),
        margin=0.5,
        spend_cost=0.25,
        tail_periods=3,
    )
    # Shares of beta: a: 4 -> 1/2, 36 -> 3/4, 16 -> 2/3; b: 2 -> 1/2, 4 -> 8/9, 0 -> 0.
    values = [
        0.5 * 1.0 * (15.0 + 45.0) - 0.25 * 6.0,
        0.5 * 2.0 * (22.5 + 80.0) - 0.25 * 40.0,
        0.5 * 1.0 * 20.0 - 0.25 * 16.0,
    ]
    campaign = CampaignSimulator(market, budget=62.0, periods=3)
    np.testing.assert_allclose(play(campaign, columns((4, 36, 16), (2, 4, 0))), values)
    assert campaign.plan_value(columns((4, 36, 16), (2, 4, 0))) == pytest.approx(sum(values))


def test_warm_start_is_what_a_campaign_without_spend_would_sell() -> None:
    """Adstock 8 before the campaign; what it sells by itself earns the campaign nothing."""
    market = Market((Channel("a", beta=12.0, kappa=4.0, theta=0.5, historical_mean=8.0),), tail_periods=1)
    campaign = CampaignSimulator(market, budget=100.0, periods=2)
    first, second = campaign.step(np.array([8.0])), campaign.step(np.array([0.0]))
    np.testing.assert_allclose([first.adstock[0], second.adstock[0]], [8.0, 4.0])
    assert first.value == pytest.approx(12 * 8 / 12 - 12 * 4 / 8)
    assert second.value == pytest.approx(12 * 4 / 8 - 12 * 2 / 6)
    assert second.tail == pytest.approx(12 * 2 / 6 - 12 * 1 / 5)
    assert first.tail == 0.0


@given(markets(), st.integers(1, 12))
@settings(max_examples=100, deadline=None)
def test_zero_spend_earns_exactly_nothing(market: Market, periods: int) -> None:
    campaign = CampaignSimulator(market, budget=100.0, periods=periods)
    assert play(campaign, np.zeros((periods, len(market.names)))) == [0.0] * periods
    assert campaign.budget_left == 100.0


def test_advertising_that_goes_on_afterwards_by_hand() -> None:
    """
    beta 100, kappa 10, theta 0.5 and a past of 8 a period: adstock 8, spend 12, so 10 and without spend 4. Afterwards
    8 a period again: 9 and 8.5, without spend 6 and 7. In the one tail counted 100 * (9 / 19 - 6 / 16).
    """
    channel = Channel("a", beta=100.0, kappa=10.0, theta=0.5, historical_mean=8.0)
    market = Market((channel,), tail_periods=1, afterwards="past")
    gained = 100 * (10 / 20 - 4 / 14)
    value = CampaignSimulator(market, 12.0, 1).plan_value(np.array([[12.0]]))
    assert value == pytest.approx(gained + 100 * (9 / 19 - 6 / 16))
    alone = CampaignSimulator(replace(market, afterwards="nothing"), 12.0, 1).plan_value(np.array([[12.0]]))
    assert alone == pytest.approx(gained + 100 * (5 / 15 - 2 / 12))
    long = replace(market, tail_periods=2)
    two = CampaignSimulator(long, 12.0, 1).plan_value(np.array([[12.0]]))
    assert two == pytest.approx(value + 100 * (8.5 / 18.5 - 7 / 17))


@given(markets(), st.data())
@settings(max_examples=100, deadline=None)
def test_value_is_sales_beyond_idle_minus_costs(market: Market, data: st.DataObject) -> None:
    """The definition, spelt out over the whole campaign and the tail."""
    periods = data.draw(st.integers(1, 8))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    plan = rng.uniform(0.0, 50.0, (periods, len(market.names)))
    after = np.tile(market.spend_afterwards, (market.tail_periods, 1))
    longer, idle = np.concatenate([plan, after]), np.concatenate([0.0 * plan, after])
    demand = np.append(market.season_factors(periods), np.ones(market.tail_periods))
    gained = market.sales(longer) - market.sales(idle)
    value = market.margin * demand @ gained.sum(axis=1) - market.spend_cost * plan.sum()
    campaign = CampaignSimulator(market, budget=plan.sum() * 1.01, periods=periods)
    scale = market.margin * demand.sum() * market.beta.sum() + market.spend_cost * plan.sum() + 1.0
    assert campaign.plan_value(plan) == pytest.approx(value, abs=1e-12 * scale)
    assert sum(play(campaign, plan)) == pytest.approx(value, abs=1e-12 * scale)


@given(markets(), st.floats(1.0, 500.0), st.integers(1, 6), st.integers(0, 2**20))
@settings(max_examples=100, deadline=None)
def test_spend_stays_within_the_budget_and_channels_shrink_alike(
    market: Market, budget: float, periods: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    campaign = CampaignSimulator(market, budget, periods)
    spent = 0.0
    for _ in range(periods):
        wanted = rng.uniform(0.0, 1.5 * budget / periods, len(market.names))
        left = campaign.budget_left
        step = campaign.step(wanted)
        assert bool(step.overspent) == (wanted.sum() > left * (1 + 1e-9))
        np.testing.assert_allclose(step.spend, wanted * min(1.0, left / wanted.sum()), rtol=1e-9)
        spent += step.spend.sum()
        assert 0.0 <= campaign.budget_left == pytest.approx(budget - spent, abs=1e-9 * budget)
    assert spent <= budget * (1 + 1e-12)


def test_exactly_used_up_budget_is_no_overspending() -> None:
    market = Market((Channel("a", beta=1.0, kappa=1.0), Channel("b", beta=1.0, kappa=1.0)))
    campaign = CampaignSimulator(market, budget=0.3, periods=3)
    steps = [campaign.step(np.array([0.05, 0.05])) for _ in range(3)]
    assert not any(step.overspent for step in steps)
    assert campaign.budget_left == pytest.approx(0.0, abs=1e-15)


@given(markets(), st.integers(1, 6), st.integers(1, 5), st.integers(0, 2**20))
@settings(max_examples=60, deadline=None)
def test_batch_is_many_single_campaigns(market: Market, periods: int, num_envs: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    budget = 200.0
    spends = rng.uniform(0.0, 1.5 * budget / periods, (periods, num_envs, len(market.names)))
    batch = CampaignSimulator(market, budget, periods, num_envs)
    singles = [CampaignSimulator(market, budget, periods) for _ in range(num_envs)]
    for _ in range(2):
        for t in range(periods):
            together = batch.step(spends[t])
            for env, single in enumerate(singles):
                alone = single.step(spends[t, env])
                for name, array in together._asdict().items():
                    np.testing.assert_allclose(array[env], getattr(alone, name), rtol=1e-12, atol=1e-12, err_msg=name)
                assert batch.budget_left[env] == pytest.approx(single.budget_left, rel=1e-12, abs=1e-12)
        assert batch.done and all(single.done for single in singles)
        batch.reset()
        for single in singles:
            single.reset()


def test_campaigns_end() -> None:
    campaign = CampaignSimulator(Market((Channel("a", beta=1.0, kappa=1.0),)), budget=1.0, periods=1)
    campaign.step(np.zeros(1))
    with pytest.raises(RuntimeError, match="reset"):
        campaign.step(np.zeros(1))
    campaign.reset()
    campaign.step(np.zeros(1))


@pytest.mark.parametrize("budget", [0.0, -1.0, np.nan, np.inf, "100", None, True])
def test_budgets_out_of_range(budget: object) -> None:
    with pytest.raises(ValueError) as error:
        CampaignSimulator(Market((Channel("a", beta=1.0, kappa=1.0),)), budget, periods=3)  # type: ignore[arg-type]
    one_line(error, "budget", repr(budget), "[1e-06, 1e+15]")


@pytest.mark.parametrize("periods", [0, -3, True, "28", 2.0, None, np.nan])
def test_periods_out_of_range(periods: object) -> None:
    with pytest.raises(ValueError) as error:
        CampaignSimulator(Market((Channel("a", beta=1.0, kappa=1.0),)), 1.0, periods)  # type: ignore[arg-type]
    one_line(error, "periods", repr(periods), ">= 1")


def test_plans_of_another_shape() -> None:
    campaign = CampaignSimulator(Market((Channel("a", beta=1.0, kappa=1.0),)), 1.0, periods=3)
    with pytest.raises(ValueError) as error:
        campaign.plan_value(np.zeros((2, 1)))
    one_line(error, "(3, 1)", "(2, 1)")


def test_season_falls_on_the_period_it_was_written_for() -> None:
    market = Market((Channel("a", beta=10.0, kappa=1.0),), season=(1.0, 3.0, 2.0))
    campaign = CampaignSimulator(market, budget=100.0, periods=5)
    np.testing.assert_allclose(play(campaign, np.ones((5, 1))), [5.0, 15.0, 10.0, 5.0, 15.0])


@pytest.mark.parametrize("num_envs", [None, 3])
def test_sales_function_market(num_envs: int | None) -> None:
    def total(spend: np.ndarray) -> float:
        return 5.0 + 2.0 * spend[0] + spend[1] ** 2

    for function in (total, lambda spend: np.array([5.0 + 2.0 * spend[0], spend[1] ** 2])):
        campaign = CampaignSimulator(SalesFunctionMarket(function, ("a", "b")), 100.0, 2, num_envs)
        spend = np.broadcast_to([3.0, 4.0], (*campaign.batch_shape, 2))
        first, second = campaign.step(spend), campaign.step(0.0 * spend)
        np.testing.assert_allclose(first.total_sales, np.full(campaign.batch_shape, 27.0))
        np.testing.assert_allclose(first.value + first.tail, np.full(campaign.batch_shape, 22.0))
        np.testing.assert_allclose(second.value + second.tail, np.zeros(campaign.batch_shape))


def test_tail_is_credited_at_ordinary_demand() -> None:
    market = Market((Channel("a", beta=10.0, kappa=1.0, theta=0.5),), season=(4.0,), tail_periods=1)
    (step,) = [CampaignSimulator(market, 10.0, 1).step(np.array([4.0]))]
    assert (step.value, step.tail) == (pytest.approx(4 * 10 * 2 / 3), pytest.approx(10 * 1 / 2))
    assert CampaignSimulator(replace(market, tail_periods=0), 10.0, 1).step(np.array([4.0])).tail == 0.0
