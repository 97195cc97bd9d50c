from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ad_spend_strategies import EVERYTHING, RANDOM, SMALL, actions_of, columns, markets, one_line, run
from hypothesis import given, settings
from hypothesis import strategies as st

import sb3_ext  # noqa: F401
from sb3_ext.envs.ad_spend import AdSpendEnv, AdSpendVectorEnv, Channel, Market, Randomness
from sb3_ext.envs.ad_spend.campaign.observations import ObservationMap
from sb3_ext.envs.ad_spend.campaign.simulator import CampaignSimulator
from sb3_ext.envs.ad_spend.market.presets import PRESETS


@given(markets(), st.sampled_from(["full", "partial", "spend"]), st.integers(0, 2**20))
@settings(max_examples=100, deadline=None)
def test_batches_are_observed_as_single_campaigns_are(market: Market, mode, seed: int) -> None:
    rng = np.random.default_rng(seed)
    cap = rng.uniform(50.0, 100.0, len(market.names))
    batch, single = (CampaignSimulator(market, 300.0, 3, num_envs) for num_envs in (4, None))
    many, one = (ObservationMap(mode, campaign, cap) for campaign in (batch, single))
    spends = rng.uniform(0.0, 50.0, (3, 4, len(market.names)))
    last, alone = None, None
    for t in range(4):
        observations, observation = many.observe(batch, last), one.observe(single, alone)
        assert observations.shape == (4, len(many.names)) and observations.dtype == np.float32
        assert all(many.space.contains(row) for row in observations)
        np.testing.assert_allclose(observations[2], observation, rtol=1e-6)
        if t < 3:
            last, alone = batch.step(spends[t]), single.step(spends[t, 2])


def test_amounts_are_what_the_campaigns_have() -> None:
    market = Market((Channel("a", beta=9.0, kappa=2.0, theta=0.5), Channel("b", beta=3.0, kappa=7.0)))
    campaigns = CampaignSimulator(market, 30.0, 3, num_envs=2)
    observer = ObservationMap("full", campaigns, np.array([5.0, 8.0]), lags=1)
    last = None
    for spend in ([[1.0, 2.0], [3.0, 0.0]], [[4.0, 1.0], [0.0, 2.0]]):
        observer.observe(campaigns, last)
        last = campaigns.step(np.array(spend))
    observation = observer.observe(campaigns, last)
    assert [block.name for block in observer.blocks] == [
        *("spend", "sales", "budget_left", "adstock", "pace", "time_left", "spend_lag1", "sales_lag1")
    ]
    amounts = {block.name: observer.amounts(block.name, observation) for block in observer.blocks}
    np.testing.assert_allclose(amounts["spend"], [[4, 1], [0, 2]], rtol=1e-6)
    np.testing.assert_allclose(amounts["spend_lag1"], [[1, 2], [3, 0]], rtol=1e-6)
    np.testing.assert_allclose(amounts["sales"], last.total_sales, rtol=1e-6)
    np.testing.assert_allclose(amounts["budget_left"], [22, 25], rtol=1e-6)
    np.testing.assert_allclose(amounts["adstock"], campaigns.adstock, rtol=1e-6)
    np.testing.assert_allclose(amounts["time_left"], 1 / 3, rtol=1e-6)
    np.testing.assert_array_equal(observer.amounts("adstock_b", observation), amounts["adstock"][:, 1])


def test_observations_are_new_arrays() -> None:
    campaign = CampaignSimulator(Market((Channel("a", beta=1.0, kappa=1.0),)), 10.0, 3)
    observer = ObservationMap("full", campaign, np.array([5.0]))
    first = observer.observe(campaign, None)
    kept = first.copy()
    observer.observe(campaign, campaign.step(np.array([5.0])))
    np.testing.assert_array_equal(first, kept)


def test_adstock_of_a_lavish_past_is_within_the_bounds() -> None:
    market = Market((Channel("a", beta=1.0, kappa=2.0, theta=0.9, historical_mean=50.0),))
    campaign = CampaignSimulator(market, 10.0, 3)
    observer = ObservationMap("full", campaign, np.array([5.0]))
    observation = observer.observe(campaign, None)
    assert observation[observer.names.index("adstock_a")] == 25.0
    assert observer.space.contains(observation)


@pytest.mark.parametrize(
    ("random", "highest"),
    [
        (Randomness(), {"spend_a": 1.0, "adstock_a": 2.5}),
        (Randomness(price_sigma=0.2), {"spend_a": 1.0, "adstock_a": 2.5 * np.e, "price_shock_a": 5.0}),
        (Randomness(delivery_sigma=0.2), {"spend_a": 2.0, "adstock_a": 5.0}),
        (Randomness(price_sigma=0.2, delivery_sigma=0.2), {"spend_a": 2.0, "adstock_a": 5.0 * np.e}),
    ],
)
def test_bounds_leave_room_for_what_is_random(random: Randomness, highest: dict[str, float]) -> None:
    """Media of cap 5 and kappa 2: up to 5 deviations of 0.2 cheaper, up to twice the order."""
    market = Market((Channel("a", beta=1.0, kappa=2.0, theta=0.5),), randomness=random)
    observer = ObservationMap("full", CampaignSimulator(market, 10.0, 3), np.array([5.0]))
    bounds = dict(zip(observer.names, observer.space.high.tolist(), strict=True))
    assert {name: bounds[name] for name in highest} == pytest.approx(highest)
    assert ("price_shock_a" in bounds) is (random.price_sigma > 0)


def test_bounds_of_noisy_sales_are_five_deviations_wide() -> None:
    market = Market((Channel("a", beta=40.0, kappa=2.0),), season=(1.0, 2.0), randomness=Randomness(sales_sigma=0.1))
    observer = ObservationMap("partial", CampaignSimulator(market, 30.0, 3), np.array([15.0]))
    at = observer.names.index("sales")
    assert (observer.space.low[at], observer.space.high[at]) == pytest.approx((-20 / 10, (80 + 20) / 10))


@given(st.integers(1, 40), st.sampled_from(["full", "partial"]))
@settings(max_examples=30, deadline=None)
def test_urgency_is_one_over_the_periods_left(periods: int, mode) -> None:
    market = Market((Channel("a", beta=1.0, kappa=1.0),))
    campaign = CampaignSimulator(market, 10.0, periods)
    observer = ObservationMap(mode, campaign, np.array([5.0]), urgency=True)
    at, last = observer.names.index("urgency"), None
    assert observer.names.index("time_left") == at - 1
    assert (observer.space.low[at], observer.space.high[at]) == (0.0, 1.0)
    for left in range(periods, -1, -1):
        # At the end no period is left, and it stays at 1.
        assert observer.observe(campaign, last)[at] == np.float32(1.0 / max(left, 1))
        if left:
            last = campaign.step(np.zeros(1))


def test_urgency_and_belief_are_shown_only_where_asked_for() -> None:
    market = Market((Channel("a", beta=1.0, kappa=1.0),), randomness=Randomness(beta_sigma=0.5))
    campaign = CampaignSimulator(market, 10.0, 3)
    names = {
        extra: set(ObservationMap("full", campaign, np.ones(1), **{extra: True}).names)
        for extra in ("urgency", "belief")
    }
    plain = set(ObservationMap("full", campaign, np.ones(1)).names)
    assert names["urgency"] - plain == {"urgency"} and plain < names["belief"]
    assert {name.split("_")[0] for name in names["belief"] - plain} == {"belief", "doubt", "marginal"}


@pytest.mark.parametrize("extra", ["urgency", "belief"])
def test_spends_alone_show_neither_urgency_nor_belief(extra: str) -> None:
    market = Market((Channel("a", beta=1.0, kappa=1.0),), randomness=Randomness(beta_sigma=0.5))
    with pytest.raises(ValueError) as error:
        ObservationMap("spend", CampaignSimulator(market, 10.0, 3), np.ones(1), **{extra: True})
    one_line(error, extra, "obs_mode")


@pytest.mark.parametrize("mode", ["", "Full", None, 1])
def test_unknown_modes(mode) -> None:
    campaign = CampaignSimulator(Market((Channel("a", beta=1.0, kappa=1.0),)), 10.0, 3)
    with pytest.raises(ValueError) as error:
        ObservationMap(mode, campaign, np.ones(1), 1.0)
    one_line(error, "obs_mode", "full", repr(mode))


def test_partial_observations_leave_out_the_adstock_alone() -> None:
    full, partial = (AdSpendEnv(SMALL, budget=20.0, periods=3, obs_mode=mode) for mode in ("full", "partial"))
    assert [n for n in full.observation_names if not n.startswith("adstock_")] == list(partial.observation_names)
    keep = [full.observation_names.index(name) for name in partial.observation_names]
    actions = np.random.default_rng(0).uniform(-1, 1, (3, 2)).astype(np.float32)
    np.testing.assert_array_equal(np.array(run(full, actions)[0])[:, keep], run(partial, actions)[0])


def test_lagged_observations_by_hand() -> None:
    env = AdSpendEnv(SMALL, budget=40.0, periods=4, action_mode="currency", obs_mode="partial", lags=2)
    assert env.observation_names[-6:] == (
        *("spend_a_lag1", "spend_b_lag1", "sales_lag1"),
        *("spend_a_lag2", "spend_b_lag2", "sales_lag2"),
    )
    plain = AdSpendEnv(SMALL, budget=40.0, periods=4, action_mode="currency", obs_mode="partial")
    actions = columns((6, 0, 3, 1), (2, 4.5, 0, 7))
    for _ in range(2):
        observations, expected = np.array(run(env, actions)[0]), np.array(run(plain, actions)[0])
        np.testing.assert_array_equal(observations[:, :-6], expected)
        recent = np.vstack([np.zeros((2, 3)), expected[:, :3]])
        np.testing.assert_array_equal(observations[:, -6:-3], recent[1:-1])
        np.testing.assert_array_equal(observations[:, -3:], recent[:-2])
    np.testing.assert_allclose(observations[3, -6:], [0, 4.5 / 7, 12.8, 6 / 20, 2 / 7, 6.0], rtol=1e-6)


def test_spend_observations() -> None:
    shares = AdSpendEnv(SMALL, budget=20.0, periods=2, obs_mode="spend", action_mode="currency")
    np.testing.assert_allclose(
        run(shares, columns((6, 1), (2, 3)))[0], [[0, 0], [6 / 20, 2 / 7], [1 / 20, 3 / 7]], rtol=1e-6
    )
    money = AdSpendEnv(SMALL, budget=20.0, periods=2, obs_range=([0, 0], [5, 7]), action_mode="currency")
    assert money.observation_names == ("spend_a", "spend_b")
    np.testing.assert_array_equal([money.observation_space.low, money.observation_space.high], [[0, 0], [5, 7]])
    np.testing.assert_allclose(run(money, columns((6, 1), (2, 3)))[0], [[0, 0], [5, 2], [1, 3]])


def test_calendar_is_observed_only_where_demand_varies() -> None:
    assert AdSpendEnv("adstock").observation_names[-2:] == ("pace", "time_left")
    assert AdSpendEnv("seasonal").observation_names[-4:] == ("time_left", "demand_index", "season_sin", "season_cos")


def test_season_phase_is_of_the_year_for_weekly_periods() -> None:
    env = AdSpendEnv(replace(SMALL, period_days=7.0), budget=20.0, periods=2)
    observation = dict(zip(env.observation_names, run(env, np.zeros((2, 2)))[0][1], strict=True))
    assert observation["season_sin"] == pytest.approx(np.sin(2 * np.pi * 7 / 365.25))


@pytest.mark.parametrize("market", [*RANDOM, "everything"])
def test_observations_are_in_their_space(market: str) -> None:
    envs = AdSpendVectorEnv(1000, EVERYTHING if market == "everything" else market, lags=2)
    rng = np.random.default_rng(0)
    observation, _ = envs.reset(seed=0)
    for _ in range(2 * 28 + 1):
        assert np.all(observation >= envs.observation_space.low)
        assert np.all(observation <= envs.observation_space.high)
        assert np.all(np.isfinite(observation))
        # Big bets, small ones, and none.
        actions = rng.uniform(-1, 1, envs.action_space.shape) * rng.choice([0, 1, 5], size=(1000, 1)) - 0.2
        observation, rewards, *_ = envs.step(actions.astype(np.float32))
        assert np.all(np.isfinite(rewards))


@pytest.mark.parametrize("mode", ["full", "partial", "spend", "money"])
def test_observations_are_in_their_space_where_everything_is_as_random_as_allowed(mode: Any) -> None:
    wild = Randomness(2.0, 0.99, 2.0, 2.0, drift_sigma=2.0, delivery_sigma=2.0, sales_sigma=10.0)
    observed: dict[str, Any] = {"obs_range": (0.0, 100.0)} if mode == "money" else {"obs_mode": mode}
    if mode in ("full", "partial"):
        observed["lags"] = 1
    envs = AdSpendVectorEnv(300, replace(EVERYTHING, randomness=wild), **observed)
    observation, _ = envs.reset(seed=3)
    for step in range(29):
        assert np.all((envs.observation_space.low <= observation) & (observation <= envs.observation_space.high))
        observation, rewards, *_ = envs.step(actions_of(envs, -0.5 if step % 2 else 1.0))
        assert np.all(np.isfinite(rewards))


def test_entries_are_what_their_names_say() -> None:
    market = replace(EVERYTHING, randomness=replace(EVERYTHING.randomness, drift_sigma=0.0))
    envs = AdSpendVectorEnv(5, market, 1e5, periods=8, lags=3)
    assert envs.observation_names == (
        *("spend_facebook", "spend_instagram", "sales", "budget_left", "adstock_facebook", "adstock_instagram"),
        *("pace", "time_left", "demand_index", "season_sin", "season_cos"),
        *("price_shock_facebook", "price_shock_instagram"),
        *("spend_facebook_lag1", "spend_instagram_lag1", "sales_lag1"),
        *("spend_facebook_lag2", "spend_instagram_lag2", "sales_lag2"),
        *("spend_facebook_lag3", "spend_instagram_lag3", "sales_lag3"),
    )
    cap, season = envs.spend_bounds[1], market.season_factors(8)
    observation, info = envs.reset(seed=4)
    scenario = envs.scenario
    spends, sales = [np.zeros((5, 2))] * 4, [np.zeros(5)] * 4
    for t in range(9):
        seen = dict(zip(envs.observation_names, observation.T, strict=True))
        for lag in range(4):
            suffix = f"_lag{lag}" if lag else ""
            for channel, name in enumerate(market.names):
                np.testing.assert_allclose(seen[f"spend_{name}{suffix}"], spends[-1 - lag][:, channel], rtol=1e-6)
            np.testing.assert_allclose(seen[f"sales{suffix}"], sales[-1 - lag], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(seen["budget_left"], info["budget_left"] / 1e5, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(seen["time_left"], 1 - t / 8, rtol=1e-6)
        pace = info["budget_left"] / (max(8 - t, 1) * cap.sum())
        np.testing.assert_allclose(seen["pace"], np.minimum(pace, 1), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(seen["demand_index"], season[t] if t < 8 else 1.0, rtol=1e-6)
        for channel, name in enumerate(market.names):
            shocks = scenario.price_shock[t, :, channel] / 0.3 if t < 8 else np.zeros(5)
            np.testing.assert_allclose(seen[f"price_shock_{name}"], shocks, rtol=1e-6)
        if t < 8:
            actions = np.random.default_rng(t).uniform(-1, 0, (5, 2)).astype(np.float32)
            observation, *_, info = envs.step(actions)
            spends.append(info["spend"] / cap)
            sales.append((info["sales"].sum(axis=1) + scenario.sales_noise[t]) / (1e5 / 8))


def test_lags_begin_empty_in_every_campaign() -> None:
    envs = AdSpendVectorEnv(2, "uncertain", periods=3, lags=2, autoreset_mode="SameStep")
    envs.reset(seed=1)
    for _ in range(2):
        for _ in range(3):
            observation = envs.step(actions_of(envs))[0]
        lagged = ["lag" in name or name.startswith(("spend", "sales")) for name in envs.observation_names]
        np.testing.assert_array_equal(observation[:, lagged], 0.0)


@pytest.mark.parametrize("preset", PRESETS)
def test_what_is_seen_depends_on_what_varies(preset: str) -> None:
    market = PRESETS[preset]()
    for mode in ("full", "partial"):
        names = AdSpendVectorEnv(1, market, 1e5, obs_mode=mode).observation_names
        assert any("price_shock" in name for name in names) is (market.randomness.price_sigma > 0)
        assert ("demand_index" in names) is (preset == "seasonal")
        assert any("adstock" in name for name in names) is (mode == "full")
    assert AdSpendVectorEnv(1, market, 1e5, obs_mode="spend").observation_names == ("spend_facebook", "spend_instagram")
