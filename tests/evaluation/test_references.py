import math
from dataclasses import replace

import numpy as np
import pytest

from sb3_ext.envs.ad_spend import AdSpendEnv, Channel, Market
from sb3_ext.envs.ad_spend.baselines import certainty_equivalent_mpc
from sb3_ext.evaluation.references import References, ad_spend_bound, ad_spend_env, ad_spend_references


def plans(even: float, optimum: float, bound: float = math.nan, scale: float = 1.0) -> References:
    return References(reward_scale=scale, even_value=even, optimal_value=optimum, upper_bound=bound, clairvoyant=False)


def test_references_by_hand() -> None:
    references = plans(100.0, 300.0, 300.1, scale=10.0)
    assert references.value(25.0) == 250.0
    assert references.percent(24.0) == 80.0
    assert references.score(25.0) == 0.75
    assert references.score(5.0) == -0.25
    assert references.optimum_name == "certified optimum"
    assert "no plan earns more than 300.10 (relative gap 3.3e-04)" in references.certificate
    assert plans(100.0, 300.0, 310.0).optimum_name == "best plan found"
    assert References(ceiling=500.0, random_return=20.0).normalized(260.0) == 0.5


def test_scores_without_a_meaning_are_nan() -> None:
    assert math.isnan(plans(5.0, 5.0).score(4.0))
    assert math.isnan(plans(-3.0, 0.0).percent(1.0))
    unknown = References()
    for score in (unknown.value, unknown.percent, unknown.score, unknown.normalized):
        assert math.isnan(score(1.0))
    assert math.isnan(References(ceiling=5.0, random_return=5.0).normalized(5.0))
    assert unknown.certificate == ""


def test_reference_plans_of_a_market_nobody_should_advertise_in() -> None:
    env = AdSpendEnv(Market((Channel("tv", beta=1.0, kappa=1000.0),), spend_cost=1.0), budget=1000.0, periods=4)
    references = ad_spend_references(env, range(1))
    assert references.optimal_value == pytest.approx(0.0, abs=1.0)
    assert references.optimal_budget_used < 0.05
    assert references.even_value < -900.0


def test_references_of_random_campaigns_are_means_over_them() -> None:
    env = ad_spend_env("AdSpendShock-v0", {"periods": 4})
    assert env is not None
    both, first, second = (ad_spend_references(env, seeds) for seeds in (range(3, 5), range(3, 4), range(4, 5)))
    assert both.clairvoyant
    assert first.optimal_value != second.optimal_value
    assert both.optimal_value == pytest.approx((first.optimal_value + second.optimal_value) / 2)
    assert both.even_value == pytest.approx((first.even_value + second.even_value) / 2)


def test_policies_are_bounded_where_prices_are_random() -> None:
    env = ad_spend_env("AdSpendShock-v0", {"periods": 4})
    assert env is not None
    known, bound = ad_spend_references(env, range(3, 43)), ad_spend_bound(env, range(3, 43))
    assert bound is not None and bound.paths.shape == (40,)
    assert bound.replanned.mean() < bound.value < known.optimal_value
    bounded = replace(known, policy_bound=bound.value)
    assert f"{100 * bound.value / known.optimal_value:.2f} % of that" in bounded.certificate
    done, value = False, 0.0
    policy, state, observation = certainty_equivalent_mpc(env), None, env.reset(seed=3)[0]
    while not done:
        action, state = policy.predict(observation, state, np.array([state is None]))
        observation, _, done, _, info = env.step(action)
        value += info["value"]
    assert value == pytest.approx(bound.replanned[0], rel=1e-3)


def test_what_is_not_bounded_has_no_bound() -> None:
    for env_id in ("AdSpend-v0", "AdSpendUncertain-v0"):
        env = ad_spend_env(env_id, {"periods": 4})
        assert env is not None and ad_spend_bound(env, range(2)) is None
    env = ad_spend_env("AdSpendShock-v0", {"periods": 4})
    assert env is not None and ad_spend_bound(env, range(1)) is None, "the number of one campaign bounds nothing"
    env = ad_spend_env("AdSpendShock-v0", {"periods": 61})
    assert env is not None and ad_spend_bound(env, range(2)) is None, "it would take minutes"


def test_of_a_sales_function_only_the_scale_is_known() -> None:
    env = AdSpendEnv(budget=1000.0, sales_function=lambda spend: spend, act_range=(0.0, 100.0))
    references = ad_spend_references(env, range(1))
    assert references.reward_scale == env.reward_scale
    assert math.isnan(references.optimal_value) and references.certificate == ""


def test_only_ad_spend_has_references() -> None:
    assert ad_spend_env("Pendulum-v1", {}) is None
    assert ad_spend_env("AdSpend-v0", {"budget": 5000.0}).budget == 5000.0  # type: ignore[union-attr]
