import math

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from sb3_ext.envs.ad_spend import AdSpendEnv
from sb3_ext.envs.ad_spend.baselines import RandomSpend, even_pacing
from sb3_ext.evaluation.measure import measure


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


def test_an_episode_without_end_is_warned_of_once(capsys: pytest.CaptureFixture[str]) -> None:
    class Up:
        def predict(self, observation: np.ndarray, **_: object) -> tuple[np.ndarray, None]:
            return np.zeros(len(observation), dtype=np.int64), None

    cliffs = [lambda: Monitor(gym.make("CliffWalking-v1", max_episode_steps=12))] * 2
    assert measure(Up(), DummyVecEnv(cliffs), range(2), long=12).returns == [-12, -12]  # type: ignore[arg-type]
    assert capsys.readouterr().err == ""
    assert measure(Up(), DummyVecEnv(cliffs), range(4), long=11).returns == [-12] * 4  # type: ignore[arg-type]
    (line,) = capsys.readouterr().err.splitlines()
    assert "an episode has not ended after 11 steps" in line and "max_episode_steps" in line


def test_random_spends_differ_between_episodes() -> None:
    env = AdSpendEnv(periods=3)
    result = measure(RandomSpend(env, 0), DummyVecEnv([lambda: Monitor(env)]), range(3))  # type: ignore[arg-type]
    assert len(set(result.returns)) == 3
