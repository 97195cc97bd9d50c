"""Choice of replay buffers that always follow the ``n_steps`` and ``gamma`` of their algorithm."""

import inspect
from typing import Any

import numpy as np
from stable_baselines3.common.buffers import NStepReplayBuffer, ReplayBuffer
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv, VecFrameStack, VecNormalize, unwrap_vec_wrapper
from stable_baselines3.her import HerReplayBuffer

from sb3_ext.replay.frames import FrameReplayBuffer
from sb3_ext.replay.transitions import TransitionReplayBuffer


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
    A choice of the user that contradicts the algorithm raises ``ValueError``.
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
    """Make a buffer read from disk follow ``n_steps`` and ``gamma``; ``ValueError`` if it does not fit."""
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


def check_frame_stack(replay_buffer: ReplayBuffer | None, env: VecEnv | None) -> None:
    """Refuse at once, by ``ValueError``, what ``FrameReplayBuffer`` would notice at the first transition."""
    if not isinstance(replay_buffer, FrameReplayBuffer) or env is None:
        return
    normalized = unwrap_vec_wrapper(env, VecNormalize)
    if isinstance(normalized, VecNormalize) and normalized.norm_obs:
        raise ValueError(
            "FrameReplayBuffer does not store observations that VecNormalize changes; pass it norm_obs=False."
        )
    stacked = unwrap_vec_wrapper(env, VecFrameStack)
    if not isinstance(stacked, VecFrameStack):
        return
    frames = stacked.stacked_obs.n_stack
    if replay_buffer.n_stack != frames:
        raise ValueError(
            f"FrameReplayBuffer: n_stack={replay_buffer.n_stack} is not valid, as the environment stacks "
            f"{frames} frames; pass replay_buffer_kwargs=dict(n_stack={frames})."
        )


def end_stored_episodes(replay_buffer: ReplayBuffer | None) -> None:
    """Mark the newest transitions as cut short by a reset; with shared observations SB3 does so itself."""
    if replay_buffer is None or replay_buffer.size() == 0 or replay_buffer.optimize_memory_usage:
        return
    newest = (replay_buffer.pos - 1) % replay_buffer.buffer_size
    replay_buffer.timeouts[newest] = np.maximum(replay_buffer.timeouts[newest], 1 - replay_buffer.dones[newest])
    if isinstance(replay_buffer, HerReplayBuffer):  # which would draw goals from beyond the reset
        for env_index in np.flatnonzero(replay_buffer._current_ep_start != replay_buffer.pos):
            replay_buffer._compute_episode_length(int(env_index))


def _takes_n_steps(replay_buffer_class: type[ReplayBuffer]) -> bool:
    """Look for ``n_steps`` in every base: subclasses often hand it on inside ``**kwargs``."""
    return any("n_steps" in inspect.signature(base).parameters for base in replay_buffer_class.__mro__[:-1])
