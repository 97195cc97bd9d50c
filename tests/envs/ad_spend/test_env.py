from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ad_spend_strategies import (
    ACTION_MODES,
    OBS_MODES,
    SMALL,
    assert_clean,
    checked,
    columns,
    diminishing,
    markets,
    one_line,
    run,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3.common.vec_env import DummyVecEnv

import sb3_ext  # noqa: F401
from sb3_ext.envs.ad_spend import AdSpendEnv, Channel, Market, Randomness, baselines
from sb3_ext.envs.ad_spend.campaign.simulator import CampaignSimulator
from sb3_ext.envs.ad_spend.market.presets import PRESETS


@pytest.mark.parametrize("obs_mode", OBS_MODES)
@pytest.mark.parametrize("action_mode", ACTION_MODES)
@pytest.mark.parametrize("preset", PRESETS)
def test_checkers_of_gymnasium_and_sb3(preset: str, action_mode: Any, obs_mode: Any) -> None:
    assert_clean(checked(AdSpendEnv(preset, action_mode=action_mode, obs_mode=obs_mode)), action_mode)


def test_curves_of_every_family_play_with_everything() -> None:
    """Beside each other in one market, under all randomness, with the belief, for every reference policy."""
    market = Market(
        (Channel("a", 60.0, 20.0, theta=0.5, saturation="logistic"), Channel("b", 40.0, 10.0, alpha=0.7)),
        randomness=Randomness(0.3, 0.5, 0.6, 0.4, False, 0.1, 0.3, 0.05),
    )
    env = AdSpendEnv(market, 300.0, periods=4, belief=True, references=True)
    assert_clean(checked(env), "normalized")
    for name, policy in baselines.all_baselines(env, seed=0).items():
        observation, state, start, over = env.reset(seed=3)[0], None, np.array([True]), False
        while not over:
            action, state = policy.predict(observation, state, start)
            observation, _, over, _, info = env.step(action)
            start = np.array([False])
        assert info["campaign_value"] <= info["optimal_value"] * (1 + 1e-5), name


@pytest.mark.parametrize("action_mode", ACTION_MODES)
@pytest.mark.parametrize("preset", ["adstock", "shock", "s_shape"])
def test_a_channel_may_be_fixed(preset: str, action_mode: Any) -> None:
    """Whatever is asked for, instagram gets 40 a day; the policies, planners among them, know."""
    env = AdSpendEnv(preset, 1000.0, periods=5, act_range=([0.0, 40.0], [300.0, 40.0]), action_mode=action_mode)
    if action_mode == "normalized":
        assert_clean(checked(env), action_mode)
    for name, policy in baselines.all_baselines(env, seed=0).items():
        observation, state, start, over = env.reset(seed=3)[0], None, np.array([True]), False
        while not over:
            action, state = policy.predict(observation, state, start)
            observation, _, over, _, info = env.step(action)
            start = np.array([False])
            if info["budget_left"] > 0.0 and name != "maximum spend":
                assert info["spend"][1] == pytest.approx(40.0, rel=1e-6), name


def test_two_periods_by_hand() -> None:
    """Channel a: adstock 2 before, cap 4 * 20 / 4 = 20; channel b: cap 7."""
    env = AdSpendEnv(SMALL, budget=20.0, periods=2, action_mode="currency")
    assert env.reward_scale == 20.0
    np.testing.assert_allclose(env.action_space.high, [20.0, 7.0])
    assert env.observation_names == (
        *("spend_a", "spend_b", "sales", "budget_left", "adstock_a", "adstock_b"),
        *("pace", "time_left", "demand_index", "season_sin", "season_cos"),
    )
    observations, rewards, infos = run(env, columns((6.0, 0.0), (2.0, 4.5)))
    sales = [[30 * 4 / 8, 90 / 2], [2 * 30 * 2 / 6, 2 * 90 * 1.5 / 2.5]]
    week = 2 * np.pi / 7
    np.testing.assert_allclose(
        observations,
        [
            [0, 0, 0, 1, 2 / 4, 0, 20 / (2 * 27), 1, 1, 0, 1],
            [6 / 20, 2 / 7, 60 / 10, 12 / 20, 4 / 4, 2 / 2, 12 / 27, 1 / 2, 2, np.sin(week), np.cos(week)],
            [0, 4.5 / 7, 128 / 10, 7.5 / 20, 2 / 4, 4.5 / 2, 7.5 / 27, 0, 1, np.sin(2 * week), np.cos(2 * week)],
        ],
        rtol=1e-6,
        atol=1e-7,
    )
    idle = [30 * 1 / 5, 2 * 30 * 0.5 / 4.5]
    tail = [30 * 1 / 5, 30 * 0.5 / 4.5, -30 * 0.25 / 4.25, -30 * 0.125 / 4.125]
    np.testing.assert_allclose(rewards, [(60 - idle[0]) / 20, (128 - idle[1] + sum(tail)) / 20])
    np.testing.assert_allclose([info["sales"] for info in infos], sales)
    np.testing.assert_allclose([info["adstock"] for info in infos], [[4, 2], [2, 4.5]])
    np.testing.assert_allclose([info["budget_left"] for info in infos], [12, 7.5])
    np.testing.assert_allclose(infos[0]["roas"], [15 / 6, 45 / 2])
    np.testing.assert_allclose(infos[1]["roas"], [np.nan, 108 / 4.5])
    np.testing.assert_allclose(infos[0]["marginal_roas"], [30 * 4 / 8**2, 90 * 0.5 * 0.5 / (2 * 1 * (1 + 1) ** 2) * 2])
    assert [list(info["extrapolated"]) for info in infos] == [[False, False], [False, False]]
    assert infos[1]["utilization"] == pytest.approx(12.5 / 20)
    assert infos[1]["campaign_value"] == pytest.approx(20 * sum(rewards))
    assert "utilization" not in infos[0]


@st.composite
def campaigns(draw: st.DrawFn) -> tuple[AdSpendEnv, np.ndarray]:
    """An environment in any mode, and actions that also leave the bounds."""
    market = draw(markets(max_channels=3))
    n_channels, periods = len(market.channels), draw(st.integers(1, 6))
    env = AdSpendEnv(
        market,
        budget=draw(st.floats(1.0, 2000.0)),
        periods=periods,
        action_mode=draw(st.sampled_from(ACTION_MODES)),
        obs_mode=draw(st.sampled_from(OBS_MODES)),
    )
    low, high = env.action_space.low.astype(np.float64), env.action_space.high.astype(np.float64)
    beyond = draw(st.sampled_from([0.0, 0.0, 0.3]))
    share = st.floats(-beyond, 1.0 + beyond) | st.sampled_from([0.0, 1.0])
    shares = draw(st.lists(share, min_size=periods * n_channels, max_size=periods * n_channels))
    actions = low + (high - low) * np.reshape(shares, (periods, n_channels))
    return env, actions.astype(np.float32)


@given(campaigns())
@settings(max_examples=40, deadline=None)
def test_spend_is_limited_and_every_limit_is_reported(campaign: tuple[AdSpendEnv, np.ndarray]) -> None:
    env, actions = campaign
    low, cap = env.spend_bounds
    left = said_left = env.budget
    observations, rewards, infos = run(env, actions)
    for action, info in zip(actions, infos, strict=True):
        assert np.all(info["spend"] >= 0.0)
        assert np.all(info["spend"] <= cap)
        assert info["spend"].sum() <= left + 1e-12 * env.budget
        out_of_bounds = np.any(action < env.action_space.low) or np.any(action > env.action_space.high)
        over_budget = np.clip(info["requested_spend"], low, cap).sum() > said_left * (1 + 1e-9)
        assert info["clipped"] is bool(out_of_bounds or over_budget)
        if not info["clipped"]:
            np.testing.assert_allclose(info["spend"], info["requested_spend"], rtol=2e-9)
        left, said_left = left - info["spend"].sum(), info["budget_left"]
        assert info["budget_left"] == pytest.approx(left, abs=1e-9 * env.budget)
    assert all(env.observation_space.contains(observation) for observation in observations)
    assert all(np.isfinite(reward) for reward in rewards)
    spends = np.array([info["spend"] for info in infos])
    assert isinstance(env.market, Market)
    value = CampaignSimulator(env.market, env.budget, env.periods).plan_value(spends)
    scale = env.market.margin * env.market.beta.sum() * (env.periods + env.market.tail_periods) * 3 + 1
    scale += env.market.spend_cost * env.budget
    assert sum(rewards) * env.reward_scale == pytest.approx(value, abs=1e-9 * scale)
    assert infos[-1]["campaign_value"] == pytest.approx(value, abs=1e-9 * scale)
    assert value <= infos[-1]["optimal_upper_bound"] + 1e-9 * scale


@given(markets(max_channels=2), st.sampled_from(ACTION_MODES))
@settings(max_examples=25, deadline=None)
def test_zero_spend_earns_zero(market: Market, mode: Any) -> None:
    env = AdSpendEnv(market, budget=50.0, periods=4, action_mode=mode)
    _, rewards, infos = run(env, np.broadcast_to(env.action_space.low, (4, len(market.channels))))
    assert rewards == [0.0] * 4
    assert infos[-1]["utilization"] == 0.0


@given(campaigns(), st.integers(0, 100))
@settings(max_examples=25, deadline=None)
def test_seeded_runs_are_equal(campaign: tuple[AdSpendEnv, np.ndarray], seed: int) -> None:
    env, actions = campaign
    first, second = run(env, actions, seed), run(env, actions, seed)
    np.testing.assert_array_equal(first[0], second[0])
    assert first[1] == second[1]


@pytest.mark.parametrize("preset", PRESETS)
def test_modes_change_the_interface_and_not_the_campaign(preset: str) -> None:
    spends = np.random.default_rng(3).uniform(0, 6000, (28, 2))
    returns = []
    for action_mode in ACTION_MODES:
        for obs_mode in OBS_MODES:
            env = AdSpendEnv(preset, action_mode=action_mode, obs_mode=obs_mode)
            returns.append(sum(run(env, env.action_map.to_action(spends), seed=1)[1]))
    np.testing.assert_allclose(returns, returns[0], rtol=1e-5)


def test_reward_scale_only_scales() -> None:
    actions = np.zeros((28, 2))
    default, cents = AdSpendEnv("adstock"), AdSpendEnv("adstock", reward_scale=0.01)
    assert default.reward_scale == 100_000
    factor = default.reward_scale / 0.01
    np.testing.assert_allclose(run(cents, actions)[1], factor * np.array(run(default, actions)[1]))


def test_references_of_a_campaign() -> None:
    env = AdSpendEnv("profit")
    info = run(env, np.full((28, 2), -0.6))[2][-1]
    assert info["even_value"] < info["campaign_value"] < info["optimal_value"] <= info["optimal_upper_bound"]
    assert info["regret"] == pytest.approx(info["optimal_value"] - info["campaign_value"])
    gain = info["optimal_value"] - info["even_value"]
    assert info["normalized_score"] == pytest.approx((info["campaign_value"] - info["even_value"]) / gain)


def test_score_is_not_a_number_where_even_pacing_cannot_be_beaten() -> None:
    market = Market((Channel("a", beta=0.0, kappa=1.0, cap=10.0),))
    info = run(AdSpendEnv(market, budget=10.0, periods=2), np.zeros((2, 1)))[2][-1]
    assert np.isnan(info["normalized_score"])
    assert info["regret"] == 0.0


def test_extrapolation_beyond_history_is_told() -> None:
    env = AdSpendEnv(SMALL, budget=20.0, periods=2, action_mode="currency")
    infos = run(env, columns((1, 1), (5.5, 4.5)))[2]
    assert [list(info["extrapolated"]) for info in infos] == [[False, True], [False, False]]


def test_stepping_past_the_end_is_a_programming_error() -> None:
    env = AdSpendEnv("static", periods=2)
    run(env, np.zeros((2, 2)))
    with pytest.raises(RuntimeError, match="reset"):
        env.step(np.zeros(2))
    run(env, np.zeros((2, 2)))


def test_vec_envs_reset_by_themselves() -> None:
    envs = DummyVecEnv([lambda: AdSpendEnv("adstock", periods=3)] * 2)
    start = envs.reset()
    for step in range(7):
        observations, _, dones, infos = envs.step(np.zeros((2, 2)))
        assert list(dones) == [step % 3 == 2] * 2
        if dones[0]:
            np.testing.assert_array_equal(observations, start)
            assert infos[0]["TimeLimit.truncated"] is False
            assert "terminal_observation" in infos[0]


def test_campaigns_do_not_share_arrays_with_earlier_infos() -> None:
    env = AdSpendEnv("adstock", periods=3)
    *_, infos = run(env, np.zeros((3, 2)))
    kept = [info["adstock"].copy() for info in infos]
    run(env, np.ones((3, 2)))
    np.testing.assert_array_equal([info["adstock"] for info in infos], kept)


@pytest.mark.parametrize("budget", [0.0, -5.0, np.nan, np.inf, "lots", True, [1.0]])
def test_budgets_out_of_range(budget: object) -> None:
    with pytest.raises(ValueError) as error:
        AdSpendEnv("static", budget=budget)  # type: ignore[arg-type]
    one_line(error, "budget", repr(budget))


@pytest.mark.parametrize("budget", [None, 10.0])
@pytest.mark.parametrize("periods", [0, -1, True, "28", 28.0, None, np.nan])
def test_periods_out_of_range(periods: object, budget: float | None) -> None:
    with pytest.raises(ValueError) as error:
        AdSpendEnv("static", budget=budget, periods=periods)  # type: ignore[arg-type]
    one_line(error, "periods", repr(periods))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"action_mode": "dollars"}, ["action_mode", "normalized", "currency", "dollars"]),
        ({"obs_mode": "all"}, ["obs_mode", "full", "partial", "spend", "all"]),
        ({"obs_mode": ""}, ["obs_mode", "''"]),
        ({"obs_mode": "full", "obs_range": (0, 1)}, ["obs_range", "spend", "full"]),
        ({"lags": -1}, ["lags", ">= 0", "-1"]),
        ({"lags": 1.0}, ["lags", "1.0"]),
        ({"lags": True}, ["lags", "True"]),
        ({"lags": "7"}, ["lags", "'7'"]),
        ({"lags": 1, "obs_mode": "spend"}, ["lags", "spend", "1"]),
        ({"lags": 1, "obs_range": (0, 1)}, ["lags", "spend", "1"]),
        ({"render_mode": "human"}, ["render_mode", "rgb_array", "human"]),
        ({"reward_scale": 0.0}, ["reward_scale", "0.0"]),
        ({"reward_scale": np.nan}, ["reward_scale", "nan"]),
        ({"act_range": (0, 1, 2)}, ["act_range", "(0, 1, 2)"]),
        ({"act_range": 5}, ["act_range", "5"]),
        ({"act_range": "ab"}, ["act_range", "ab"]),
        ({"act_range": (5, 5)}, ["act_range", "low < high"]),
        ({"act_range": (5, 1)}, ["act_range", "low < high"]),
        ({"act_range": ([1, 3], [2, 2])}, ["act_range", "low <= high"]),
        ({"act_range": (0, [0, 5])}, ["act_range", "above 0", "0.0"]),
        ({"act_range": (-1, 1)}, ["act_range", "-1"]),
        ({"act_range": (0, np.inf)}, ["act_range", "inf"]),
        ({"act_range": (np.nan, 1)}, ["act_range", "nan"]),
        ({"act_range": (np.zeros(3), np.ones(3))}, ["act_range", "2 numbers"]),
        ({"act_range": (np.zeros((40, 3)), np.ones((40, 3)))}, ["act_range", "2 numbers"]),
        ({"act_range": (2000.0, 5000.0), "budget": 1e5}, ["act_range", "112000", "100000"]),
        ({"obs_range": (0,)}, ["obs_range"]),
        ({"obs_range": (1, 0)}, ["obs_range", "(1, 0)"]),
        ({"obs_range": (0, [1, 2, 3])}, ["obs_range", "[1, 2, 3]"]),
        ({"market": "statik"}, ["statik", "static", "adstock", "seasonal", "profit"]),
        ({"market": "missing/market.json"}, ["missing/market.json", "file"]),
        ({"market": Path("missing.json")}, ["missing.json", "file"]),
        ({"market": 3}, ["market", "int"]),
        ({"market": None}, ["market", "NoneType"]),
        ({"market": Market((Channel("a", beta=1.0, kappa=1.0),))}, ["budget", "historical"]),
        ({"sales_function": 3, "budget": 1.0}, ["sales_function", "callable", "int"]),
        ({"sales_function": diminishing}, ["budget", "act_range"]),
        ({"sales_function": lambda _: np.nan, "budget": 1.0}, ["sales_function", "nan"]),
        ({"sales_function": lambda _: np.ones(3), "budget": 1.0}, ["sales_function", "(2)", "[1., 1., 1.]"]),
        ({"sales_function": lambda _: np.ones((2, 1)), "budget": 1.0}, ["sales_function"]),
        ({"sales_function": diminishing, "budget": 1.0, "channel_names": ()}, ["channel names", "()"]),
        ({"sales_function": diminishing, "budget": 1.0, "channel_names": ("a", "a")}, ["channel names", "unique"]),
        ({"sales_function": diminishing, "budget": 1.0, "channel_names": ("a", "")}, ["channel names"]),
        ({"sales_function": diminishing, "budget": 1.0, "channel_names": "ab"}, ["channel names", "'ab'"]),
        ({"sales_function": lambda _: "many", "budget": 1.0}, ["sales_function", "many"]),
    ],
)
def test_errors_at_the_door(arguments: dict[str, Any], said: list[str]) -> None:
    with pytest.raises(ValueError) as error:
        AdSpendEnv(**arguments)
    one_line(error, *said)


def test_malformed_market_file(tmp_path: Path) -> None:
    path = tmp_path / "market.json"
    path.write_text("{")
    with pytest.raises(ValueError) as error:
        AdSpendEnv(path)
    one_line(error, path, "JSON")


@pytest.mark.parametrize("action_mode", ACTION_MODES)
@pytest.mark.parametrize(
    "action", [[np.nan, 0], [np.inf, 0], [0, -np.inf], [0], [0, 0, 0], [[0, 0]], np.full((40, 40), 1.0), 0.0, [None, 0]]
)
def test_malformed_actions(action: Any, action_mode: Any) -> None:
    env = AdSpendEnv("static", action_mode=action_mode)
    env.reset()
    with pytest.raises(ValueError) as error:
        env.step(action)
    one_line(error, "action")
    # A refused action changes nothing.
    assert env.step(env.action_space.low)[4]["budget_left"] == env.budget


def test_render_without_a_mode_draws_nothing() -> None:
    env = AdSpendEnv("static")
    with pytest.warns(UserWarning, match="rgb_array"):
        assert env.render() is None
