"""Bad arguments are refused at the door, in one line that says what was given and what is allowed."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from ddpg_case import make
from gymnasium import spaces
from stable_baselines3.common.buffers import DictReplayBuffer, NStepReplayBuffer, ReplayBuffer
from stable_baselines3.common.envs import IdentityEnv, IdentityEnvBox, SimpleMultiObsEnv


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("squash", "relu"),
        ("action_layer", 2),
        ("action_layer", -1),
        ("final_init", 0.0),
        ("final_init", "small"),
        ("initial_action", 1.0),
        ("invert_gradients", 1),
    ],
)
def test_bad_policy_value(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name}={value!r} is not valid"):
        make(policy_kwargs={"net_arch": [4, 4], name: value})


def test_n_step_needs_a_buffer_that_can() -> None:
    with pytest.raises(ValueError, match=r"n_steps=3 needs .* ReplayBuffer takes no n_steps"):
        make(n_steps=3, replay_buffer_class=ReplayBuffer)
    with pytest.raises(ValueError, match=r"DictReplayBuffer takes no n_steps; use n_steps=1"):
        dict_env = SimpleMultiObsEnv(discrete_actions=False)
        make(dict_env, "MultiInputPolicy", n_steps=3, replay_buffer_class=DictReplayBuffer)
    with pytest.raises(ValueError, match=r"optimize_memory_usage=True .* n_steps=1 instead of 2"):
        make(n_steps=2, optimize_memory_usage=True)


@pytest.mark.parametrize(("name", "value"), [("n_steps", 4), ("gamma", 0.5)])
def test_buffer_arguments_may_not_contradict(name: str, value: float) -> None:
    kwargs = {"replay_buffer_class": NStepReplayBuffer, "n_steps": 3, "gamma": 0.9}
    make(replay_buffer_kwargs={"n_steps": 3, "gamma": 0.9}, **kwargs)
    with pytest.raises(ValueError, match=f"replay_buffer_kwargs has {name}={value}"):
        make(replay_buffer_kwargs={name: value}, **kwargs)


def test_weight_decay_needs_an_optimizer_that_can() -> None:
    policy_kwargs = {"optimizer_class": th.optim.Rprop}
    make(policy_kwargs=policy_kwargs)
    with pytest.raises(ValueError, match=r"critic_weight_decay=0.1 needs an optimizer with weight_decay, not Rprop"):
        make(policy_kwargs=policy_kwargs, critic_weight_decay=0.1)


class Actions(gym.Wrapper[Any, Any, Any, Any]):
    def __init__(self, action_space: spaces.Space[Any]) -> None:
        super().__init__(IdentityEnvBox())
        self.action_space = action_space


@pytest.mark.parametrize(
    "space", [spaces.Box(0, 5, (1,), dtype=np.int64), spaces.Box(np.zeros(2, np.float32), np.array([1, 0], np.float32))]
)
def test_action_space_needs_room_between_floats(space: spaces.Box) -> None:
    with pytest.raises(ValueError, match=r"action_space=Box.*low < high"):
        make(Actions(space))


def test_action_space_must_be_a_finite_box() -> None:
    with pytest.raises(AssertionError, match="only supports"):
        make(IdentityEnv(dim=2))
    with pytest.raises(AssertionError, match="finite lower and upper bound"):
        make(Actions(spaces.Box(-np.inf, np.inf, (1,))))


@pytest.mark.parametrize("rate", [0.0, 1, np.float32(0.1), "lin_0", "lin_1e-3"])
def test_good_learning_rates(rate: Any) -> None:
    model = make(learning_rate=rate, critic_learning_rate=rate)
    assert (model.learning_rate, model.critic_learning_rate) == (rate, rate)
