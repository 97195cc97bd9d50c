"""Replay of (time, environment) pairs: the ground that prioritized and frame replay stand on."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch as th
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.type_aliases import DictReplayBufferSamples, ReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize

from sb3_ext.common.hyperparameters import check_hyperparameters, is_integer, is_real

Indices = npt.NDArray[np.int64]
Observations = npt.NDArray[Any] | dict[str, npt.NDArray[Any]]

GATHERED_NUMBERS = 100_000
"""Numbers in the observations that ``sample_several`` gathers at a time."""


class TransitionReplayBuffer(ReplayBuffer):
    """
    SB3's replay buffer with n-step returns for any observation space, split where subclasses differ.

    SB3 draws the environment of a transition where it gathers the data; here whoever draws a transition names its time
    and its environment, so that it can be found again. Uniform samples are bit-equal to those of SB3's
    ``ReplayBuffer``, ``DictReplayBuffer`` and ``NStepReplayBuffer`` after the same calls to NumPy's global generator.

    A return over ``n_steps`` ends early where its episode does, and at the newest transition, which then bootstraps.

    Subclasses store observations in another way (:meth:`_allocate_observations`, :meth:`_store_observations`,
    :meth:`_observations_at`, :meth:`_next_observations_at`, :meth:`_readable`), or draw in another way (:meth:`_draw`).

    :param buffer_size: transitions kept over all environments, at least ``n_steps`` for each environment
    :param observation_space: space of the observations, possibly ``Dict``
    :param action_space: space of the actions
    :param device: device of the samples
    :param n_envs: number of parallel environments
    :param optimize_memory_usage: must be False, see :class:`sb3_ext.replay.frames.FrameReplayBuffer`
    :param handle_timeout_termination: whether episodes cut by a time limit bootstrap
    :param n_steps: rewards summed before bootstrapping, at least 1
    :param gamma: discount factor of these sums, in [0, 1]
    :raises ValueError: if an argument is out of range
    """

    observations: Observations  # type: ignore[assignment]  # a dictionary for Dict spaces
    next_observations: Observations  # type: ignore[assignment]

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        device: th.device | str = "auto",
        n_envs: int = 1,
        optimize_memory_usage: bool = False,
        handle_timeout_termination: bool = True,
        n_steps: int = 1,
        gamma: float = 0.99,
    ) -> None:
        needed = n_steps * n_envs if is_integer(n_steps, 1) else n_envs
        check_hyperparameters(
            type(self).__name__,
            locals(),
            {
                "n_steps": (is_integer(n_steps, 1), "an integer >= 1"),
                "gamma": (is_real(gamma, 0, 1), "a number in [0, 1]"),
                "optimize_memory_usage": (
                    not optimize_memory_usage,
                    "False; FrameReplayBuffer stores each frame of an image once",
                ),
                "buffer_size": (
                    is_integer(buffer_size, 1) and max(buffer_size // n_envs, 1) * n_envs >= needed,
                    f"an integer >= n_steps * n_envs = {needed}",
                ),
            },
        )
        # ReplayBuffer's own constructor would allocate both observations of every transition
        super(ReplayBuffer, self).__init__(buffer_size, observation_space, action_space, device, n_envs)
        self.buffer_size = max(buffer_size // n_envs, 1)
        self.optimize_memory_usage = optimize_memory_usage
        self.handle_timeout_termination = handle_timeout_termination
        self.n_steps = n_steps
        self.gamma = gamma
        shape = (self.buffer_size, n_envs)
        self.actions = np.zeros((*shape, self.action_dim), dtype=self._maybe_cast_dtype(action_space.dtype))
        self.rewards, self.dones, self.timeouts = (np.zeros(shape, dtype=np.float32) for _ in range(3))
        self._allocate_observations()

    def _allocate_observations(self) -> None:
        self.observations = self._zeros(self.obs_shape, self.observation_space)
        self.next_observations = self._zeros(self.obs_shape, self.observation_space)

    def _zeros(self, shape: Any, space: Any) -> Any:
        """Zeros of shape (buffer_size, n_envs, *shape), for each key of a Dict space."""
        if isinstance(shape, dict):
            return {key: self._zeros(shape[key], space[key]) for key in shape}
        return np.zeros((self.buffer_size, self.n_envs, *shape), dtype=space.dtype)

    def add(
        self,
        obs: Observations,
        next_obs: Observations,
        action: npt.NDArray[Any],
        reward: npt.NDArray[Any],
        done: npt.NDArray[Any],
        infos: list[dict[str, Any]],
    ) -> None:
        """Store one transition of each environment in place of the oldest ones; wrong shapes raise ``ValueError``."""
        self._store_observations(obs, next_obs)
        self.actions[self.pos] = action.reshape((self.n_envs, self.action_dim))
        self.rewards[self.pos] = reward
        self.dones[self.pos] = done
        if self.handle_timeout_termination:
            # by way of an array, as infos made of a buffer's own columns hold arrays of one number
            self.timeouts[self.pos] = np.array([info.get("TimeLimit.truncated", False) for info in infos])
        self.pos += 1
        if self.pos == self.buffer_size:
            self.full = True
            self.pos = 0

    def _store_observations(self, obs: Observations, next_obs: Observations) -> None:
        """Write the observations of one transition per environment at ``self.pos``."""
        for table, values in ((self.observations, obs), (self.next_observations, next_obs)):
            for stored, value in _pairs(table, values):
                value, shape = np.asarray(value), stored.shape[1:]
                # only numbers, as those of Discrete spaces, come in several shapes
                if value.shape not in (shape, shape[1:]) and shape[1:] != (1,):
                    raise ValueError(
                        f"{type(self).__name__}: observations have shape {value.shape}, not {shape}; with images put "
                        "VecTransposeImage before VecNormalize."
                    )
                stored[self.pos] = value.reshape(shape)

    def _observations_at(self, times: Indices, envs: Indices) -> Observations:
        observations: Observations = _each(self.observations, lambda table: _take(table, times, envs))
        return observations

    def _next_observations_at(self, times: Indices, envs: Indices) -> Observations:
        observations: Observations = _each(self.next_observations, lambda table: _take(table, times, envs))
        return observations

    def _readable(self, times: Indices, envs: Indices) -> npt.NDArray[np.bool_] | None:
        """Which of the stored transitions still have their observations; None for all."""
        return None

    def _draw(self, batch_size: int) -> tuple[Indices, Indices]:
        """Draw transitions uniformly: times and environments, each of shape (batch_size,)."""
        times, envs = self._draw_any(batch_size)
        while (readable := self._readable(times, envs)) is not None and not readable.all():
            missing = np.flatnonzero(~readable)
            times[missing], envs[missing] = self._draw_any(len(missing))
        return times, envs

    def _draw_any(self, batch_size: int) -> tuple[Indices, Indices]:
        times = np.random.randint(0, self.size(), size=batch_size)
        if self.n_envs == 1:  # which draws nothing
            return times, np.zeros(batch_size, np.int64)
        return times, np.random.randint(0, self.n_envs, size=batch_size)

    def sample(  # type: ignore[override]  # dictionary samples for Dict spaces
        self, batch_size: int, env: VecNormalize | None = None
    ) -> ReplayBufferSamples | DictReplayBufferSamples:
        """Draw uniformly with replacement; ``discounts``, shape (batch_size, 1), only if ``n_steps > 1``."""
        return self._gather(*self._draw(batch_size), env)

    def sample_several(
        self, n_batches: int, batch_size: int, env: VecNormalize | None = None
    ) -> Iterator[ReplayBufferSamples | DictReplayBufferSamples]:
        """
        Draw several batches, as so many calls of :meth:`sample` do, each to be used before something is added.

        Of small observations many are gathered at a time.
        """
        at_once = min(n_batches, GATHERED_NUMBERS // (batch_size * spaces.flatdim(self.observation_space)))
        # A ``sample`` of the class's own may depend on what became of earlier batches, as priorities do.
        if at_once < 2 or type(self).sample is not TransitionReplayBuffer.sample:
            yield from (self.sample(batch_size, env) for _ in range(n_batches))
            return
        for first in range(0, n_batches, at_once):
            draws = [self._draw(batch_size) for _ in range(min(at_once, n_batches - first))]
            times, envs = map(np.concatenate, zip(*draws, strict=True))
            yield from _split(self._gather(times, envs, env), batch_size)

    def _get_samples(  # type: ignore[override]
        self, batch_inds: Indices, env: VecNormalize | None = None
    ) -> ReplayBufferSamples | DictReplayBufferSamples:
        return self._gather(batch_inds, np.random.randint(0, self.n_envs, size=len(batch_inds)), env)

    def _gather(
        self, times: Indices, envs: Indices, env: VecNormalize | None
    ) -> ReplayBufferSamples | DictReplayBufferSamples:
        """Collect the data of transitions given by time and environment, each of shape (batch_size,)."""
        if self.n_steps == 1:
            last, discounts = times, None
            rewards = self._normalize_reward(self.rewards.take(self._indices(times, envs))[:, None], env)
        else:
            last, rewards, discounts = self._sum_rewards(times, envs, env)
        ends = self._indices(last, envs)
        dones = self.dones.take(ends) * (1 - self.timeouts.take(ends))
        observations = self._normalize_obs(self._observations_at(times, envs), env)
        next_observations = self._normalize_obs(self._next_observations_at(last, envs), env)
        tensor = self._to_tensor()
        samples = DictReplayBufferSamples if isinstance(observations, dict) else ReplayBufferSamples
        return samples(
            _each(observations, tensor),
            tensor(_take(self.actions, times, envs)),
            _each(next_observations, tensor),
            tensor(dones[:, None]),
            tensor(rewards),
            None if discounts is None else tensor(discounts),
        )

    def _indices(self, times: Indices, envs: Indices) -> Indices:
        """Number the pairs of times and environments, counting environments first."""
        return times if self.n_envs == 1 else times * self.n_envs + envs

    def _sum_rewards(
        self, times: Indices, envs: Indices, env: VecNormalize | None
    ) -> tuple[Indices, npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Times of the last transitions of the n-step returns, the returns and the discounts of what follows them."""
        steps = np.arange(self.n_steps)
        window = (times[:, None] + steps) % self.buffer_size
        pairs = (window, envs[:, None])
        ends = (self.dones[pairs] + self.timeouts[pairs] > 0) | (window == (self.pos - 1) % self.buffer_size)
        ends[:, -1] = True
        last_step = ends.argmax(axis=1)
        mask = steps <= last_step[:, None]
        rewards = self._normalize_reward(self.rewards[pairs], env)
        weights = self.gamma ** steps.astype(np.float32)
        returns = (rewards * weights * mask).sum(axis=1, keepdims=True)
        discounts = self.gamma ** mask.sum(axis=1, keepdims=True).astype(np.float32)
        return (times + last_step) % self.buffer_size, returns, discounts

    def _to_tensor(self) -> Callable[[npt.NDArray[Any]], th.Tensor]:
        """Give what turns freshly gathered arrays into tensors, on the CPU without a second copy."""
        if self.device.type == "cpu":
            return th.from_numpy
        return lambda array: th.from_numpy(array).to(self.device)


def _take(table: npt.NDArray[Any], times: Indices, envs: Indices) -> npt.NDArray[Any]:
    """Gather ``table[times, envs]`` through one index, which NumPy does several times faster."""
    n_envs = table.shape[1]
    taken: npt.NDArray[Any]
    if n_envs == 1:
        taken = table[:, 0].take(times, axis=0)
    else:
        taken = table.reshape(-1, *table.shape[2:]).take(times * n_envs + envs, axis=0)
    return taken


def _each(values: Any, function: Callable[[npt.NDArray[Any]], Any]) -> Any:
    """Apply a function to an array, or to each value of a dictionary."""
    return {key: function(value) for key, value in values.items()} if isinstance(values, dict) else function(values)


def _split(samples: Any, batch_size: int) -> Iterator[Any]:
    """Cut a large batch into small ones, which share its memory."""
    columns: list[Iterable[Any]] = []
    for values in samples:
        if values is None:
            columns.append(itertools.repeat(None))
        elif isinstance(values, dict):
            rows = zip(*(value.split(batch_size) for value in values.values()), strict=True)
            columns.append([dict(zip(values, row, strict=True)) for row in rows])
        else:
            columns.append(values.split(batch_size))
    return map(type(samples), *columns)


def _pairs(tables: Any, values: Any) -> list[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
    return [(tables[key], values[key]) for key in tables] if isinstance(tables, dict) else [(tables, values)]
