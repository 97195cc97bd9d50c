"""The environment where something is random."""

import copy
import pickle
from dataclasses import fields

import numpy as np
import pytest
from ad_spend_strategies import RANDOM

from sb3_ext.envs.ad_spend import AdSpendEnv, plan_clairvoyant
from sb3_ext.envs.ad_spend.campaign.scenario import Scenario
from sb3_ext.envs.ad_spend.market.presets import PRESETS


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


@pytest.mark.parametrize("preset", [*RANDOM, "seasonal"])
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
