"""Prioritized experience replay: transitions are drawn in proportion to their last TD error."""

import math
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
import torch as th
from stable_baselines3.common.buffers import DictReplayBuffer, NStepReplayBuffer, ReplayBuffer
from stable_baselines3.common.type_aliases import Schedule, TensorDict
from stable_baselines3.common.utils import LinearSchedule
from stable_baselines3.common.vec_env import VecNormalize
from stable_baselines3.common.vec_env.base_vec_env import CloudpickleWrapper
from stable_baselines3.her import HerReplayBuffer

from sb3_ext.common.hyperparameters import check_hyperparameters, is_positive, is_real
from sb3_ext.replay.frames import FrameReplayBuffer
from sb3_ext.replay.sum_tree import SumTree
from sb3_ext.replay.transitions import Indices, TransitionReplayBuffer


class PrioritizedReplayBufferSamples(NamedTuple):
    """
    A batch with what prioritized replay needs beyond SB3's ``ReplayBufferSamples``.

    ``indices``, shape (batch_size,), name the transitions for ``update_priorities``; ``weights``, shape (batch_size, 1)
    and in (0, 1], multiply the loss of each transition.
    """

    observations: th.Tensor | TensorDict
    actions: th.Tensor
    next_observations: th.Tensor | TensorDict
    dones: th.Tensor
    rewards: th.Tensor
    discounts: th.Tensor | None
    indices: Indices
    weights: th.Tensor


class PrioritizedSampling(TransitionReplayBuffer):
    """
    Draws transitions by priority from any storage of transitions; see :class:`PrioritizedReplayBuffer`, also for the
    arguments.

    It comes before the storage: ``class PrioritizedFrames(PrioritizedSampling, FrameReplayBuffer)``.
    """

    storage: ClassVar[type[TransitionReplayBuffer]]
    """The class that stores the transitions, of which this is the prioritized variant."""

    def __init__(
        self,
        *args: Any,
        alpha: float = 0.6,
        beta: float | Schedule = 0.4,
        epsilon: float = 1e-6,
        **kwargs: Any,
    ) -> None:
        schedule: Schedule | None = beta if callable(beta) else None
        if not callable(beta) and is_real(beta, 0, 1):
            schedule = LinearSchedule(float(beta), 1.0, 1.0)
        check_hyperparameters(
            type(self).__name__,
            locals(),
            {
                "alpha": (is_real(alpha, 0, 1), "a number in [0, 1]"),
                "beta": (
                    schedule is not None and all(is_real(schedule(progress), 0, 1) for progress in (1.0, 0.5, 0.0)),
                    "a number in [0, 1] or a function of the remaining progress with such values",
                ),
                "epsilon": (is_positive(epsilon), "a number > 0"),
            },
        )
        super().__init__(*args, **kwargs)
        self.alpha = float(alpha)
        self.epsilon = float(epsilon)
        # replay buffers are saved by plain pickle, which refuses lambdas
        self._beta_schedule = CloudpickleWrapper(schedule)
        self._priorities = SumTree(self.buffer_size * self.n_envs)
        self._largest_priority = 1.0
        self.set_progress(1.0)

    def set_progress(self, progress_remaining: float) -> None:
        """Let ``beta`` follow the training (1 at its start, 0 at its end); algorithms call this before they sample."""
        self.beta = float(self._beta_schedule.var(progress_remaining))

    def reset(self) -> None:
        """Forget all transitions and priorities."""
        super().reset()
        self._priorities.clear()
        self._largest_priority = 1.0

    def add(self, *args: Any, **kwargs: Any) -> None:
        """Store one transition of each environment, at the largest priority seen so far."""
        first = self.pos * self.n_envs
        super().add(*args, **kwargs)
        self._priorities.update(np.arange(first, first + self.n_envs), self._largest_priority)

    def _draw(self, batch_size: int) -> tuple[Indices, Indices]:
        return self._draw_prioritized(batch_size)[:2]

    def _draw_prioritized(self, batch_size: int) -> tuple[Indices, Indices, npt.NDArray[np.float64]]:
        """Draw transitions that have their observations: times, environments and priorities, shape (batch_size,)."""
        indices, priorities = self._priorities.draw(batch_size)
        while True:
            times, envs = (
                (indices, np.zeros(len(indices), np.int64)) if self.n_envs == 1 else np.divmod(indices, self.n_envs)
            )
            readable = self._readable(times, envs)
            if readable is None or readable.all():
                return times, envs, priorities
            missing = np.flatnonzero(~readable)
            self._priorities.update(indices[missing], 0.0)
            indices[missing], priorities[missing] = self._priorities.draw(len(missing))

    def sample(  # type: ignore[override]  # two more fields
        self, batch_size: int, env: VecNormalize | None = None
    ) -> PrioritizedReplayBufferSamples:
        """Draw in proportion to the priorities, with replacement; ``ValueError`` if the buffer is empty."""
        if self.size() == 0:
            raise ValueError(f"{type(self).__name__} is empty: add transitions before you sample.")
        times, envs, priorities = self._draw_prioritized(batch_size)
        indices = self._indices(times, envs)
        # (N P)^-beta over its largest value: N and the sum of all priorities cancel
        weights = ((priorities.min() / priorities) ** self.beta).astype(np.float32)[:, None]
        samples = self._gather(times, envs, env)
        return PrioritizedReplayBufferSamples._make((*samples, indices, self._to_tensor()(weights)))

    def update_priorities(self, indices: npt.NDArray[Any] | th.Tensor, td_errors: npt.NDArray[Any] | th.Tensor) -> None:
        """
        Set the priorities of transitions to ``(abs(td_errors) + epsilon) ** alpha``.

        :param indices: ``indices`` of a batch, shape (n,) or (n, 1); of several equal ones the last counts
        :param td_errors: the TD errors of these transitions, of either sign, shape (n,) or (n, 1)
        :raises ValueError: if the shapes differ
        :raises IndexError: if an index is not one of a stored transition
        :raises RuntimeError: if a TD error is not finite
        """
        places, errors = _flat(indices), np.abs(_flat(td_errors), dtype=np.float64)
        if len(places) != len(errors):
            raise ValueError(f"update_priorities got {len(places)} indices but {len(errors)} TD errors.")
        if len(places) == 0:
            return
        stored = self.size() * self.n_envs
        if places.dtype.kind in "iu":
            places = places.astype(np.int64, copy=False)
        # as unsigned numbers the negative ones are huge
        if places.dtype != np.int64 or places.view(np.uint64).max() >= stored:
            raise IndexError(f"update_priorities needs the indices of stored transitions, integers in [0, {stored}).")
        largest = float(errors.max())
        if not math.isfinite(largest):
            raise RuntimeError(
                "update_priorities got TD errors that are NaN or infinite: the network has diverged, or observations "
                "or rewards are not finite."
            )
        self._largest_priority = max(self._largest_priority, (largest + self.epsilon) ** self.alpha)
        errors += self.epsilon
        self._priorities.update(places, errors**self.alpha)


class PrioritizedReplayBuffer(PrioritizedSampling, TransitionReplayBuffer):
    """
    Proportional prioritized experience replay (Schaul et al. 2015, https://arxiv.org/abs/1511.05952).

    A transition is drawn with probability ``P(i) = p_i / sum(p)``, ``p = (abs(TD error) + epsilon) ** alpha``; until
    its error is known, ``p`` is the largest seen so far, at first 1. A batch of k is stratified as in appendix B.2.1 of
    the paper: the sum of all ``p`` is cut into k equal parts, and one transition is drawn from each. The weights of the
    batch are ``(N P(i)) ** -beta`` over the largest of them (Algorithm 1).

    An algorithm calls :meth:`set_progress`, then ``sample``, multiplies the losses by ``weights`` and calls
    :meth:`update_priorities`. One that does not, such as SB3's own DQN, draws every transition with equal probability.
    Observations may be dictionaries. Hindsight replay cannot be combined with it: whenever that draws a transition it
    draws another goal, hence another TD error, so that the last one is no priority for the next draw.

    >>> DuelingDQN("MlpPolicy", "CartPole-v1", replay_buffer_class=PrioritizedReplayBuffer,
    ...            replay_buffer_kwargs={"alpha": 0.5})  # doctest: +SKIP

    :param args: the arguments of :class:`~sb3_ext.replay.transitions.TransitionReplayBuffer`: SB3's, then
        ``n_steps`` and ``gamma``
    :param alpha: how much priorities count, in [0, 1]; 0 draws uniformly
    :param beta: how much weights correct the bias of these draws, in [0, 1]: the first number of a linear way to 1 over
        the training, or a function of the remaining progress (1 at the start, 0 at the end), such as
        ``lambda progress: 0.6`` for a constant
    :param epsilon: added to absolute TD errors so that none is 0, above 0
    :param kwargs: as ``args``
    :raises ValueError: if an argument is out of range
    """

    storage = TransitionReplayBuffer


class PrioritizedFrameReplayBuffer(PrioritizedSampling, FrameReplayBuffer):
    """:class:`PrioritizedReplayBuffer` that stores each frame of an image once, as ``FrameReplayBuffer`` does."""

    storage = FrameReplayBuffer


def prioritize(replay_buffer_class: type[ReplayBuffer]) -> type[PrioritizedSampling]:
    """Find the prioritized replay buffer with the storage of another; ``ValueError`` if there is none."""
    if issubclass(replay_buffer_class, PrioritizedSampling):
        return replay_buffer_class
    if replay_buffer_class in (ReplayBuffer, DictReplayBuffer, NStepReplayBuffer):
        return PrioritizedReplayBuffer
    for prioritized in (PrioritizedReplayBuffer, PrioritizedFrameReplayBuffer):
        if replay_buffer_class is prioritized.storage:
            return prioritized
    if issubclass(replay_buffer_class, HerReplayBuffer):
        raise ValueError(
            "HerReplayBuffer has no prioritized variant, since a transition gets another goal, hence another TD error, "
            "whenever it is drawn; use prioritized_replay=False."
        )
    name = replay_buffer_class.__name__
    raise ValueError(
        f"{name} has no prioritized variant; use replay_buffer_class=None, FrameReplayBuffer for stacked images, or a "
        f"class of your own derived from PrioritizedSampling and {name}."
    )


def _flat(values: npt.NDArray[Any] | th.Tensor) -> npt.NDArray[Any]:
    """Turn an array or tensor of shape (n,) or (n, 1) into an array of shape (n,)."""
    return (values.numpy(force=True) if isinstance(values, th.Tensor) else np.asarray(values)).reshape(-1)
