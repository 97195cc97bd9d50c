"""Campaigns where something is random: what happens in them."""

from dataclasses import fields, replace

import numpy as np
import pytest
from ad_spend_strategies import RANDOM, columns, play, random_markets, real_market, scenarios
from hypothesis import given, settings
from hypothesis import strategies as st

from sb3_ext.envs.ad_spend import Channel, Market, Randomness, plan_optimal
from sb3_ext.envs.ad_spend.campaign.scenario import Scenario
from sb3_ext.envs.ad_spend.campaign.simulator import CampaignSimulator
from sb3_ext.envs.ad_spend.market.curves import Hill
from sb3_ext.envs.ad_spend.market.presets import PRESETS

HAND = Market(
    (
        Channel("a", beta=1.0, kappa=1.0, historical_mean=8.0),
        Channel("b", beta=1.0, kappa=1.0),
    ),
    season=(1.0, 2.0),
    margin=0.5,
    spend_cost=0.25,
    tail_periods=1,
)


HAND_SCENARIO = Scenario(
    price_shock=columns((0.0, 0.0), (0.0, 0.0)),
    media=columns((2.0, 0.65), (0.5, 13 / 6)),
    drift=columns((1.0, 1.5), (1.0, 0.5)),
    delivery=columns((0.5, 1.0), (2.0, 1.5)),
    sales_noise=np.array([3.0, -2.0]),
    curves=Hill(np.array([10.0, 20.0]), np.array([5.0, 4.0]), np.array([1.0, 2.0])),
    theta=np.array([0.5, 0.0]),
)


HAND_ORDERS = columns((8.0, 10.0), (4.0, 2.0))


def stacked(scenario: Scenario, times: int) -> Scenario:
    paths = {
        field.name: np.repeat(getattr(scenario, field.name)[:, None], times, axis=1)
        for field in fields(scenario)
        if field.name not in ("curves", "theta", "weights", "uncut_shock")
    }
    assert scenario.curves is not None and scenario.theta is not None
    curves = scenario.curves.map(lambda parameter: np.tile(parameter, (times, 1)))
    return Scenario(**paths, curves=curves, theta=np.tile(scenario.theta, (times, 1)))


@pytest.mark.parametrize("num_envs", [None, 3])
def test_two_periods_of_everything_by_hand(num_envs: int | None) -> None:
    """
    Period 1: (8, 4) ordered, (4, 8) delivered, (8, 4) media: adstocks 8, 4. Period 2: (10, 3) delivered, but only 8 are
    left: 8/13 of it, (4, 4) media: adstocks 6, 4. Idle adstocks of a: 4, 2, and 1 in the tail; with spend 3.
    """
    campaign = CampaignSimulator(HAND, 20.0, 2, num_envs)
    shape = campaign.batch_shape
    campaign.reset(HAND_SCENARIO if num_envs is None else stacked(HAND_SCENARIO, num_envs))
    first, second = (campaign.step(np.broadcast_to(order, (*shape, 2))) for order in HAND_ORDERS)

    def same(array: object, value: object) -> None:
        np.testing.assert_allclose(array, np.broadcast_to(value, (*shape, *np.shape(value))), rtol=1e-13)

    same(first.spend, [4.0, 8.0])
    same(second.spend, [80 / 13, 24 / 13])
    same(first.adstock, [8.0, 4.0])
    same(second.adstock, [6.0, 4.0])
    same(first.sales, [80 / 13, 10.0])
    same(second.sales, [180 / 11, 10.0])
    same(first.total_sales, 80 / 13 + 10 + 3)
    same(second.total_sales, 180 / 11 + 10 - 2)
    same(first.value, 0.5 * (80 / 13 + 10 + 3 - 40 / 9) - 0.25 * 12)
    same(second.value, 0.5 * (180 / 11 + 10 - 2 - 60 / 7) - 0.25 * 8)
    same(first.tail, 0.0)
    same(second.tail, 0.5 * (15 * 3 / 8 - 15 * 1 / 6))
    assert not np.any(first.overspent) and np.all(second.overspent)
    same(campaign.budget_left, 0.0)
    same(campaign.demand, [3.0, 1.0])


@given(random_markets(), st.integers(1, 6), st.floats(1.0, 2000.0), st.integers(0, 2**20))
@settings(max_examples=100, deadline=None)
def test_what_is_delivered_stays_within_the_budget(market: Market, periods: int, budget: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    campaign = CampaignSimulator(market, budget, periods, 3)
    scenario = scenarios(market, periods, 3, seed)
    campaign.reset(scenario)
    spent = np.zeros(3)
    for t in range(periods):
        order = rng.uniform(0.0, 2.0 * budget / periods, (3, len(market.names)))
        meant = order if scenario.delivery is None else order * scenario.delivery[t]
        left = campaign.budget_left
        step = campaign.step(order)
        np.testing.assert_array_equal(step.overspent, meant.sum(axis=1) > left * (1 + 1e-9))
        np.testing.assert_allclose(step.spend, meant * np.minimum(left / meant.sum(axis=1), 1.0)[:, None], rtol=1e-9)
        spent += step.spend.sum(axis=1)
        assert np.all(campaign.budget_left >= 0.0)
        np.testing.assert_allclose(campaign.budget_left, budget - spent, atol=1e-9 * budget)
    assert np.all(spent <= budget * (1 + 1e-12))


@given(random_markets(noise=False), st.integers(1, 8), st.sampled_from([None, 1, 4]), st.integers(0, 2**20))
@settings(max_examples=100, deadline=None)
def test_zero_spend_earns_exactly_nothing(market: Market, periods: int, num_envs: int | None, seed: int) -> None:
    campaign = CampaignSimulator(market, 100.0, periods, num_envs)
    scenario = scenarios(market, periods, num_envs or 1, seed)
    values = play(
        campaign,
        np.zeros((periods, *campaign.batch_shape, len(market.names))),
        scenario.of(0) if num_envs is None else scenario,
    )
    np.testing.assert_array_equal(values, np.zeros((periods, *campaign.batch_shape)))


@given(random_markets(), st.integers(1, 6), st.integers(0, 2**20))
@settings(max_examples=100, deadline=None)
def test_value_is_sales_beyond_idle_minus_costs(market: Market, periods: int, seed: int) -> None:
    """The definition, spelt out over the whole campaign and the tail; noise is the same for every plan."""
    scenario = scenarios(market, periods, 1, seed).of(0)
    real, shape = real_market(market, scenario), (periods, len(market.names))
    orders = np.random.default_rng(seed).uniform(0.0, 50.0, shape)
    spend = orders if scenario.delivery is None else orders * scenario.delivery
    media = spend if scenario.media is None else spend * scenario.media
    drift = np.ones(shape) if scenario.drift is None else scenario.drift
    demand = np.vstack([market.season_factors(periods)[:, None] * drift, np.tile(drift[-1], (market.tail_periods, 1))])
    after = np.tile(market.spend_afterwards, (market.tail_periods, 1))
    longer, idle = np.vstack([media, after]), np.vstack([0.0 * media, after])
    gained = demand * (real.sales(longer) - real.sales(idle))
    noise = 0.0 if scenario.sales_noise is None else scenario.sales_noise.sum()
    value = market.margin * (gained.sum() + noise) - market.spend_cost * spend.sum()
    found = sum(play(CampaignSimulator(market, spend.sum() * 1.01, periods), orders, scenario))
    scale = market.margin * demand.sum() * real.beta.sum() + market.margin * abs(noise) + spend.sum() + 1.0
    assert found == pytest.approx(value, abs=1e-11 * scale)


@pytest.mark.parametrize("preset", RANDOM)
def test_value_of_a_plan_is_that_under_expectation(preset: str) -> None:
    market = PRESETS[preset]()
    plan = np.random.default_rng(0).uniform(0.0, 3000.0, (28, 2))
    campaign = CampaignSimulator(market, 1e5, 28)
    certain = CampaignSimulator(replace(market, randomness=Randomness()), 1e5, 28)
    campaign.reset(scenarios(market, 28, 1, 0).of(0))
    campaign.step(plan[0])
    assert campaign.plan_value(plan) == certain.plan_value(plan)
    assert campaign.plan_value(plan) != pytest.approx(sum(play(campaign, plan, campaign.scenario)), rel=1e-6)
    assert plan_optimal(market, 1e5, 28).value == plan_optimal(certain.market, 1e5, 28).value


def test_reset_without_a_scenario_is_the_expected_campaign() -> None:
    campaign = CampaignSimulator(HAND, 20.0, 2)
    expected = [step.value + step.tail for step in map(campaign.step, HAND_ORDERS)]
    play(campaign, HAND_ORDERS, HAND_SCENARIO)
    assert campaign.scenario is HAND_SCENARIO
    campaign.reset()
    assert [step.value + step.tail for step in map(campaign.step, HAND_ORDERS)] == expected


@given(random_markets(), st.integers(1, 5), st.integers(0, 2**20))
@settings(max_examples=40, deadline=None)
def test_batch_is_many_single_campaigns(market: Market, periods: int, seed: int) -> None:
    orders = np.random.default_rng(seed).uniform(0.0, 100.0, (periods, 3, len(market.names)))
    batch, single = (CampaignSimulator(market, 150.0, periods, num_envs) for num_envs in (3, None))
    scenario = scenarios(market, periods, 3, seed)
    together = np.array(play(batch, orders, scenario))
    for env in range(3):
        alone = play(single, orders[:, env], scenario.of(env))
        np.testing.assert_allclose(together[:, env], alone, rtol=1e-10, atol=1e-9)
