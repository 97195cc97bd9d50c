"""Spaces, steps and comparisons that the tests of the replay buffers share."""

from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer

BOX = spaces.Box(-1, 1, (4,))
DICT = spaces.Dict({"image": spaces.Box(0, 255, (1, 3, 2), np.uint8), "place": spaces.Discrete(5), "v": BOX})
SPACES = {
    "box": BOX,
    "double": spaces.Box(-1, 1, (2,), np.float64),
    "image": spaces.Box(0, 255, (3, 4, 5), np.uint8),
    "discrete": spaces.Discrete(7),
    "multi discrete": spaces.MultiDiscrete([3, 4]),
    "multi binary": spaces.MultiBinary(6),
    "dict": DICT,
}
ACTIONS = {
    "discrete": spaces.Discrete(3),
    "box": spaces.Box(-1, 1, (2,)),
    "double": spaces.Box(-1, 1, (1,), np.float64),
    "multi discrete": spaces.MultiDiscrete([2, 3]),
}


def batch_of(space: spaces.Space[Any], n_envs: int) -> Any:
    """One observation or action of each environment, as a ``VecEnv`` gives them."""
    if isinstance(space, spaces.Dict):
        return {key: batch_of(part, n_envs) for key, part in space.items()}
    return np.stack([space.sample() for _ in range(n_envs)])


def fill(buffers: list[ReplayBuffer], n: int, ends: float = 0.2, seed: int = 0) -> None:
    """Play the same ``n`` random steps of every environment into all buffers; half of the episodes are truncated."""
    rng = np.random.default_rng(seed)
    first = buffers[0]
    first.observation_space.seed(seed)
    first.action_space.seed(seed)
    for _ in range(n):
        obs, next_obs = (batch_of(first.observation_space, first.n_envs) for _ in range(2))
        actions = batch_of(first.action_space, first.n_envs)
        rewards, dones = rng.normal(size=first.n_envs), rng.random(first.n_envs) < ends
        infos = [{"TimeLimit.truncated": bool(done and rng.random() < 0.5)} for done in dones]
        for buffer in buffers:
            buffer.add(obs, next_obs, actions, rewards, dones, infos)


def assert_same(samples: Any, expected: Any) -> None:
    assert samples._fields[: len(expected)] == expected._fields
    for name, ours, theirs in zip(expected._fields, samples, expected, strict=False):
        pairs = [(ours[key], theirs[key]) for key in theirs] if isinstance(theirs, dict) else [(ours, theirs)]
        for one, other in pairs:
            if other is None:
                assert one is None, name
            else:
                assert (one.dtype, one.shape) == (other.dtype, other.shape), name
                assert th.equal(one, other), name
