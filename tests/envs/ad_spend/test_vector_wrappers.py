"""Thousands of campaigns in the hands of Gymnasium and Stable-Baselines3."""

import math

import gymnasium as gym
import numpy as np
import pytest
from ad_spend_strategies import actions_of
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import (
    ClipReward,
    DictInfoToList,
    FlattenObservation,
    NormalizeObservation,
    RecordEpisodeStatistics,
)
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

import sb3_ext  # noqa: F401
from sb3_ext.vec_env import GymnasiumVecEnv

MODES = [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP]


@pytest.mark.parametrize("mode", [*MODES, AutoresetMode.DISABLED])
def test_record_episode_statistics(mode: AutoresetMode) -> None:
    envs = RecordEpisodeStatistics(gym.make_vec("AdSpendShock-v0", num_envs=3, periods=4, autoreset_mode=mode))
    envs.reset(seed=1)
    episodes = 0
    returns = np.zeros(3)
    while episodes < 3:
        _, rewards, terminated, _, info = envs.step(actions_of(envs, -0.5))
        returns += rewards
        if terminated.all():
            np.testing.assert_allclose(info["episode"]["r"], returns)
            np.testing.assert_array_equal(info["episode"]["l"], 4)
            returns[:] = 0.0
            episodes += 1
            if mode is AutoresetMode.DISABLED:
                envs.reset(options={"reset_mask": np.ones(3, dtype=np.bool_)})
    assert envs.episode_count == 9


def test_wrappers_of_vector_environments() -> None:
    def wrapped() -> gym.vector.VectorEnv:
        envs = gym.make_vec("AdSpendUncertain-v0", num_envs=3, periods=3)
        return ClipReward(NormalizeObservation(FlattenObservation(envs)), -1.0, 1.0)

    envs = wrapped()
    envs.reset(seed=1)
    for _ in range(7):
        observation, rewards, *_ = envs.step(actions_of(envs))
        assert observation.shape == envs.observation_space.shape
        assert np.all(np.abs(rewards) <= 1.0)
    listed = DictInfoToList(gym.make_vec("AdSpendUncertain-v0", num_envs=3, periods=3, autoreset_mode="SameStep"))
    _, infos = listed.reset(seed=1)
    assert [set(info) for info in infos] == [{"budget_left", "adstock"}] * 3
    for _ in range(3):
        *_, infos = listed.step(actions_of(listed))
    assert all(math.isfinite(info["final_info"]["campaign_value"]) for info in infos)


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
@pytest.mark.parametrize("env_id", ["AdSpend-v0", "AdSpendShock-v0", "AdSpendUncertain-v0"])
def test_adapted_for_sb3_it_goes_as_single_environments_do(env_id: str, mode: AutoresetMode) -> None:
    adapted = GymnasiumVecEnv(gym.make_vec(env_id, num_envs=3, autoreset_mode=mode))
    single = DummyVecEnv([lambda: Monitor(gym.make(env_id))] * 3)
    rng = np.random.default_rng(0)
    for env in (adapted, single):
        env.seed(7)
    np.testing.assert_array_equal(adapted.reset(), single.reset())
    for _ in range(3 * 28):
        actions = rng.uniform(-1.0, 0.0, (3, 2)).astype(np.float32)
        one, other = adapted.step(actions), single.step(actions)
        for batch, expected in zip(one[:3], other[:3], strict=True):
            np.testing.assert_array_equal(batch, expected)
        if one[2].all():
            for info, expected in zip(one[3], other[3], strict=True):
                np.testing.assert_array_equal(info["terminal_observation"], expected["terminal_observation"])
                assert info["episode"]["r"] == pytest.approx(expected["episode"]["r"], abs=1e-6)
                assert info["campaign_value"] == pytest.approx(expected["campaign_value"], rel=1e-12)
