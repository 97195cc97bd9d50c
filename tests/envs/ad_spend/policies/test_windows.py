"""Environments and policies where carry-over has a window: what is seen, and that planning uses it."""

from dataclasses import replace

import numpy as np
import pytest
from ad_spend_strategies import one_line

from sb3_ext.envs.ad_spend import AdSpendEnv, AdSpendVectorEnv, Channel, Market, Randomness
from sb3_ext.envs.ad_spend.baselines import (
    all_baselines,
    certainty_equivalent_mpc,
    greedy_marginal_roas,
    open_loop_optimum,
    posterior_mean_mpc,
    roas_chasing,
    static_optimum,
)

MARKET = Market(
    (
        Channel("tv", beta=300.0, kappa=40.0, weights=(0.1, 0.6, 0.3), history=(80.0, 10.0, 30.0)),
        Channel("radio", beta=200.0, kappa=30.0, theta=0.4, historical_mean=20.0),
    ),
    spend_cost=0.3,
    tail_periods=3,
)
FIRST = replace(MARKET, channels=(MARKET.channels[0],), saturation_first=True)


def rolled_out(env: AdSpendEnv, policy: object) -> np.ndarray:
    observation, _ = env.reset(seed=3)
    spends, state, start, done = [], None, np.ones(1, dtype=bool), False
    while not done:
        action, state = policy.predict(observation, state, start)  # type: ignore[attr-defined]
        observation, _, done, _, info = env.step(action)
        spends.append(info["spend"])
        start = np.zeros(1, dtype=bool)
    return np.array(spends)


def test_observed_window_by_hand() -> None:
    """Media of the last periods over kappa, period by period, after the adstock; as in the vector environment."""
    env = AdSpendEnv(MARKET, 1000.0, 4, action_mode="currency")
    envs = AdSpendVectorEnv(2, MARKET, 1000.0, 4, action_mode="currency")
    names = [f"media_{channel}_lag{lag}" for lag in range(3) for channel in ("tv", "radio")]
    at = env.observation_names.index("media_tv_lag0")
    assert env.observation_names[at - 1 : at + 6] == ("adstock_radio", *names)
    observation, _ = env.reset()
    past = [30 / 40, 20 / 30, 10 / 40, 0.0, 80 / 40, 0.0]
    np.testing.assert_allclose(observation[at - 2 : at], [(0.1 * 30 + 0.6 * 10 + 0.3 * 80) / 40, 20 / 30], rtol=1e-6)
    window = env.observation_map.amounts("window", observation[None]).reshape(3, 2)
    np.testing.assert_allclose(window[:, 0], [30.0, 10.0, 80.0], rtol=1e-6)
    np.testing.assert_allclose(observation[at : at + 6 : 2], past[::2], rtol=1e-6)
    observation, *_, info = env.step(np.array([50.0, 6.0]))
    np.testing.assert_allclose(observation[at : at + 2], [50 / 40, 6 / 30], rtol=1e-6)
    np.testing.assert_allclose(info["adstock"], [0.1 * 50 + 0.6 * 30 + 0.3 * 10, 0.6 * 6 + 0.4 * 20], rtol=1e-6)
    envs.reset()
    both = envs.step(np.array([[50.0, 6.0], [0.0, 0.0]], dtype=np.float32))[0]
    np.testing.assert_array_equal(both[0], observation)
    assert env.observation_space.contains(observation) and "window" in env.observation_map.columns
    assert "window" not in AdSpendEnv(MARKET, 1000.0, 4, obs_mode="partial").observation_map.columns


@pytest.mark.parametrize("market", [MARKET, FIRST], ids=["adstock saturates", "spends saturate"])
def test_planning_every_day_anew_carries_out_the_optimum(market: Market) -> None:
    """The observed window is the whole state: what is left is planned as it was before."""
    env = AdSpendEnv(market, 400.0, 6)
    plan = open_loop_optimum(env).plan
    np.testing.assert_allclose(rolled_out(env, certainty_equivalent_mpc(env, tolerance=1e-7)), plan, atol=0.5)


@pytest.mark.parametrize("market", [MARKET, FIRST], ids=["adstock saturates", "spends saturate"])
def test_all_baselines_play_and_none_beats_the_optimum(market: Market) -> None:
    for drawn in (Randomness(), Randomness(price_sigma=0.2, beta_sigma=0.3, delivery_sigma=0.1, sales_sigma=0.05)):
        env = AdSpendEnv(replace(market, randomness=drawn), 400.0, 5, references=True)
        for name, policy in all_baselines(env, seed=0).items():
            observation, _ = env.reset(seed=1)
            state, start, done = None, np.ones(1, dtype=bool), False
            while not done:
                action, state = policy.predict(observation, state, start)
                observation, _, done, _, info = env.step(action)
                start = np.zeros(1, dtype=bool)
            assert info["campaign_value"] <= info["optimal_upper_bound"] + 1e-6, name


def test_rules_read_sales_from_the_window() -> None:
    """One channel: all of the budget goes to it, by its sales or by its marginal return."""
    env = AdSpendEnv(FIRST, 400.0, 5)
    assert rolled_out(env, roas_chasing(env)).sum() == pytest.approx(400.0)
    steady = rolled_out(env, greedy_marginal_roas(env))
    assert steady.sum() <= 400.0 + 1e-6 and steady.min() > 0.0
    np.testing.assert_allclose(static_optimum(env).plan, 80.0, rtol=1e-5)


@pytest.mark.parametrize("saturation_first", [False, True])
def test_the_posterior_learns_the_weights(saturation_first: bool) -> None:
    """Two draws that differ in when advertising works: sales nearly free of noise tell which one it is."""
    tv = MARKET.channels[0]
    draws = tuple((replace(tv, weights=weights),) for weights in ((0.9, 0.1, 0.0), (0.0, 0.1, 0.9)))
    market = Market(
        (tv,),
        draws=draws,
        randomness=Randomness(use_draws=True, sales_sigma=0.01),
        tail_periods=3,
        saturation_first=saturation_first,
    )
    env = AdSpendEnv(market, 400.0, 6)
    policy = posterior_mean_mpc(env, seed=0)
    for seed in range(4):
        observation, _ = env.reset(seed=seed)
        state, start = None, np.ones(1, dtype=bool)
        for _ in range(5):
            action, state = policy.predict(observation, state, start)
            observation, *_ = env.step(action)
            start = np.zeros(1, dtype=bool)
        _, _, weights = policy.posterior.mean(state[2], state[3])
        np.testing.assert_allclose(weights[0], env.scenario.weights, atol=0.01)


def test_belief_needs_adstock_that_saturates() -> None:
    market = replace(FIRST, randomness=Randomness(beta_sigma=0.5))
    with pytest.raises(ValueError) as error:
        AdSpendEnv(market, 400.0, 5, belief=True)
    one_line(error, "belief", "saturate first")
    env = AdSpendEnv(replace(MARKET, randomness=Randomness(beta_sigma=0.5)), 400.0, 5, belief=True)
    assert env.observation_space.contains(env.reset(seed=0)[0])
