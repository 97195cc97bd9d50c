"""Replay buffers that always follow the ``n_steps`` and ``gamma`` of their algorithm."""

import inspect
from typing import Any

from gymnasium import spaces
from stable_baselines3.common.buffers import DictReplayBuffer, NStepReplayBuffer, ReplayBuffer


def _takes_n_steps(replay_buffer_class: type[ReplayBuffer]) -> bool:
    """Look for ``n_steps`` in every base: subclasses often hand it on inside ``**kwargs``."""
    return any("n_steps" in inspect.signature(base).parameters for base in replay_buffer_class.__mro__[:-1])


def resolve_replay_buffer(
    replay_buffer_class: type[ReplayBuffer] | None,
    replay_buffer_kwargs: dict[str, Any],
    observation_space: spaces.Space[Any],
    n_steps: int,
    gamma: float,
) -> tuple[type[ReplayBuffer], dict[str, Any]]:
    """
    Choose the replay buffer and its arguments, so that it always follows the algorithm's ``n_steps`` and ``gamma``.

    SB3 ignores ``n_steps`` for a buffer chosen by the user, and keeps the saved ``gamma`` after ``load(gamma=...)``.

    :param replay_buffer_class: the user's choice; ``None`` selects by observation space and ``n_steps``
    :param replay_buffer_kwargs: the user's arguments (not changed)
    :param observation_space: observation space of the algorithm
    :param n_steps: number of rewards summed before bootstrapping, at least 1
    :param gamma: discount factor
    :return: the class and a fresh dictionary of arguments
    :raises ValueError: if the buffer has no n-step returns though ``n_steps > 1``,
        or ``replay_buffer_kwargs`` contradicts ``n_steps`` or ``gamma``
    """
    if replay_buffer_class is None:
        if isinstance(observation_space, spaces.Dict):
            replay_buffer_class = DictReplayBuffer
        else:
            replay_buffer_class = NStepReplayBuffer if n_steps > 1 else ReplayBuffer
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
            "n_steps; use n_steps=1 (the only choice for Dict observations unless you bring your own buffer), "
            "replay_buffer_class=None or NStepReplayBuffer."
        )
    return replay_buffer_class, kwargs


def adopt_replay_buffer(replay_buffer: ReplayBuffer, n_envs: int, n_steps: int, gamma: float) -> None:
    """
    Make a replay buffer read from disk follow the algorithm, or refuse it.

    :param replay_buffer: the buffer read; its ``n_steps`` and ``gamma`` are updated if it has them
    :param n_envs: number of parallel environments of the algorithm
    :param n_steps: the algorithm's number of steps before bootstrapping
    :param gamma: the algorithm's discount factor
    :raises ValueError: if the buffer was filled with another number of environments, or has no n-step returns
    """
    if replay_buffer.n_envs != n_envs:
        raise ValueError(
            f"The replay buffer holds transitions of {replay_buffer.n_envs} environments but the model has {n_envs}; "
            f"load the model with an env of {replay_buffer.n_envs} environments."
        )
    if isinstance(replay_buffer, NStepReplayBuffer) or hasattr(replay_buffer, "n_steps"):
        vars(replay_buffer).update(n_steps=n_steps, gamma=gamma)
    elif n_steps > 1:
        raise ValueError(
            f"The model has n_steps={n_steps} but the {type(replay_buffer).__name__} read has no n-step returns; "
            "load the model with n_steps=1, or start from an empty buffer."
        )
