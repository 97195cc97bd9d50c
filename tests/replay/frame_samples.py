"""Episodes of frames, and buffers beside SB3's that hold the same ones."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.buffers import NStepReplayBuffer, ReplayBuffer
from stable_baselines3.common.vec_env import VecNormalize

from sb3_ext.replay.frames import FrameReplayBuffer

Transition = tuple[Any, ...]
ACTIONS = spaces.Discrete(1000)


def image_space(channels: int, size: tuple[int, int] = (2, 3), dtype: Any = np.uint8) -> spaces.Box:
    return spaces.Box(0, 255, (channels, *size), dtype)


def play(
    n_envs: int, lengths: list[int], n_stack: int, channels: int = 1, padding: str = "zeros", colours: int = 256
) -> Iterator[Transition]:
    """Transitions of episodes with the given lengths (negative: truncated), in an order of its own per environment."""
    rng = np.random.default_rng(0)

    def episodes(env: int) -> Iterator[Transition]:
        for episode in range(10**6):
            length = lengths[(episode * (env + 1) + env) % len(lengths)]
            stack = np.zeros((n_stack, channels, 2, 3), np.uint8)
            first = rng.integers(0, colours, (channels, 2, 3))
            stack[slice(None) if padding == "repeat" else -1] = first
            for step in range(abs(length)):
                following = np.roll(stack, -1, axis=0)
                following[-1] = rng.integers(0, colours, (channels, 2, 3))
                done = step == abs(length) - 1
                info = {"TimeLimit.truncated": True} if done and length < 0 else {}
                yield stack.reshape(-1, 2, 3), following.reshape(-1, 2, 3), rng.normal(), done, info
                stack = following

    for number, steps in enumerate(zip(*map(episodes, range(n_envs)), strict=True)):
        obs, next_obs, rewards, dones, infos = zip(*steps, strict=True)
        actions = np.full(n_envs, number % 1000)
        yield np.stack(obs), np.stack(next_obs), actions, np.array(rewards), np.array(dones), list(infos)


def pair(
    buffer_size: int, space: spaces.Box, n_envs: int = 1, n_steps: int = 1, n_stack: int | None = None
) -> tuple[ReplayBuffer, FrameReplayBuffer]:
    ours = FrameReplayBuffer(
        buffer_size, space, ACTIONS, "cpu", n_envs=n_envs, n_steps=n_steps, gamma=0.9, n_stack=n_stack
    )
    if n_steps > 1:
        upstream = NStepReplayBuffer(buffer_size, space, ACTIONS, "cpu", n_envs=n_envs, n_steps=n_steps, gamma=0.9)
        return upstream, ours
    return ReplayBuffer(buffer_size, space, ACTIONS, "cpu", n_envs=n_envs), ours


def assert_same_samples(
    upstream: ReplayBuffer, ours: FrameReplayBuffer, batch_size: int = 200, env: VecNormalize | None = None
) -> None:
    batches = []
    for buffer in (upstream, ours):
        np.random.seed(1)
        batches.append(buffer.sample(batch_size, env))
    for name, expected, value in zip(batches[0]._fields, *batches, strict=True):
        assert (expected is None) == (value is None), name
        if expected is not None:
            assert expected.dtype == value.dtype and th.equal(expected, value), name
