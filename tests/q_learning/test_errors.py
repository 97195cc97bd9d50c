"""Bad arguments are refused at the door, in one line that says what was given and what is allowed."""

from typing import Any

import gymnasium as gym
import pytest
from gymnasium import spaces
from stable_baselines3 import A2C
from stable_baselines3.common.envs import IdentityEnv

from sb3_ext.q_learning import QLearning, RecordQValues


class Spaces(gym.Wrapper[Any, Any, Any, Any]):
    def __init__(self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> None:
        super().__init__(IdentityEnv(dim=2))
        self.observation_space, self.action_space = observation_space, action_space


@pytest.mark.parametrize(
    ("observation_space", "action_space", "message"),
    [
        (spaces.Box(0, 1, (2,)), spaces.Discrete(2), r"observation_space=Box.*DiscretizeObservation"),
        (spaces.MultiBinary(3), spaces.Discrete(2), r"observation_space=MultiBinary"),
        (spaces.Discrete(2), spaces.Box(0, 1, (2,)), r"action_space=Box.* needs a Discrete"),
        (spaces.Discrete(2), spaces.MultiDiscrete([2, 2]), r"action_space=MultiDiscrete.* needs a Discrete"),
        (spaces.MultiDiscrete([10**6] * 3), spaces.Discrete(2), r"1,000,000,000,000,000,000 states .* too large"),
    ],
)
def test_bad_spaces(observation_space: spaces.Space[Any], action_space: spaces.Space[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        QLearning("TablePolicy", Spaces(observation_space, action_space))


def test_bad_initial_value() -> None:
    with pytest.raises(ValueError, match="q_init=nan is not valid"):
        QLearning("TablePolicy", IdentityEnv(dim=2), policy_kwargs={"q_init": float("nan")})


def test_record_needs_a_table() -> None:
    with pytest.raises(ValueError, match="every=0 is not valid"):
        RecordQValues(every=0)
    with pytest.raises(ValueError, match="A2C has no q_table"):
        A2C("MlpPolicy", IdentityEnv(dim=2)).learn(1, callback=RecordQValues())
