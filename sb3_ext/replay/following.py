"""Replay buffers that always follow the ``n_steps`` and ``gamma`` of their algorithm."""

import inspect
import io
import pathlib
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
from stable_baselines3.common.buffers import NStepReplayBuffer, ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.type_aliases import MaybeCallback, TrainFreq, TrainFrequencyUnit
from stable_baselines3.common.vec_env import VecFrameStack, VecNormalize, unwrap_vec_wrapper

from sb3_ext.replay.frames import FrameReplayBuffer
from sb3_ext.replay.prioritized import PrioritizedSampling
from sb3_ext.replay.transitions import TransitionReplayBuffer


class FollowingReplay(OffPolicyAlgorithm):
    """
    Mixin for off-policy algorithms: their replay buffer follows their ``n_steps`` and ``gamma``, also after loading.

    Where ``learn()`` resets the environments, the episodes under way end in the replay buffer as at a time limit. SB3
    sums n-step returns across such resets.

    Put it before the base class: ``class DDPG(FollowingReplay, OffPolicyAlgorithm)``. The arguments of the user stay in
    ``replay_buffer_class``, ``replay_buffer_kwargs`` and ``n_steps``.
    """

    def _resolve_replay_buffer(self) -> tuple[type[ReplayBuffer], dict[str, Any]]:
        """Choose the class and the arguments of the buffer."""
        n_steps, kwargs = self.n_steps, self.replay_buffer_kwargs
        if self.buffer_size == 1:
            # The zoo loads agents in this way to play with them; one transition holds no sum of rewards
            n_steps, kwargs = 1, {name: value for name, value in kwargs.items() if name != "n_steps"}
        return resolve_replay_buffer(self.replay_buffer_class, kwargs, n_steps, self.gamma, self.optimize_memory_usage)

    def _setup_model(self) -> None:
        # SB3 would store the class it selects as if the user had chosen it, and warn about n_steps for a given class
        given = {name: getattr(self, name) for name in ("replay_buffer_class", "replay_buffer_kwargs", "n_steps")}
        self.replay_buffer_class, self.replay_buffer_kwargs = self._resolve_replay_buffer()
        self.n_steps = 1
        try:
            super()._setup_model()
        finally:
            vars(self).update(given)
        self._check_frame_stack()

    def _check_frame_stack(self) -> None:
        """Refuse at once what ``FrameReplayBuffer`` would notice at the first transition."""
        if not isinstance(self.replay_buffer, FrameReplayBuffer) or self.env is None:
            return
        normalized = unwrap_vec_wrapper(self.env, VecNormalize)
        if isinstance(normalized, VecNormalize) and normalized.norm_obs:
            raise ValueError(
                "FrameReplayBuffer does not store observations that VecNormalize changes; pass it norm_obs=False."
            )
        stacked = unwrap_vec_wrapper(self.env, VecFrameStack)
        if not isinstance(stacked, VecFrameStack):
            return
        frames = stacked.stacked_obs.n_stack
        if self.replay_buffer.n_stack != frames:
            raise ValueError(
                f"FrameReplayBuffer: n_stack={self.replay_buffer.n_stack} is not valid, as the environment stacks "
                f"{frames} frames; pass replay_buffer_kwargs=dict(n_stack={frames})."
            )

    def _convert_train_freq(self) -> None:
        """Refuse what would only fail in the middle of ``learn()``."""
        super()._convert_train_freq()
        train_freq, name = cast(TrainFreq, self.train_freq), type(self).__name__
        if train_freq.frequency < 1:
            raise ValueError(f"{name}: train_freq={train_freq.frequency} is not valid; pass an integer >= 1.")
        if train_freq.unit == TrainFrequencyUnit.EPISODE and self.n_envs > 1:
            raise ValueError(
                f"{name}: train_freq in episodes needs one environment, not {self.n_envs}; count in 'step'."
            )

    def _setup_learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        reset_num_timesteps: bool = True,
        tb_log_name: str = "run",
        progress_bar: bool = False,
    ) -> tuple[int, BaseCallback]:
        buffer = self.replay_buffer
        if buffer is not None and buffer.buffer_size < self.n_steps:
            raise ValueError(
                f"{type(self).__name__}: buffer_size={self.buffer_size} is not valid; to learn with "
                f"n_steps={self.n_steps} pass an integer >= n_steps * n_envs = {self.n_steps * self.n_envs}."
            )
        self._check_frame_stack()
        if reset_num_timesteps or self._last_obs is None:
            self._end_stored_episodes()
        return super()._setup_learn(total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar)

    def _sample_several(self, n_batches: int, batch_size: int) -> Iterator[Any]:
        """Draw the minibatches of a call of ``train`` one after the other, if the buffer can, several at a time."""
        buffer, env = self.replay_buffer, self._vec_normalize_env
        assert buffer is not None
        if isinstance(buffer, TransitionReplayBuffer):
            return buffer.sample_several(n_batches, batch_size, env)
        return (buffer.sample(batch_size, env=env) for _ in range(n_batches))

    def _end_stored_episodes(self) -> None:
        """Mark the newest transitions as cut short, except with shared observations, where SB3 ends them itself."""
        buffer = self.replay_buffer
        if buffer is not None and buffer.size() > 0 and not buffer.optimize_memory_usage:
            newest = (buffer.pos - 1) % buffer.buffer_size
            buffer.timeouts[newest] = np.maximum(buffer.timeouts[newest], 1 - buffer.dones[newest])

    def load_replay_buffer(self, path: str | pathlib.Path | io.BufferedIOBase, truncate_last_traj: bool = True) -> None:
        """
        Load a replay buffer; its ``n_steps`` and ``gamma`` become those of the model.

        The file is a pickle, as SB3 writes it: only load files that you trust.

        :param path: file written by ``save_replay_buffer``
        :param truncate_last_traj: see ``OffPolicyAlgorithm.load_replay_buffer``
        :raises ValueError: if the buffer does not fit the model's spaces, number of environments, frame stack or
            ``n_steps``, or only one of them has prioritized replay
        :raises AssertionError: from SB3, if the file holds no replay buffer
        """
        previous = self.replay_buffer
        try:
            super().load_replay_buffer(path, truncate_last_traj)
            assert self.replay_buffer is not None
            adopt_replay_buffer(self.replay_buffer, self)
            self._check_frame_stack()
            if isinstance(self.replay_buffer, PrioritizedSampling) != isinstance(previous, PrioritizedSampling):
                raise ValueError(
                    f"The replay buffer is a {type(self.replay_buffer).__name__}, that of the model a "
                    f"{type(previous).__name__}: load the model with the prioritized replay it was saved with, or "
                    "start from an empty one."
                )
        except Exception:
            self.replay_buffer = previous
            raise


def resolve_replay_buffer(
    replay_buffer_class: type[ReplayBuffer] | None,
    replay_buffer_kwargs: dict[str, Any],
    n_steps: int,
    gamma: float,
    optimize_memory_usage: bool = False,
) -> tuple[type[ReplayBuffer], dict[str, Any]]:
    """
    Choose the replay buffer and its arguments, so that it always follows the algorithm's ``n_steps`` and ``gamma``.

    SB3 ignores ``n_steps`` for a buffer chosen by the user, and keeps the saved ``gamma`` after ``load(gamma=...)``.

    :param replay_buffer_class: the user's choice; ``None`` selects one for any observation space and ``n_steps``
    :param replay_buffer_kwargs: the user's arguments (not changed)
    :param n_steps: number of rewards summed before bootstrapping, at least 1
    :param gamma: discount factor
    :param optimize_memory_usage: whether SB3's ``ReplayBuffer`` shall store each observation once
    :return: the class and a fresh dictionary of arguments
    :raises ValueError: if the class is no replay buffer, has no n-step returns though ``n_steps > 1``,
        or ``replay_buffer_kwargs`` contradicts ``n_steps`` or ``gamma``
    """
    if replay_buffer_class is not None and not (
        isinstance(replay_buffer_class, type) and issubclass(replay_buffer_class, ReplayBuffer)
    ):
        raise ValueError(
            f"replay_buffer_class={replay_buffer_class!r} is not valid; pass None or a subclass of SB3's ReplayBuffer."
        )
    if replay_buffer_class is None:
        replay_buffer_class = ReplayBuffer if optimize_memory_usage else TransitionReplayBuffer
    kwargs = dict(replay_buffer_kwargs)
    if _takes_n_steps(replay_buffer_class):
        for name, value in (("n_steps", n_steps), ("gamma", gamma)):
            if kwargs.setdefault(name, value) != value:
                raise ValueError(
                    f"replay_buffer_kwargs has {name}={kwargs[name]!r} but the algorithm has {name}={value!r}; "
                    f"remove it there and set {name} on the algorithm, which hands it to the buffer."
                )
    elif n_steps > 1:
        raise ValueError(
            f"n_steps={n_steps} needs a replay buffer with n-step returns, but {replay_buffer_class.__name__} takes no "
            "n_steps; use n_steps=1 or replay_buffer_class=None."
        )
    return replay_buffer_class, kwargs


def adopt_replay_buffer(replay_buffer: ReplayBuffer, algorithm: OffPolicyAlgorithm) -> None:
    """
    Make a replay buffer read from disk follow the algorithm, or refuse it.

    :param replay_buffer: the buffer read; its ``n_steps`` and ``gamma`` are updated if it has them
    :param algorithm: the algorithm that will use it
    :raises ValueError: if the buffer was filled with another number of environments or from other spaces, has no
        n-step returns, or no room for one
    """
    for name in ("observation_space", "action_space"):
        stored, expected = getattr(replay_buffer, name), getattr(algorithm, name)
        if stored != expected:
            raise ValueError(
                f"The replay buffer has the {name} {stored}, the model {expected}; start from an empty one."
            )
    if replay_buffer.n_envs != algorithm.n_envs:
        raise ValueError(
            f"The replay buffer holds transitions of {replay_buffer.n_envs} environments but the model has "
            f"{algorithm.n_envs}; load the model with an env of {replay_buffer.n_envs} environments."
        )
    if replay_buffer.buffer_size < algorithm.n_steps:
        raise ValueError(
            f"The replay buffer has room for {replay_buffer.buffer_size} transitions of each environment, fewer than "
            f"n_steps={algorithm.n_steps}; load the model with smaller n_steps, or start from an empty buffer."
        )
    if isinstance(replay_buffer, NStepReplayBuffer) or hasattr(replay_buffer, "n_steps"):
        vars(replay_buffer).update(n_steps=algorithm.n_steps, gamma=algorithm.gamma)
    elif algorithm.n_steps > 1:
        raise ValueError(
            f"The model has n_steps={algorithm.n_steps} but the {type(replay_buffer).__name__} read has no n-step "
            "returns; load the model with n_steps=1, or start from an empty buffer."
        )


def _takes_n_steps(replay_buffer_class: type[ReplayBuffer]) -> bool:
    """Look for ``n_steps`` in every base: subclasses often hand it on inside ``**kwargs``."""
    return any("n_steps" in inspect.signature(base).parameters for base in replay_buffer_class.__mro__[:-1])
