from dataclasses import replace
from functools import cache
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from ad_spend_strategies import one_line
from gymnasium.wrappers import TimeAwareObservation
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecNormalize

from sb3_ext.envs.ad_spend import AdSpendEnv, AdSpendVectorEnv, Channel, Market, Randomness, baselines, plan_optimal
from sb3_ext.envs.ad_spend.market.presets import PRESETS, adstock
from sb3_ext.envs.ad_spend.policies.rules import PidPacing

DETERMINISTIC = [name for name, preset in PRESETS.items() if not preset().randomness.any]
NAMES = ["random", "maximum spend", "even pacing", "historical proportions", "static optimum", "open-loop optimum"]
REACTIVE = ["ROAS chasing", "greedy marginal ROAS"]


def returns(policy: baselines.Baseline, n_envs: int = 1, episodes: int = 2, **arguments: Any) -> list[float]:
    envs = make_vec_env(AdSpendEnv, n_envs=n_envs, env_kwargs=arguments)
    values, lengths = evaluate_policy(policy, envs, n_eval_episodes=episodes, return_episode_rewards=True)
    assert set(lengths) == {envs.get_attr("periods")[0]}
    return values


@cache
def single_returns(preset: str) -> dict[str, float]:
    policies = baselines.all_baselines(AdSpendEnv(preset), closed_loop=False)
    return {name: returns(policy, market=preset)[0] for name, policy in policies.items()}


def play(policy: baselines.Baseline, env: AdSpendEnv) -> list[np.ndarray]:
    """Spends of an episode."""
    observation, _ = env.reset()
    state, start, terminated, spends = None, np.ones(1, dtype=bool), False, []
    while not terminated:
        action, state = policy.predict(observation, state, start)
        observation, _, terminated, _, info = env.step(action)
        start = np.zeros(1, dtype=bool)
        spends.append(info["spend"])
    return spends


@pytest.mark.parametrize("obs_mode", ["full", "partial", "spend"])
@pytest.mark.parametrize("n_envs", [1, 3])
@pytest.mark.parametrize("preset", DETERMINISTIC)
def test_every_baseline_runs_in_evaluate_policy(preset: str, n_envs: int, obs_mode: Any) -> None:
    """The same returns whatever is observed, over several episodes per environment."""
    policies = baselines.all_baselines(AdSpendEnv(preset, obs_mode=obs_mode), seed=0)
    assert list(policies) == (NAMES + REACTIVE if obs_mode == "full" else NAMES)
    assert list(baselines.all_baselines(AdSpendEnv(preset, obs_mode=obs_mode), closed_loop=False)) == NAMES
    for name in NAMES:
        values = returns(policies[name], n_envs, 3 * n_envs, market=preset, obs_mode=obs_mode)
        assert len(values) == 3 * n_envs
        if name != "random":
            np.testing.assert_allclose(values, single_returns(preset)[name], rtol=1e-6)


@pytest.mark.parametrize(
    ("preset", "names"),
    [
        ("shock", ["certainty-equivalent MPC"]),
        ("noisy", ["certainty-equivalent MPC"]),
        ("delivery", ["PID pacing", "certainty-equivalent MPC"]),
        ("uncertain", ["certainty-equivalent MPC", "posterior-mean MPC", "Thompson sampling"]),
    ],
)
def test_random_markets_have_policies_that_plan_anew(preset: str, names: list[str]) -> None:
    assert list(baselines.all_baselines(AdSpendEnv(preset), seed=0)) == [*NAMES, *REACTIVE, *names]


@pytest.mark.parametrize("preset", DETERMINISTIC)
def test_informed_policies_are_better(preset: str) -> None:
    env = AdSpendEnv(preset)
    policies = baselines.all_baselines(env, seed=0)
    mean = {name: np.mean(returns(policy, 4, 20, market=preset)) for name, policy in policies.items()}
    assert max(mean["random"], mean["even pacing"]) < mean["open-loop optimum"]
    # Random bursts beat even spend on S-shaped curves.
    assert (mean["random"] < mean["even pacing"]) == env.market.is_concave
    assert mean["even pacing"] <= mean["static optimum"] * (1 + 1e-6)
    assert mean["static optimum"] <= mean["open-loop optimum"] * (1 + 1e-6)
    assert max(mean.values()) * env.reward_scale <= plan_optimal(env.market, env.budget, 28).upper_bound


@pytest.mark.parametrize("preset", DETERMINISTIC)
def test_open_loop_optimum_earns_what_was_planned(preset: str) -> None:
    env = AdSpendEnv(preset)
    plan = plan_optimal(env.market, env.budget, env.periods)
    for action_mode in ("normalized", "currency"):
        policy = baselines.open_loop_optimum(AdSpendEnv(preset, action_mode=action_mode))
        (value,) = returns(policy, episodes=1, market=preset, action_mode=action_mode)
        assert value == pytest.approx(plan.value / env.reward_scale, rel=1e-5)


def test_spends_of_the_baselines() -> None:
    market = Market(
        (
            Channel("a", beta=90.0, kappa=30.0, historical_mean=30.0),
            Channel("b", beta=60.0, kappa=15.0, historical_mean=10.0),
        )
    )
    env = AdSpendEnv(market, periods=5)
    assert env.budget == 200.0
    policies = baselines.all_baselines(env)
    expected = {
        "maximum spend": [[80, 80], [20, 20], [0, 0], [0, 0], [0, 0]],
        "even pacing": [[20, 20]] * 5,
        "historical proportions": [[30, 10]] * 5,
    }
    for name, spends in expected.items():
        np.testing.assert_allclose(play(policies[name], env), spends, atol=1e-5, err_msg=name)
    # beta kappa / (kappa + x)^2 alike: 30 + a = sqrt(3) (15 + b), a + b = 40
    b = (40 + 30 - np.sqrt(3) * 15) / (1 + np.sqrt(3))
    np.testing.assert_allclose(play(policies["static optimum"], env), [[40 - b, b]] * 5, rtol=1e-2)
    np.testing.assert_allclose(play(policies["open-loop optimum"], env), policies["open-loop optimum"].plan, rtol=1e-5)


def one_channel(theta: float = 0.0, **arguments: Any) -> AdSpendEnv:
    channel = Channel("a", beta=90.0, kappa=10.0, theta=theta, historical_mean=10.0, cap=200.0)
    return AdSpendEnv(Market((channel,), **arguments), budget=1000.0, periods=10)


def test_greedy_spends_until_a_unit_returns_what_it_costs() -> None:
    """margin beta kappa / (kappa + x)^2 = cost: x = sqrt(2 * 90 * 10 / 2) - 10 = 20."""
    env = one_channel(margin=2.0, spend_cost=2.0, tail_periods=0)
    np.testing.assert_allclose(play(baselines.greedy_marginal_roas(env), env), 20.0, rtol=1e-4)
    # With carry-over the adstock goes to 20 at once: (20 - theta 10) / (1 - theta). Then it is kept up.
    env = one_channel(theta=0.5, margin=2.0, spend_cost=2.0, tail_periods=100)
    spends = np.array(play(baselines.greedy_marginal_roas(env), env))
    np.testing.assert_allclose(spends[:, 0], [30.0] + [20.0] * 9, rtol=1e-3)


def test_greedy_makes_the_budget_last_where_spending_is_free() -> None:
    env = one_channel(tail_periods=0)
    np.testing.assert_allclose(play(baselines.greedy_marginal_roas(env), env), 100.0, rtol=1e-4)


def test_greedy_follows_todays_price() -> None:
    """Media m times cheaper: m beta kappa / (kappa + m x)^2 = cost."""
    env = one_channel(spend_cost=1.0, tail_periods=0, randomness=Randomness(price_sigma=0.5))
    policy = baselines.greedy_marginal_roas(env)
    observation, _ = env.reset(seed=0)
    for shock in (-1.0, 0.0, 0.7):
        observation[env.observation_names.index("price_shock_a")] = shock / 0.5
        media = np.exp(shock - 0.125)
        spend = env.action_map.to_spend(policy.predict(observation)[0])
        assert spend[0] == pytest.approx((np.sqrt(media * 900.0) - 10.0) / media, rel=1e-3)


def test_roas_chasing_splits_by_yesterdays_return() -> None:
    market = Market(
        (
            Channel("a", beta=90.0, kappa=30.0, historical_mean=30.0),
            Channel("b", beta=60.0, kappa=15.0, historical_mean=10.0),
        )
    )
    env = AdSpendEnv(market, periods=5)
    spends = play(baselines.roas_chasing(env), env)
    np.testing.assert_allclose(spends[0], [20.0, 20.0], rtol=1e-5)
    # Sales per money at 20: 90 / 50 and 60 / 35; a tenth of the day's 40 is split evenly anyhow.
    returns_on_spend = np.array([90.0 / 50.0, 60.0 / 35.0])
    expected = 2.0 + 36.0 * returns_on_spend / returns_on_spend.sum()
    np.testing.assert_allclose(spends[1], expected, rtol=1e-5)
    np.testing.assert_allclose(np.sum(spends, axis=1), 40.0, rtol=1e-5)


def test_pid_pacing_corrects_the_plan_by_its_error() -> None:
    env = AdSpendEnv("delivery")
    policy = PidPacing(env, proportional=0.5, integral=0.1, derivative=0.2)
    plan = policy.plan
    observation, _ = env.reset(seed=0)
    action, state = policy.predict(observation, None, np.array([True]))
    np.testing.assert_allclose(env.action_map.to_spend(action), plan[0], atol=1e-2)
    total = last = spent = 0.0
    for day in range(1, 6):
        observation, _, _, _, info = env.step(action)
        action, state = policy.predict(observation, state, np.array([False]))
        spent += info["spend"].sum()
        error = (plan[:day].sum() - spent) / (plan.sum() / 28)
        total += error
        factor = 1.0 + 0.5 * error + 0.1 * total + 0.2 * (error - last)
        last = error
        assert error != 0.0
        expected = np.minimum(factor * plan[day], env.spend_bounds[1])
        np.testing.assert_allclose(env.action_map.to_spend(action), expected, rtol=1e-3, atol=1e-2)


def test_pid_pacing_keeps_to_the_plan_where_delivery_varies() -> None:
    market = replace(adstock(), randomness=Randomness(delivery_sigma=0.3))
    env, deviation = AdSpendVectorEnv(50, market, autoreset_mode="Disabled"), {}
    for name, policy in (("pid", baselines.pid_pacing), ("plan", baselines.open_loop_optimum)):
        decide, plan = policy(AdSpendEnv(market)), baselines.open_loop_optimum(AdSpendEnv(market)).plan
        observation, info = env.reset(seed=0)
        state, start = None, np.ones(50, dtype=bool)
        for _ in range(20):
            action, state = decide.predict(observation, state, start)
            observation, _, _, _, info = env.step(action)
            start = np.zeros(50, dtype=bool)
        deviation[name] = np.std(env.budget - info["budget_left"] - plan[:20].sum())
    assert deviation["pid"] < 0.7 * deviation["plan"]


def test_static_optimum_averages_the_season_and_ignores_carry_over() -> None:
    env = AdSpendEnv("seasonal")
    plan = baselines.static_optimum(env).plan
    np.testing.assert_array_equal(plan, np.broadcast_to(plan[0], plan.shape))
    unseasonal = AdSpendEnv("adstock")
    np.testing.assert_allclose(plan[0], baselines.static_optimum(unseasonal).plan[0], rtol=5e-3)
    assert plan[0].sum() <= env.budget / env.periods


def test_random_spend_is_seeded_and_within_the_bounds() -> None:
    env = AdSpendEnv("static")
    one, same, other = (np.array(play(baselines.RandomSpend(env, seed), env)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    observations = np.tile(env.reset()[0], (500, 1))
    actions, _ = baselines.RandomSpend(env, 0).predict(observations)
    assert actions.shape == (500, 2) and np.all(np.abs(actions) <= 1.0)
    np.testing.assert_allclose(actions.mean(axis=0), 0.0, atol=0.1)
    np.testing.assert_allclose(actions.std(axis=0), 3**-0.5, atol=0.05)


@pytest.mark.parametrize("obs_mode", ["full", "spend"])
def test_environments_of_a_batch_may_be_at_different_periods(obs_mode: Any) -> None:
    env = AdSpendEnv("static", periods=4, obs_mode=obs_mode)
    policy = baselines.FixedPlan(env, np.arange(8.0).reshape(4, 2) * 100)
    observation = env.reset()[0]
    batch, state = np.stack([observation] * 2), None
    actions, state = policy.predict(batch, state, np.array([True, True]))
    np.testing.assert_allclose(env.action_map.to_spend(actions), [[0, 100], [0, 100]], atol=1e-2)
    later = env.step(actions[0])[0]
    # The second environment has been reset.
    actions, state = policy.predict(np.stack([later, observation]), state, np.array([False, True]))
    np.testing.assert_allclose(env.action_map.to_spend(actions), [[200, 300], [0, 100]], atol=1e-2)


def test_period_is_seen_without_state_where_the_time_is_observed() -> None:
    env = AdSpendEnv("seasonal")
    plan = baselines.open_loop_optimum(env).plan
    policy = baselines.FixedPlan(env, plan)
    observation, _ = env.reset()
    for period in range(env.periods):
        action, _ = policy.predict(observation)
        np.testing.assert_allclose(env.action_map.to_spend(action), plan[period], atol=1e-2)
        observation, *_ = env.step(action)


def test_baselines_find_the_environment_below_wrappers() -> None:
    policy = baselines.even_pacing(Monitor(gym.make("AdSpend-v0")))
    (value,) = returns(policy, episodes=1, market="static")
    assert value == pytest.approx(185334.1986 / 100_000, rel=1e-6)


def test_without_state_the_period_is_read_off_the_observation() -> None:
    env = AdSpendEnv("seasonal")
    policy = baselines.open_loop_optimum(env)
    observation, _ = env.reset()
    for planned in policy.plan:
        action, _ = policy.predict(observation)
        observation, _, _, _, info = env.step(action)
        np.testing.assert_allclose(info["spend"], planned, rtol=1e-4, atol=0.1)


def test_under_normalized_observations_the_period_is_counted() -> None:
    env = VecNormalize(make_vec_env(AdSpendEnv, env_kwargs={"market": "seasonal"}), norm_reward=False)
    policy = baselines.open_loop_optimum(AdSpendEnv("seasonal"))
    (value,), _ = evaluate_policy(policy, env, n_eval_episodes=1, return_episode_rewards=True)
    assert value == pytest.approx(plan_optimal(policy.env.market, 100_000, 28).value / 100_000, rel=1e-5)


def test_bounds_limit_the_baselines() -> None:
    env = AdSpendEnv("static", budget=100_000.0, act_range=([100, 50], [2500, 1000]))
    for name, policy in baselines.all_baselines(env, seed=0).items():
        spends = np.array(play(policy, env))
        low, cap = env.spend_bounds
        assert np.all(spends >= low) and np.all(spends <= cap), name


def test_baselines_of_a_sales_function() -> None:
    arguments = {"sales_function": lambda x: np.sqrt(x).sum(), "act_range": (0.0, 10.0)}
    env = AdSpendEnv(**arguments)
    policies = baselines.all_baselines(env, seed=0)
    assert list(policies) == NAMES[:3]
    (value,) = returns(policies["even pacing"], episodes=1, **arguments)
    assert value * env.reward_scale == pytest.approx(28 * 2 * np.sqrt(5.0), rel=1e-6)
    for make in (baselines.historical_proportions, baselines.static_optimum, baselines.open_loop_optimum):
        with pytest.raises(ValueError) as error:
            make(env)
        one_line(error, "Market", "sales_function")


def test_history_unknown() -> None:
    env = AdSpendEnv(Market((Channel("a", beta=1.0, kappa=1.0),)), budget=10.0)
    assert "historical proportions" not in baselines.all_baselines(env)
    with pytest.raises(ValueError) as error:
        baselines.historical_proportions(env)
    one_line(error, "historical")


def test_foreign_environments_and_plans_are_refused() -> None:
    for env in (gym.make("CartPole-v1"), TimeAwareObservation(gym.make("Pendulum-v1"))):
        with pytest.raises(ValueError) as error:
            baselines.even_pacing(env)
        one_line(error, "AdSpend")
    with pytest.raises(ValueError) as error:
        baselines.FixedPlan(AdSpendEnv("static"), np.zeros((3, 2)))
    one_line(error, "(28, 2)", "(3, 2)")
