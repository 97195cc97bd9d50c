import gymnasium as gym
import numpy as np
import pytest
from ad_spend_strategies import assert_clean, checked, run

import sb3_ext  # noqa: F401
from sb3_ext.envs.ad_spend import AdSpendVectorEnv
from sb3_ext.envs.ad_spend.market.presets import PRESETS

IDS = [
    *("AdSpend-v0", "AdSpendTutorial-v0", "AdSpendAdstock-v0", "AdSpendSeasonal-v0", "AdSpendProfit-v0"),
    *("AdSpendShock-v0", "AdSpendSShape-v0", "AdSpendUncertain-v0", "AdSpendDrift-v0", "AdSpendDelivery-v0"),
    "AdSpendNoisy-v0",
]


@pytest.mark.parametrize("env_id", IDS)
def test_checkers_on_registered_ids(env_id: str) -> None:
    assert_clean(checked(gym.make(env_id, disable_env_checker=True)), "normalized")


@pytest.mark.parametrize("env_id", IDS)
def test_registered_ids(env_id: str) -> None:
    env = gym.make(env_id)
    assert env.unwrapped.obs_mode == ("spend" if env_id == "AdSpendTutorial-v0" else "full")
    assert (env.unwrapped.budget, env.unwrapped.periods) == (pytest.approx(100_000.0), 28)
    assert gym.make(f"sb3_ext:{env_id}", periods=5).unwrapped.periods == 5
    envs = gym.make_vec(env_id, num_envs=3, vectorization_mode="sync")
    observations, _ = envs.reset(seed=1)
    assert observations.shape == (3, *env.observation_space.shape)
    envs.close()


def test_even_pacing_is_close_to_the_optimum_of_the_tutorials_problem() -> None:
    env = gym.make("AdSpend-v0")
    *_, infos = run(env, np.full((28, 2), -0.5, dtype=np.float32))
    shortfall = 1.0 - infos[-1]["campaign_value"] / infos[-1]["optimal_value"]
    assert 100.0 * shortfall == pytest.approx(0.8704, abs=0.005)
    assert infos[-1]["normalized_score"] == pytest.approx(0.0, abs=1e-6)


def test_every_registered_id_is_tested() -> None:
    assert sorted(IDS) == sorted(env_id for env_id in gym.registry if env_id.startswith("AdSpend"))
    assert {gym.spec(env_id).kwargs["market"] for env_id in IDS} == set(PRESETS)


@pytest.mark.parametrize("env_id", ["AdSpendUncertain-v0", "AdSpendDrift-v0"])
def test_what_is_to_be_inferred_comes_with_a_week_of_lags(env_id: str) -> None:
    names = gym.make(env_id).unwrapped.observation_names
    assert names[-3:] == ("spend_facebook_lag7", "spend_instagram_lag7", "sales_lag7")


def test_make_vec() -> None:
    envs = gym.make_vec("AdSpendShock-v0", num_envs=3)
    assert isinstance(envs.unwrapped, AdSpendVectorEnv)
    assert envs.spec.id == "AdSpendShock-v0"
    assert gym.make_vec(envs.spec).num_envs == 3
    assert gym.make_vec("sb3_ext:AdSpend-v0", num_envs=2, periods=5).periods == 5
    assert envs.reset(seed=1)[0].shape == (3, *envs.single_observation_space.shape)
    assert envs.observation_space.contains(envs.reset(seed=1)[0])
    assert envs.step(envs.action_space.sample())[1].shape == (3,)
    envs.close()
