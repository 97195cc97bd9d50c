import math

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from sb3_ext.envs.ad_spend import AdSpendEnv, Channel, Market
from sb3_ext.envs.ad_spend.baselines import RandomSpend, even_pacing
from sb3_ext.evaluation.measure import References, ad_spend_env, measure
from sb3_ext.evaluation.measure import references as references_of
from sb3_ext.evaluation.results import Line, Results


def test_references_by_hand() -> None:
    references = References(reward_scale=10.0, even=100.0, optimum=300.0, upper_bound=300.1, optimum_utilization=1.0)
    assert references.value(25.0) == 250.0
    assert references.percent(24.0) == 80.0
    assert references.normalized_score(25.0) == 0.75
    assert references.normalized_score(5.0) == -0.25
    assert references.certified
    assert not references._replace(upper_bound=310.0).certified


def test_scores_without_a_meaning_are_nan() -> None:
    assert math.isnan(References(1.0, 5.0, 5.0, 5.0, 1.0).normalized_score(4.0))
    assert math.isnan(References(1.0, -3.0, 0.0, 0.0, 0.0).percent(1.0))
    assert math.isnan(References(1.0, math.nan, math.nan, math.nan, math.nan).normalized_score(1.0))


def test_reference_plans_of_a_market_nobody_should_advertise_in() -> None:
    env = AdSpendEnv(Market((Channel("tv", beta=1.0, kappa=1000.0),), spend_cost=1.0), budget=1000.0, periods=4)
    references = references_of(env, range(1))
    assert references.optimum == pytest.approx(0.0, abs=1.0)
    assert references.optimum_utilization < 0.05
    assert references.even < -900.0


def test_measures_the_first_campaign_and_all_returns() -> None:
    env = AdSpendEnv(periods=3, budget=6000.0, reward_scale=2000.0)
    result = measure(even_pacing(env), DummyVecEnv([lambda: Monitor(env)]), range(2))  # type: ignore[arg-type]
    np.testing.assert_allclose(result.spend, np.full((3, 2), 1000.0), rtol=1e-6)
    # 9000 * 1000 / 4000 and 6000 * 1000 / 2500
    np.testing.assert_allclose(result.sales, [[2250.0, 2400.0]] * 3, rtol=1e-6)
    assert result.returns == pytest.approx([3 * 4650.0 / 2000.0] * 2, rel=1e-5)
    assert result.utilization == pytest.approx(1.0)


def test_every_policy_meets_the_same_episodes() -> None:
    class Idle:
        def predict(self, observation: np.ndarray, **_: object) -> tuple[np.ndarray, None]:
            return np.zeros((len(observation), 1), dtype=np.float32), None

    env = DummyVecEnv([lambda: Monitor(gym.make("Pendulum-v1"))])
    first = measure(Idle(), env, range(3, 8))  # type: ignore[arg-type]
    assert len(set(first.returns)) == 5
    assert measure(Idle(), env, range(4, 6)).returns == first.returns[1:3]  # type: ignore[arg-type]
    several = DummyVecEnv([lambda: Monitor(gym.make("Pendulum-v1"))] * 2)
    assert measure(Idle(), several, range(3, 8)).returns == pytest.approx(first.returns)  # type: ignore[arg-type]
    assert math.isnan(first.utilization)


def test_random_spends_differ_between_episodes() -> None:
    env = AdSpendEnv(periods=3)
    result = measure(RandomSpend(env, 0), DummyVecEnv([lambda: Monitor(env)]), range(3))  # type: ignore[arg-type]
    assert len(set(result.returns)) == 3


def test_only_ad_spend_has_references() -> None:
    assert ad_spend_env("Pendulum-v1", {}) is None
    assert ad_spend_env("AdSpend-v0", {"budget": 5000.0}).unwrapped.budget == 5000.0  # type: ignore[union-attr]


def results_of(returns: list[list[float]], baseline: list[float], seeds: range) -> Results:
    agents = [Line("ppo", None, 1, float(np.mean(run)), 0.0, 1.0, run) for run in returns]
    known = References(reward_scale=10.0, even=0.0, optimum=200.0, upper_bound=200.0, optimum_utilization=1.0)
    measured = {"worse": [-9.0] * len(seeds), "best": baseline}
    baselines = [Line(name, None, None, float(np.mean(run)), 0.0, 1.0, run) for name, run in measured.items()]
    return Results("AdSpendShock-v0", {}, "ppo", seeds, True, "", {}, agents, baselines, known)


def test_lead_over_the_best_baseline() -> None:
    """A return of 1 is 10 money, 5 % of the optimum."""
    lead = results_of([[2.0, 4.0], [2.0, 4.0]], [1.0, 3.0], range(2)).lead
    assert "best: +5.00 % of the" in lead
    assert "95 % interval +5.00 to +5.00" in lead
    assert "best: -5.00 %" in results_of([[0.0, 2.0], [0.0, 2.0]], [1.0, 3.0], range(2)).lead
    assert results_of([[2.0, 4.0]], [1.0, 3.0], range(2)).lead == ""
    assert results_of([[2.0], [4.0]], [1.0], range(1)).lead == ""
