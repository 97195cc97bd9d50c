"""The bonus falls with the visits, and evaluations do not see it."""

import math
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3 import DQN
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy

from sb3_ext.wrappers import CountBonus


class Walk(gym.Env[int, int]):
    """Actions are the states reached, each for a reward of 3, in episodes of 4 steps."""

    observation_space: spaces.Discrete = spaces.Discrete(3)
    action_space = spaces.Discrete(3)
    t = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[int, dict[str, Any]]:
        super().reset(seed=seed)
        self.t = 0
        return int(self.observation_space.start), {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        self.t += 1
        return int(self.observation_space.start) + action, 3.0, self.t == 4, False, {}


class WalkFromFive(Walk):
    observation_space = spaces.Discrete(3, start=5)


def test_bonus_by_hand() -> None:
    env = CountBonus(WalkFromFive(), bonus=2.0)
    env.reset()
    rewards = [env.step(action)[1] for action in (0, 0, 2, 0)]
    assert rewards == pytest.approx([3 + 2, 3 + 2 / math.sqrt(2), 3 + 2, 3 + 2 / math.sqrt(3)])
    env.reset()
    assert env.step(0)[1] == 3 + 2 / math.sqrt(4), "counts go on over episodes"
    assert env.counts.tolist() == [4, 0, 1]


def test_cells_of_a_box() -> None:
    env = CountBonus(gym.make("MountainCar-v0"), bins=[3, 2])
    env.reset(seed=0)
    for _ in range(30):
        observation, *_ = env.step(2)
    assert env.counts.sum() == 30 and env.counts.shape == (6,)
    assert env.counts[:2].sum() + env.counts[2:4].sum() == 30, "the car does not leave the left two thirds"
    assert observation in env.observation_space


@pytest.mark.parametrize("wrap", [True, False])
def test_evaluations_count_the_raw_reward(wrap: bool) -> None:
    env = make_vec_env(Walk, 2, wrapper_class=CountBonus) if wrap else CountBonus(Walk())
    model = DQN("MlpPolicy", env, learning_starts=5, buffer_size=50, policy_kwargs={"net_arch": [4]}, seed=0).learn(40)
    assert [info["r"] for info in model.ep_info_buffer or []] == [12.0] * len(model.ep_info_buffer or [])
    assert model.replay_buffer is not None and model.replay_buffer.rewards[:10].min() > 3, "training sees the bonus"
    assert evaluate_policy(model, env, 2) == (12.0, 0.0)


@pytest.mark.parametrize(
    ("env", "arguments", "message"),
    [
        ("MountainCar-v0", {"bonus": 0.0}, "CountBonus: bonus=0.0 is not valid; pass a finite number > 0"),
        ("MountainCar-v0", {"bonus": np.nan}, "CountBonus: bonus=nan is not valid"),
        ("MountainCar-v0", {"bins": 0}, "bins"),
        ("CartPole-v1", {}, "low"),
        ("Blackjack-v1", {}, "needs a Box of numbers"),
    ],
)
def test_bad_arguments(env: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        CountBonus(gym.make(env), **arguments)
    assert "\n" not in str(error.value)
