"""Replay buffers that always follow the ``n_steps`` and ``gamma`` of their algorithm."""

import inspect
import io
import pathlib
from typing import Any, cast

from stable_baselines3.common.buffers import NStepReplayBuffer, ReplayBuffer
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.type_aliases import TrainFreq, TrainFrequencyUnit

from sb3_ext.common.transition_replay import TransitionReplayBuffer


class FollowingReplay(OffPolicyAlgorithm):
    """
    Mixin for off-policy algorithms: their replay buffer follows their ``n_steps`` and ``gamma``, also after loading.

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

    def load_replay_buffer(self, path: str | pathlib.Path | io.BufferedIOBase, truncate_last_traj: bool = True) -> None:
        """
        Load a replay buffer; its ``n_steps`` and ``gamma`` become those of the model.

        The file is a pickle, as SB3 writes it: only load files that you trust.

        :param path: file written by ``save_replay_buffer``
        :param truncate_last_traj: see ``OffPolicyAlgorithm.load_replay_buffer``
        :raises ValueError: if the buffer does not fit the model's spaces, number of environments or ``n_steps``
        """
        previous = self.replay_buffer
        super().load_replay_buffer(path, truncate_last_traj)
        assert self.replay_buffer is not None
        try:
            adopt_replay_buffer(self.replay_buffer, self)
        except ValueError:
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
    :raises ValueError: if the buffer has no n-step returns though ``n_steps > 1``,
        or ``replay_buffer_kwargs`` contradicts ``n_steps`` or ``gamma``
    """
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
    :raises ValueError: if the buffer was filled with another number of environments or from other spaces, or has no
        n-step returns
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
