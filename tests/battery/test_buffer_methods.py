"""
Every public method of SB3's replay buffers and vector environments does with our classes what it does with SB3's.

The methods are found by inspection: one that a new version of SB3 brings has no call here, and is missed by name.
"""

import itertools
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.buffers import BaseBuffer, ReplayBuffer
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.common.vec_env import VecEnv
from upstream_methods import Calls, public

from sb3_ext.replay import (
    FrameReplayBuffer,
    PrioritizedFrameReplayBuffer,
    PrioritizedReplayBuffer,
    TransitionReplayBuffer,
)
from sb3_ext.vec_env import GymnasiumVecEnv

IMAGE = spaces.Box(0, 255, (2, 4, 4), np.uint8)
BUFFERS: dict[type[ReplayBuffer], spaces.Space[Any]] = {
    TransitionReplayBuffer: spaces.Box(-1, 1, (3,)),
    PrioritizedReplayBuffer: spaces.Discrete(5),
    FrameReplayBuffer: IMAGE,
    PrioritizedFrameReplayBuffer: IMAGE,
}


def stored(buffer: Any, n: int) -> list[tuple[Any, ...]]:
    """Transitions of two environments; images move on by one frame each."""
    drawn = [np.stack([buffer.observation_space.sample() for _ in range(2)]) for _ in range(n + 2)]
    if buffer.observation_space is IMAGE:
        drawn = [np.stack([before[:, 1], after[:, 1]], axis=1) for before, after in itertools.pairwise(drawn)]
    actions = np.array([buffer.action_space.sample() for _ in range(2)])
    return [
        (drawn[t], drawn[t + 1], actions, np.full(2, t), np.zeros(2), [{}, {"TimeLimit.truncated": t == 3}])
        for t in range(n)
    ]


def add(buffer: Any) -> None:
    for transition in stored(buffer, 4):
        buffer.add(*transition)
    assert buffer.rewards[:4, 1].tolist() == [0, 1, 2, 3] and buffer.timeouts[3].tolist() == [0, 1]


def extend(buffer: Any) -> None:
    buffer.extend(*zip(*stored(buffer, 4), strict=True))
    assert buffer.rewards[:4, 1].tolist() == [0, 1, 2, 3] and buffer.timeouts[3].tolist() == [0, 1]


def size(buffer: Any) -> None:
    assert buffer.size() == 0
    buffer.extend(*zip(*stored(buffer, 4), strict=True))
    assert buffer.size() == 4
    buffer.extend(*zip(*stored(buffer, 12), strict=True))
    assert buffer.size() == buffer.buffer_size == 10


def reset(buffer: Any) -> None:
    add(buffer)
    buffer.reset()
    assert buffer.size() == 0
    add(buffer)


def sample(buffer: Any) -> None:
    add(buffer)
    for _ in range(5):
        samples = buffer.sample(6, env=None)
        assert samples.observations.shape[0] == 6 and isinstance(samples[:6], tuple)
        assert set(samples.rewards.flatten().tolist()) <= {0, 1, 2, 3}
        assert set(samples._fields) >= set(ReplayBufferSamples._fields)


def to_torch(buffer: Any) -> None:
    array = np.arange(3.0)
    copied, shared = buffer.to_torch(array), buffer.to_torch(array, copy=False)
    array[0] = 7
    assert copied[0] == 0 and shared[0] == 7


def swap_and_flatten(buffer: Any) -> None:
    add(buffer)
    assert buffer.swap_and_flatten(buffer.rewards).shape == (20, 1)


BUFFER: Calls = {call.__name__: call for call in (add, extend, size, reset, sample, to_torch, swap_and_flatten)}


@pytest.mark.parametrize("call", BUFFER.values(), ids=BUFFER.keys())
@pytest.mark.parametrize("buffer_class", BUFFERS)
def test_replay_buffers(buffer_class: type[ReplayBuffer], call: Callable[..., None]) -> None:
    call(buffer_class(20, BUFFERS[buffer_class], spaces.Discrete(3), "cpu", 2))


def test_vector_environments() -> None:
    env = GymnasiumVecEnv(gym.make_vec("CartPole-v1", 2, "sync", render_mode="rgb_array"))
    called = {
        "seed": env.seed(3),
        "set_options": env.set_options({"low": -0.01, "high": 0.01}),
        "reset": env.reset(),
        "step": env.step(np.array([0, 1])),
        "step_async": env.step_async(np.array([0, 1])),
        "step_wait": env.step_wait(),
        "has_attr": env.has_attr("gravity"),
        "get_attr": env.get_attr("gravity", [0]),
        "set_attr": env.set_attr("gravity", 1.0, 1),
        "env_method": env.env_method("close", indices=[]),
        "env_is_wrapped": env.env_is_wrapped(Monitor),
        "get_images": env.get_images(),
        "render": env.render("rgb_array"),
        "unwrapped": env.unwrapped,
        "getattr_depth_check": env.getattr_depth_check("seed", already_found=True),
        "close": env.close(),
    }
    assert called.keys() == public(VecEnv)
    assert called["seed"] == [3, 4] and called["reset"].shape == (2, 4) and abs(called["reset"]).max() <= 0.01
    for observations, rewards, dones, infos in (called["step"], called["step_wait"]):
        assert observations.shape == (2, 4) and rewards.tolist() == [1, 1] and not dones.any() and infos == [{}, {}]
    assert called["has_attr"] and called["get_attr"] == [9.8] and env.get_attr("gravity") == [9.8, 1.0]
    assert called["env_method"] == [] and called["env_is_wrapped"] == [True, True]
    assert len(called["get_images"]) == 2 and called["render"].ndim == 3 and called["unwrapped"] is env
    assert called["getattr_depth_check"].endswith("GymnasiumVecEnv")


def test_no_public_method_is_left_out() -> None:
    assert public(BaseBuffer, ReplayBuffer) == BUFFER.keys()
