"""Replay of stacked images that stores each frame once."""

import contextlib
import importlib
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from sb3_ext.common.hyperparameters import is_integer
from sb3_ext.replay.transitions import Indices, Observations, TransitionReplayBuffer

# Below this many transitions an environment has room for the frames of episodes of a single step.
_SMALL = 100


class FrameReplayBuffer(TransitionReplayBuffer):
    """
    Replay buffer for stacks of frames that stores each frame once and rebuilds the stacks when sampling.

    Samples are bit-equal to those of SB3's ``ReplayBuffer`` and ``NStepReplayBuffer``, across episode ends, truncation,
    several environments and any padding of the first stacks, for a seventh of the memory with stacks of four frames::

        DQN("CnnPolicy", env, replay_buffer_class=FrameReplayBuffer)

    Observations are images with channels first (SB3 transposes them), oldest frame first. Each transition adds the
    newest frame of ``next_obs``. Where ``obs`` is not the ``next_obs`` stored before, as at the start of an episode,
    its stack is stored first, a run of equal frames at its beginning (the padding) only once.

    There is room for 9/8 frames per transition. Where episodes are so short (under about 16 steps) that their first
    stacks need more, the oldest transitions lose their frames and are no longer drawn, though ``size()`` counts them.

    :param args: arguments of :class:`~sb3_ext.replay.transitions.TransitionReplayBuffer`
    :param n_stack: number of frames in an observation, which divides its channels; None for frames of one channel.
        4 for four RGB frames in 12 channels, 1 for images that are not stacked
    :param kwargs: its keyword arguments
    :raises ValueError: if observations are not images with channels first, or ``n_stack`` does not divide the channels;
        from :meth:`add` if observations have another shape, or ``next_obs`` is not ``obs`` moved by one frame
    """

    def __init__(self, *args: Any, n_stack: int | None = None, **kwargs: Any) -> None:
        self.n_stack = n_stack
        super().__init__(*args, **kwargs)

    def _allocate_observations(self) -> None:
        space = self.observation_space
        if not isinstance(space, spaces.Box) or len(space.shape) != 3:
            raise ValueError(
                "FrameReplayBuffer stores images, Box observations of shape (channels, height, width), but the "
                f"observation space is a {type(space).__name__} of shape {space.shape}; use another replay buffer."
            )
        channels, height, width = space.shape
        if self.n_stack is None:
            if width < min(channels, height):
                raise ValueError(
                    f"FrameReplayBuffer needs channels first, but the observation shape is {space.shape}; wrap the "
                    "environment with VecTransposeImage, or pass n_stack if this is (channels, height, width)."
                )
            self.n_stack = channels
        if not is_integer(self.n_stack, 1) or channels % self.n_stack:
            raise ValueError(
                f"FrameReplayBuffer: n_stack={self.n_stack!r} is not valid for {channels} channels; pass the number of "
                "stacked frames, which divides the channels."
            )
        stack = self.n_stack
        size = self.buffer_size
        # A transition adds at most its whole stack and one frame more.
        self.capacity = min(size * (stack + 1), max(size + size // 8 + stack, _SMALL * (stack + 1)))
        frame_shape = (channels // stack, height, width)
        self.frames = np.zeros((self.n_envs, self.capacity, *frame_shape), dtype=space.dtype)
        self._last_stacks: npt.NDArray[Any] = np.zeros((self.n_envs, stack, *frame_shape), dtype=space.dtype)
        # Frames are numbered by environment; number i lies at i % capacity until number i + capacity replaces it.
        self._counts, self._firsts = (np.zeros(self.n_envs, dtype=np.int64) for _ in range(2))
        # The observation of a transition ends with frame ``newest`` and repeats ``oldest`` in place of earlier ones.
        self._newest, self._oldest = (np.zeros((size, self.n_envs), dtype=np.int64) for _ in range(2))
        self._warn_if_too_large()

    def _warn_if_too_large(self) -> None:
        with contextlib.suppress(ImportError):
            available = importlib.import_module("psutil").virtual_memory().available
            if self.frames.nbytes > available:
                warnings.warn(
                    f"The frames of the replay buffer take {self.frames.nbytes / 1e9:.2f} GB but only "
                    f"{available / 1e9:.2f} GB of memory are available; lower buffer_size.",
                    stacklevel=2,
                )

    def _store_observations(self, obs: Observations, next_obs: Observations) -> None:
        # SB3 hands over transposed views, which are slow to compare; ``next_obs`` is kept, hence always copied.
        dtype = self.frames.dtype
        stacks = self._as_stacks("obs", np.ascontiguousarray(obs, dtype=dtype))
        next_stacks = self._as_stacks("next_obs", np.array(next_obs, dtype=dtype, order="C"))
        if not np.array_equal(stacks[:, 1:], next_stacks[:, :-1]):
            raise ValueError(self._not_stacked(stacks, next_stacks))
        follows = (stacks == self._last_stacks).reshape(self.n_envs, -1).all(axis=1) & (self._counts > 0)
        for env in np.flatnonzero(~follows):
            self._store_first_stack(env, stacks[env])
        self._newest[self.pos] = self._counts - 1
        self._oldest[self.pos] = np.maximum(self._counts - self._last_stacks.shape[1], self._firsts)
        self._append(np.arange(self.n_envs), next_stacks[:, -1])
        self._last_stacks = next_stacks

    def _as_stacks(self, name: str, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if values.shape != (self.n_envs, *self.obs_shape):
            raise ValueError(
                f"FrameReplayBuffer: {name} has shape {values.shape}, not {(self.n_envs, *self.obs_shape)}; "
                "wrap the environment with VecFrameStack and VecTransposeImage before VecNormalize."
            )
        return values.reshape(self._last_stacks.shape)

    def _store_first_stack(self, env: np.int64, stack: npt.NDArray[Any]) -> None:
        begin = 0
        while begin < len(stack) - 1 and np.array_equal(stack[begin], stack[begin + 1]):
            begin += 1
        self._firsts[env] = self._counts[env]
        for frame in stack[begin:]:
            self._append(env, frame)

    def _append(self, envs: Any, frames: npt.NDArray[Any]) -> None:
        self.frames[envs, self._counts[envs] % self.capacity] = frames
        self._counts[envs] += 1

    def _not_stacked(self, stacks: npt.NDArray[Any], next_stacks: npt.NDArray[Any]) -> str:
        differ = (stacks[:, 1:] != next_stacks[:, :-1]).reshape(self.n_envs, -1).any(axis=1)
        return (
            f"FrameReplayBuffer: next_obs of environment {differ.argmax()} is not obs moved by one frame, with n_stack="
            f"{self.n_stack}; pass in replay_buffer_kwargs the n_stack of your frame stacking (1 without any), with "
            "channels first, terminal_observation in the infos at episode ends, and norm_obs=False for VecNormalize."
        )

    def _observations_at(self, times: Indices, envs: Indices) -> Observations:
        return self._stacks(0, times, envs)

    def _next_observations_at(self, times: Indices, envs: Indices) -> Observations:
        return self._stacks(1, times, envs)

    def _stacks(self, shift: int, times: Indices, envs: Indices) -> npt.NDArray[Any]:
        """Stacks that end ``shift`` frames after the newest frame of the observations."""
        back = np.arange(self._last_stacks.shape[1] - 1, -1, -1)
        numbers = np.maximum(self._newest[times, envs][:, None] + (shift - back), self._oldest[times, envs][:, None])
        places = numbers % self.capacity + (envs * self.capacity)[:, None]
        stacks: npt.NDArray[Any] = self.frames.reshape(-1, *self.frames.shape[2:]).take(places, axis=0)
        return stacks.reshape(len(times), *self.obs_shape)

    def _readable(self, times: Indices, envs: Indices) -> npt.NDArray[np.bool_]:
        readable: npt.NDArray[np.bool_] = self._oldest[times, envs] >= (self._counts - self.capacity)[envs]
        return readable
