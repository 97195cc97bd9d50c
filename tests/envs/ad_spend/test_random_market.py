"""Campaigns where something is random: what happens in them, and the best that could have been done."""

import copy
import pickle
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from ad_spend_strategies import columns, feasible_plans, markets, one_line, real_market
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sb3_ext.envs.ad_spend import AdSpendEnv, Channel, Market, Randomness, plan_clairvoyant, plan_optimal
from sb3_ext.envs.ad_spend.campaign.scenario import Scenario, ScenarioSampler
from sb3_ext.envs.ad_spend.campaign.simulator import CampaignSimulator
from sb3_ext.envs.ad_spend.market.curves import Hill
from sb3_ext.envs.ad_spend.market.presets import PRESETS
from sb3_ext.envs.ad_spend.optimum.outlook import Outlook
from sb3_ext.envs.ad_spend.optimum.references import campaign_references

RANDOM = [name for name, preset in PRESETS.items() if preset().randomness.any]


def sigmas(highest: float = 0.6) -> st.SearchStrategy[float]:
    return st.sampled_from([0.0, 0.3]) | st.floats(0.01, highest)


@st.composite
def random_markets(
    draw: st.DrawFn, alpha: tuple[float, float] = (0.3, 3.0), noise: bool = True, max_channels: int = 3
) -> Market:
    """Markets where anything may be random, parameters among it, drawn or from draws."""
    market = draw(markets(alpha=alpha, max_channels=max_channels))
    from_draws = draw(st.booleans())
    scales = draw(st.lists(st.floats(0.3, 3.0), min_size=2, max_size=2)) if from_draws else []
    draws = tuple(
        tuple(replace(c, beta=c.beta * k, kappa=c.kappa / k, theta=c.theta / (1 + k)) for c in market.channels)
        for k in scales
    )
    random = Randomness(
        draw(sigmas()),
        draw(st.floats(0.0, 0.99)),
        0.0 if from_draws else draw(sigmas()),
        0.0 if from_draws else draw(sigmas()),
        from_draws,
        draw(sigmas()),
        draw(sigmas(2.0)),
        draw(sigmas()) if noise else 0.0,
    )
    return replace(market, draws=draws, randomness=random)


def scenarios(market: Market, periods: int, campaigns: int, seed: int) -> Scenario:
    sampler = ScenarioSampler(market, periods)
    sampler.seed([np.random.default_rng(seed + i) for i in range(campaigns)])
    return sampler.draw()


def play(campaign: CampaignSimulator, orders: np.ndarray, scenario: Scenario) -> list[np.ndarray]:
    """Values of the periods, tail included in the last."""
    campaign.reset(scenario)
    return [np.asarray(step.value + step.tail) for step in map(campaign.step, orders)]


# The simulator

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
        if field.name not in ("curves", "theta")
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
    longer = np.vstack([media, np.zeros((market.tail_periods, shape[1]))])
    gained = demand * (real.response(real.adstock(longer)) - real.response(real.adstock(0.0 * longer)))
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


@given(random_markets())
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_saving_and_loading_keeps_the_randomness(tmp_path: Path, market: Market) -> None:
    market.save(tmp_path / "market.json")
    loaded = Market.load(tmp_path / "market.json")
    assert loaded == market
    assert hash(loaded) == hash(market)


# The environment


def episode(env: AdSpendEnv, seed: int | None, level: float = 0.0) -> tuple[np.ndarray, np.ndarray, Scenario, list]:
    observation, _ = env.reset(seed=seed)
    observations, rewards, infos = [observation], [], []
    for _ in range(env.periods):
        observation, reward, *_, info = env.step(np.full(env.action_space.shape, level, dtype=np.float32))
        observations.append(observation)
        rewards.append(reward)
        infos.append(info)
    return np.array(observations), np.array(rewards), env.scenario, infos


def same_scenario(first: Scenario, second: Scenario) -> bool:
    def parts(scenario: Scenario) -> list[np.ndarray]:
        paths = [getattr(scenario, field.name) for field in fields(scenario) if field.name != "curves"]
        drawn = scenario.curves
        paths += [] if drawn is None else [drawn.beta, drawn.kappa, drawn.alpha]
        return [path for path in paths if path is not None]

    pairs = zip(parts(first), parts(second), strict=True)
    return all(np.array_equal(one, other) for one, other in pairs)


@pytest.mark.parametrize("preset", RANDOM)
def test_policies_with_equal_seeds_face_the_same_path(preset: str) -> None:
    timid, bold = (
        AdSpendEnv(preset, periods=5),
        AdSpendEnv(preset, periods=5, obs_mode="partial", action_mode="currency"),
    )
    for seed in (1, None, None):
        bold.np_random.random(7)
        paths = [episode(timid, seed, -0.9)[2], episode(bold, seed, 1e4)[2]]
        assert same_scenario(*paths)


@pytest.mark.parametrize("preset", RANDOM)
def test_episodes_differ_and_seeds_repeat_them(preset: str) -> None:
    env = AdSpendEnv(preset, periods=5)
    first, second, again, other = (episode(env, seed) for seed in (1, None, 1, 2))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    # Drift starts in the second period.
    assert not np.any(first[1][1:] == second[1][1:])
    assert not np.any(first[1][1:] == other[1][1:])


@pytest.mark.parametrize("preset", RANDOM)
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_copies_in_the_middle_continue_the_same_path(preset: str, copied) -> None:
    env = AdSpendEnv(preset, periods=4, lags=2)
    env.reset(seed=7)
    env.step(np.zeros(2, dtype=np.float32))
    twin = copied(env)
    for one in (env, twin):
        for _ in range(3):
            one.step(np.ones(2, dtype=np.float32))
    np.testing.assert_array_equal([p.total_sales for p in env.history], [p.total_sales for p in twin.history])
    for _ in range(2):
        mine, its = episode(env, None), episode(twin, None)
        np.testing.assert_array_equal(mine[0], its[0])
        np.testing.assert_array_equal(mine[1], its[1])


def test_unseeded_environments_differ() -> None:
    paths = [episode(AdSpendEnv("shock", periods=3), None)[2].price_shock for _ in range(2)]
    assert not np.any(paths[0] == paths[1])


@pytest.mark.parametrize("preset", PRESETS)
def test_references_are_there_where_asked_for(preset: str) -> None:
    market = PRESETS[preset]()
    keys = {"even_value", "optimal_value", "optimal_upper_bound", "regret", "normalized_score"}
    for asked, there in ((None, not market.randomness.any), (True, True), (False, False)):
        last = episode(AdSpendEnv(market, 2e4, periods=4, references=asked), 3)[3][-1]
        assert keys & set(last) == (keys if there else set())


@pytest.mark.parametrize("preset", RANDOM)
def test_references_of_a_random_campaign(preset: str) -> None:
    env = AdSpendEnv(preset, references=True)
    _, rewards, scenario, infos = episode(env, 11, 0.3)
    last = infos[-1]
    value = env.reward_scale * rewards.sum()
    assert last["campaign_value"] == pytest.approx(value)
    assert last["regret"] == pytest.approx(last["optimal_value"] - value)
    assert last["regret"] > 0.0
    assert last["optimal_value"] <= last["optimal_upper_bound"]
    gain = last["optimal_value"] - last["even_value"]
    assert last["normalized_score"] == pytest.approx((value - last["even_value"]) / gain)
    # The same campaign once more, evenly and by the clairvoyant's plan.
    even = episode(env, 11, -0.5)[3][-1]
    assert even["normalized_score"] == pytest.approx(0.0, abs=1e-5)
    plan = plan_clairvoyant(env.market, env.budget, env.periods, env.spend_bounds[1], scenario)
    orders = plan.spend if scenario.delivery is None else plan.spend / scenario.delivery
    env.reset(seed=11)
    for order in orders:
        info = env.step(env.action_map.to_action(order))[4]
    assert info["normalized_score"] == pytest.approx(1.0, abs=1e-4)
    assert info["regret"] == pytest.approx(0.0, abs=1e-4 * gain)


# The clairvoyant


def simulated(market: Market, budget: float, scenario: Scenario, orders: np.ndarray) -> float:
    return float(sum(play(CampaignSimulator(market, budget, len(orders)), orders, replace(scenario, sales_noise=None))))


def money(market: Market, budget: float, scenario: Scenario, periods: int) -> float:
    """A scale for rounding errors."""
    outlook = Outlook.of_scenario(market, periods, scenario)
    return market.margin * outlook.demand.sum() * outlook.curves.beta.sum() + market.spend_cost * budget + 1.0


@given(
    random_markets(alpha=(0.3, 1.0), max_channels=2), st.integers(1, 6), st.floats(20.0, 1000.0), st.integers(0, 2**20)
)
@settings(max_examples=25, deadline=None)
def test_nobody_beats_the_clairvoyant(market: Market, periods: int, budget: float, seed: int) -> None:
    cap = market.spend_caps(budget, periods)
    scenario = scenarios(market, periods, 1, seed).of(0)
    plan = plan_clairvoyant(market, budget, periods, cap, scenario)
    delivered = 1.0 if scenario.delivery is None else scenario.delivery
    scale = money(market, budget, scenario, periods)
    assert np.all(plan.spend >= 0.0)
    assert np.all(plan.spend <= cap * delivered)
    assert plan.spend.sum() <= budget
    assert simulated(market, budget, scenario, plan.spend / delivered) == pytest.approx(plan.value, abs=1e-9 * scale)
    assert plan.value <= plan.upper_bound <= plan.value + 1e-5 * abs(plan.value) + 1e-7 * scale
    rng = np.random.default_rng(seed)
    others = feasible_plans(rng, 12, np.zeros_like(cap), cap, budget, periods)
    others.append(plan_optimal(market, budget, periods).spend)
    others.append(np.broadcast_to(np.minimum(cap, budget / periods / len(cap)), (periods, len(cap))))
    for near in (0.9, 0.99, 1.01):
        others.append(np.minimum(near * plan.spend / delivered, cap))
    for orders in others:
        assert simulated(market, budget, scenario, orders) <= plan.upper_bound + 1e-9 * scale


@given(
    random_markets(alpha=(0.5, 3.0), max_channels=2), st.integers(1, 4), st.floats(20.0, 1000.0), st.integers(0, 2**20)
)
@settings(max_examples=10, deadline=None)
def test_nobody_beats_the_clairvoyants_bound_on_s_curves(
    market: Market, periods: int, budget: float, seed: int
) -> None:
    cap = market.spend_caps(budget, periods)
    scenario = scenarios(market, periods, 1, seed).of(0)
    plan = plan_clairvoyant(market, budget, periods, cap, scenario)
    delivered = 1.0 if scenario.delivery is None else scenario.delivery
    scale = money(market, budget, scenario, periods)
    assert np.all(plan.spend <= cap * delivered * (1 + 1e-12))
    assert plan.spend.sum() <= budget * (1 + 1e-12)
    assert simulated(market, budget, scenario, plan.spend / delivered) == pytest.approx(plan.value, abs=1e-9 * scale)
    assert plan.value <= plan.upper_bound + 1e-9 * scale
    for orders in feasible_plans(np.random.default_rng(seed), 30, np.zeros_like(cap), cap, budget, periods):
        assert simulated(market, budget, scenario, orders) <= plan.upper_bound + 1e-9 * scale


@given(markets(alpha=(0.3, 1.0), max_channels=2), st.integers(1, 6))
@settings(max_examples=15, deadline=None)
def test_without_randomness_the_clairvoyant_knows_nothing_more(market: Market, periods: int) -> None:
    cap = market.spend_caps(100.0, periods)
    first, second = plan_clairvoyant(market, 100.0, periods, cap, Scenario()), plan_optimal(market, 100.0, periods)
    np.testing.assert_array_equal(first.spend, second.spend)
    assert (first.value, first.upper_bound) == (second.value, second.upper_bound)


def test_clairvoyant_of_one_period_by_hand() -> None:
    """
    Cheap media: maximise 2 * 100 m / (20 + m) - x with m = 5 x: m = sqrt(2 * 100 * 20 * 5) - 20, unless fewer come.
    """
    market = Market((Channel("a", beta=1.0, kappa=20.0),), spend_cost=1.0, tail_periods=0)
    curves = Hill(np.array([100.0]), np.array([20.0]), np.ones(1))
    free = Scenario(media=np.array([[5.0]]), drift=np.array([[2.0]]), curves=curves)
    media = np.sqrt(2 * 100 * 20 * 5) - 20
    plan = plan_clairvoyant(market, 100.0, 1, [50.0], free, tolerance=1e-9)
    assert plan.spend[0, 0] == pytest.approx(media / 5, rel=1e-3)
    assert plan.value == pytest.approx(200 * media / (20 + media) - media / 5, rel=1e-8)
    scarce = replace(free, delivery=np.array([[0.1]]))
    plan = plan_clairvoyant(market, 100.0, 1, [50.0], scarce, tolerance=1e-9)
    assert plan.spend[0, 0] == pytest.approx(5.0, rel=1e-6)
    assert plan.value == pytest.approx(200 * 25 / 45 - 5, rel=1e-6)


@pytest.mark.parametrize("preset", RANDOM)
def test_clairvoyants_need_the_scenario_of_one_whole_campaign(preset: str) -> None:
    market, cap = PRESETS[preset](), np.full(2, 1e4)
    batch, short = scenarios(market, 28, 28, 0), scenarios(market, 20, 1, 0).of(0)
    wrong = [batch] if preset == "uncertain" else [batch, short]
    for scenario in [] if preset == "noisy" else wrong:
        with pytest.raises(ValueError) as error:
            plan_clairvoyant(market, 1e5, 28, cap, scenario)
        one_line(error, "scenario", "one campaign", "28 periods", "2 channels")
    with pytest.raises(ValueError) as error:
        plan_clairvoyant(market, 1e5, "28", cap, short)  # type: ignore[arg-type]
    one_line(error, "periods", "'28'")


def test_noise_shifts_even_pacing_and_the_optimum_alike() -> None:
    market = replace(PRESETS["noisy"](), margin=0.5)
    scenario = scenarios(market, 28, 1, 0).of(0)
    cap = market.spend_caps(1e5, 28)
    even, plan = campaign_references(market, 1e5, 28, cap, scenario)
    quiet_even, quiet = campaign_references(market, 1e5, 28, cap, replace(scenario, sales_noise=None))
    luck = 0.5 * scenario.sales_noise.sum()
    assert even - quiet_even == pytest.approx(luck)
    assert plan.value - quiet.value == pytest.approx(luck)
    assert plan.upper_bound - quiet.upper_bound == pytest.approx(luck)
