"""Policies that plan anew every day, what they learn, and the planner of many campaigns behind them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ad_spend_strategies import market_with_draws, markets, one_line
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecNormalize

from sb3_ext.envs.ad_spend import (
    AdSpendEnv,
    AdSpendVectorEnv,
    Channel,
    Market,
    Randomness,
    baselines,
    plan_clairvoyant,
    plan_optimal,
)
from sb3_ext.envs.ad_spend.market.presets import PRESETS, adstock, shock
from sb3_ext.envs.ad_spend.optimum.outlook import Outlook, expected_media
from sb3_ext.envs.ad_spend.optimum.replanning import Replanner


def campaign_values(
    policy: baselines.Baseline, market: Market, n: int, seed: int = 10_000, **kwargs: Any
) -> np.ndarray:
    """Values of n campaigns, money, played at once; shape (n,)."""
    env = AdSpendVectorEnv(n, market, autoreset_mode="Disabled", **kwargs)
    observation, _ = env.reset(seed=seed)
    state, start, info = None, np.ones(n, dtype=bool), {}
    for _ in range(env.periods):
        action, state = policy.predict(observation, state, start)
        observation, _, _, _, info = env.step(action)
        start = np.zeros(n, dtype=bool)
    return np.asarray(info["campaign_value"])


def outlook_value(market: Market, outlook: Outlook, spend: np.ndarray) -> float:
    """Value of the spends (N, T') of what is left of a campaign over spending nothing, day by day."""

    def value(spends: np.ndarray) -> float:
        level, total = outlook.adstock, -market.spend_cost * spends.sum()
        for day, demand in enumerate(outlook.demand.T):
            after = day >= spends.shape[1]
            bought = market.spend_afterwards if after else spends[:, day] * outlook.media[:, day]
            level = market.theta * level + (1.0 - market.theta) * bought
            total += market.margin * float((demand * market.curves.response(level)).sum())
        return total

    return value(spend) - value(np.zeros_like(spend))


@settings(max_examples=40, deadline=None)
@given(markets(alpha=(0.4, 1.0), caps=False), st.integers(0, 6), st.integers(0, 2**31), st.booleans())
def test_plans_of_many_campaigns_are_those_of_one(market: Market, period: int, seed: int, bounded: bool) -> None:
    """Within the bounds and the budget, and no worse than the certified plan of each campaign by more than the gap."""
    rng, periods, budget, n = np.random.default_rng(seed), 8, 500.0, 4
    n_channels, left = len(market.names), 8 - period
    low = np.full(n_channels, 2.0 if bounded else 0.0)
    cap = rng.uniform(20.0, 200.0, n_channels)
    budgets = np.append(rng.uniform(0.0, budget, n - 1), 0.0)
    media = np.exp(0.3 * rng.standard_normal((n, n_channels, left)))
    levels = rng.uniform(1.0, 100.0, (n, n_channels))
    demand = np.append(market.season_factors(periods), np.ones(market.tail_periods))[period:]
    rest = Outlook(market.curves, market.theta, levels, media, np.tile(demand, (n_channels, 1)))
    plans = Replanner(market, budget, low, cap, tolerance=1e-4).plan(rest, budgets)
    for row, (plan, money) in enumerate(zip(plans, budgets, strict=True)):
        assert np.all(plan >= low[:, None] - 1e-9) and np.all(plan <= cap[:, None] + 1e-9)
        if money - low.sum() * left <= 1e-6 * budget:
            np.testing.assert_array_equal(plan, np.broadcast_to(low[:, None], plan.shape))
            continue
        assert plan.sum() <= money * (1.0 + 1e-9)
        outlook = rest.of(row)
        best = plan_optimal(market, money, left, low=low, cap=cap, outlook=outlook)
        value = outlook_value(market, outlook, plan)
        assert value >= best.value - 2e-4 * abs(best.value) - 2e-7 * money


@pytest.mark.parametrize(
    ("cost", "price", "level", "money", "low"), [(0.3, 0.5, 10.2, 88.7, 5.0), (1.0, 2.0, 10.9, 83.1, 2.0)]
)
def test_plans_are_as_good_where_the_smallest_spends_lose_money(
    cost: float, price: float, level: float, money: float, low: float
) -> None:
    """What is earned over the smallest spends is then much more than what is earned, and the tolerance not of it."""
    channels = (
        Channel("tv", beta=0.0, kappa=5.0, alpha=0.4),
        Channel("radio", beta=10.0, kappa=5.0, alpha=1.0, theta=0.5),
    )
    market, lows, caps, left = Market(channels=channels, spend_cost=cost), np.full(2, low), np.full(2, 100.0), 3
    levels, media = np.full((1, 2), level), np.full((1, 2, left), price)
    demand = np.append(market.season_factors(8), np.ones(market.tail_periods))[8 - left :]
    rest = Outlook(market.curves, market.theta, levels, media, np.tile(demand, (2, 1)))
    plan = Replanner(market, 500.0, lows, caps, tolerance=1e-4).plan(rest, np.array([money]))[0]
    outlook = rest.of(0)
    best = plan_optimal(market, money, left, low=lows, cap=caps, outlook=outlook)
    assert outlook_value(market, outlook, plan) >= best.value - 2e-4 * abs(best.value) - 2e-7 * money


def test_s_shaped_markets_are_planned_one_by_one() -> None:
    channels = tuple(replace(channel, alpha=3.0) for channel in adstock().channels)
    market = replace(adstock(), channels=channels)
    env = AdSpendEnv(market, periods=5, budget=20_000.0)
    policy = baselines.certainty_equivalent_mpc(env, tolerance=1e-5)
    action, _ = policy.predict(env.reset()[0])
    best = plan_optimal(market, 20_000.0, 5, cap=env.spend_bounds[1], tolerance=1e-5)
    np.testing.assert_allclose(env.action_map.to_spend(action), best.spend[0], atol=1.0)


@pytest.mark.parametrize("preset", ["adstock", "seasonal", "profit"])
def test_mpc_is_the_open_loop_optimum_where_nothing_is_random(preset: str) -> None:
    env = AdSpendEnv(preset)
    plan = plan_optimal(env.market, env.budget, env.periods)
    (value,) = campaign_values(baselines.certainty_equivalent_mpc(env), env.market, 1)
    assert value == pytest.approx(plan.value, rel=1e-4)


def test_expected_media_is_the_mean_of_simulated_prices() -> None:
    random = Randomness(price_sigma=0.6, price_persistence=0.8)
    start = np.array([-0.9, 0.0, 1.2])
    rng, shocks, means = np.random.default_rng(0), np.tile(start, (200_000, 1)), []
    for _ in range(4):
        means.append(np.exp(shocks - 0.6**2 / 2.0).mean(axis=0))
        shocks = 0.8 * shocks + (1.0 - 0.8**2) ** 0.5 * 0.6 * rng.standard_normal(shocks.shape)
    expected = expected_media(random, start, 4)
    np.testing.assert_allclose(expected, np.transpose(means), rtol=5e-3)
    np.testing.assert_allclose(expected[:, 0], np.exp(start - 0.18))
    np.testing.assert_allclose(expected_media(random, start, 200)[:, -1], 1.0, rtol=1e-9)


def test_only_known_prices_tell_of_later_ones() -> None:
    """What comes after today does not change today's decision: a policy that looks into the future would fail."""
    env = AdSpendEnv("shock")
    policy, spends = baselines.certainty_equivalent_mpc(env), []
    for seed in (1, 2):
        observation = env.reset(seed=seed)[0].copy()
        price = [env.observation_names.index(f"price_shock_{name}") for name in env.market.names]
        observation[price] = [1.0, -0.5]
        spends.append(policy.predict(observation)[0])
    np.testing.assert_array_equal(*spends)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(["shock", "uncertain", "delivery"]), st.integers(0, 2**31), st.data())
def test_planners_never_ask_for_more_than_is_left(preset: str, seed: int, data: st.DataObject) -> None:
    env = AdSpendEnv(preset, budget=data.draw(st.floats(2_000.0, 200_000.0)))
    policies = [baselines.certainty_equivalent_mpc(env)]
    if preset == "uncertain":
        policies += [baselines.thompson_sampling(env, 20, 0), baselines.posterior_mean_mpc(env, 20, 0)]
    observation = np.tile(env.reset(seed=seed)[0], (5, 1))
    rng = np.random.default_rng(seed)
    left = rng.uniform(0.0, 1.0, 5) ** 4 * (rng.uniform(size=5) < 0.8)
    observation[:, env.observation_names.index("budget_left")] = left
    period = rng.integers(env.periods, size=5)
    for policy in policies:
        spend = policy.spend(period, observation)
        assert np.all(spend >= 0.0) and np.all(spend <= env.spend_bounds[1] * (1 + 1e-9))
        assert np.all(spend.sum(axis=1) <= left * env.budget * (1.0 + 1e-6))


def test_feedback_is_worth_it_where_prices_vary() -> None:
    env, n = AdSpendEnv("shock"), 64
    make = (baselines.even_pacing, baselines.open_loop_optimum, baselines.certainty_equivalent_mpc)
    even, open_loop, mpc = (campaign_values(policy(env), env.market, n).mean() for policy in make)
    batch = AdSpendVectorEnv(n, "shock")
    batch.reset(seed=10_000)
    paths = [batch.scenario.of(number) for number in range(n)]
    best = np.mean([plan_clairvoyant(shock(), env.budget, 28, env.spend_bounds[1], path, 1e-3).value for path in paths])
    assert even < open_loop < mpc < best
    assert 0.87 < mpc / best < 0.94


def test_learning_is_worth_it_where_parameters_are_drawn() -> None:
    env, n = AdSpendEnv("uncertain"), 64
    policies = (
        baselines.certainty_equivalent_mpc(env),
        baselines.posterior_mean_mpc(env, 200, seed=0),
        baselines.thompson_sampling(env, 200, seed=0),
    )
    nothing_learned, mean, thompson = (campaign_values(policy, env.market, n).mean() for policy in policies)
    assert thompson > 1.05 * nothing_learned
    assert mean > 1.05 * nothing_learned


def test_draws_are_learned_within_a_campaign() -> None:
    env = AdSpendEnv(market_with_draws())
    learning = campaign_values(baselines.thompson_sampling(env, seed=0), env.market, 16).mean()
    assert learning > 1.02 * campaign_values(baselines.certainty_equivalent_mpc(env), env.market, 16).mean()


@pytest.mark.parametrize("preset", ["shock", "uncertain"])
def test_a_batch_decides_as_its_rows_do(preset: str) -> None:
    """Also where its campaigns are at different days, and one is reset on the way."""
    env, other = AdSpendEnv(preset), AdSpendEnv(preset)
    for name, make in (
        ("mpc", lambda: baselines.certainty_equivalent_mpc(env)),
        ("greedy", lambda: baselines.greedy_marginal_roas(env)),
        ("thompson", lambda: baselines.thompson_sampling(env, 50, seed=3)),
        ("posterior mean", lambda: baselines.posterior_mean_mpc(env, 50, seed=3)),
    ):
        if preset == "shock" and name in ("thompson", "posterior mean"):
            continue
        single, batch = make(), make()
        first, second = env.reset(seed=1)[0], other.reset(seed=2)[0]
        alone, together = None, None
        for day in range(8):
            restart = day == 5
            if restart:
                second = other.reset()[0]
            start = np.array([day == 0])
            expected, alone = single.predict(first, alone, start)
            starts = np.array([day == 0, day == 0 or restart])
            actions, together = batch.predict(np.stack([first, second]), together, starts)
            # The plans agree to their tolerance, not to the last digit: campaigns leave the batch at different steps.
            np.testing.assert_allclose(actions[0], expected, atol=1e-6, err_msg=name)
            first, second = env.step(actions[0])[0], other.step(actions[1])[0]


def test_learning_policies_are_reproducible_and_work_in_evaluate_policy() -> None:
    env = AdSpendEnv("uncertain")
    returns = []
    for _ in range(2):
        envs = make_vec_env(AdSpendEnv, n_envs=2, seed=5, env_kwargs={"market": "uncertain"})
        policy = baselines.thompson_sampling(env, 50, seed=1)
        returns.append(evaluate_policy(policy, envs, n_eval_episodes=4, return_episode_rewards=True)[0])
    assert returns[0] == returns[1] and len(set(returns[0])) == 4


def test_what_planners_cannot_do_is_said_at_the_door() -> None:
    makes = (
        baselines.certainty_equivalent_mpc,
        baselines.thompson_sampling,
        baselines.posterior_mean_mpc,
        baselines.greedy_marginal_roas,
        baselines.roas_chasing,
    )
    for obs_mode in ("partial", "spend"):
        for make in makes:
            with pytest.raises(ValueError) as error:
                make(AdSpendEnv("uncertain", obs_mode=obs_mode))
            one_line(error, 'obs_mode="full"', "adstock")
    for make in makes[1:3]:
        with pytest.raises(ValueError) as error:
            make(AdSpendEnv("shock"))
        one_line(error, "draws no parameters")
    with pytest.raises(ValueError) as error:
        baselines.thompson_sampling(AdSpendEnv("uncertain"), n_particles=0)
    one_line(error, "n_particles", 0)
    with pytest.raises(ValueError) as error:
        baselines.certainty_equivalent_mpc(AdSpendEnv(sales_function=np.sum, act_range=(0.0, 1.0)))
    one_line(error, "Market")


def test_foreign_observations_and_lost_states_are_refused() -> None:
    env = AdSpendEnv("uncertain")
    policy = baselines.thompson_sampling(env, 20, seed=0)
    observation = env.reset(seed=0)[0]
    action, state = policy.predict(observation)
    later = env.step(action)[0]
    with pytest.raises(ValueError) as error:
        policy.predict(later)
    one_line(error, "state")
    with pytest.raises(ValueError) as error:
        policy.predict(later, None, np.array([True]))
    one_line(error, "period")
    policy.predict(later, state, np.array([False]))
    normalized = VecNormalize(make_vec_env(AdSpendEnv, env_kwargs={"market": "shock"}))
    with pytest.raises(ValueError) as error:
        evaluate_policy(baselines.certainty_equivalent_mpc(AdSpendEnv("shock")), normalized, n_eval_episodes=1)
    one_line(error, "normalized")
    with pytest.raises(ValueError) as error:
        policy.spend(np.zeros(1, dtype=np.int64))
    one_line(error, "observation")


@pytest.mark.parametrize("preset", PRESETS)
def test_every_closed_loop_baseline_plays_every_preset(preset: str) -> None:
    env = AdSpendEnv(preset)
    for name, policy in baselines.all_baselines(env, seed=0).items():
        assert np.all(np.isfinite(campaign_values(policy, env.market, 2))), name


def test_observations_of_another_environment_are_refused() -> None:
    """Entries would be taken for others without a word: the same market, but one more entry."""
    policy = baselines.certainty_equivalent_mpc(AdSpendEnv("shock"))
    observation, _ = AdSpendEnv("shock", urgency=True).reset(seed=0)
    with pytest.raises(ValueError, match="made for observations of 10 entries, got 11"):
        policy.predict(observation, episode_start=np.array([True]))
