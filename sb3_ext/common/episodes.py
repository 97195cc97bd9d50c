"""Whole episodes of parallel environments, and what their rewards amount to."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch as th
from stable_baselines3.common.utils import obs_as_tensor

from sb3_ext.common.arrays import BoolArray, FloatArray

Observations = npt.NDArray[np.generic] | dict[str, npt.NDArray[np.generic]]


def discount(rewards: npt.ArrayLike, gamma: float, ends: npt.ArrayLike | None = None) -> FloatArray:
    """
    Sum the discounted rewards from every step to the end of its episode (reward-to-go).

    ::

        discount([10, 0, -50], gamma=0.8)  # [-22, -40, -50]

    :param rewards: time along the first axis, shape (T, ...)
    :param gamma: discount factor
    :param ends: true for the last step of an episode, same shape; ``None`` for a single episode
    :return: returns, same shape
    """
    rewards = np.asarray(rewards, dtype=np.float64)
    last = np.zeros(rewards.shape, dtype=bool) if ends is None else np.asarray(ends, dtype=bool)
    returns = np.empty_like(rewards)
    following = np.zeros(rewards.shape[1:])
    for t in reversed(range(len(rewards))):
        following = rewards[t] + gamma * np.where(last[t], 0.0, following)
        returns[t] = following
    return returns


def normalize(values: FloatArray) -> FloatArray:
    """Shift and scale to mean 0 and (population) standard deviation 1; zeros if all values are equal."""
    normalized: FloatArray = (values - values.mean()) / (values.std() + 1e-8)
    return normalized


def check_length(owner: str, longest_running: int, max_episode_steps: int) -> None:
    """Raise ``RuntimeError`` for an environment that seems to have no end: an episode has run as long as allowed."""
    if longest_running >= max_episode_steps:
        raise RuntimeError(
            f"{owner}: an episode has not ended after max_episode_steps={max_episode_steps} steps, but only whole "
            "episodes can be learned from; wrap the environment in gymnasium's TimeLimit or raise max_episode_steps."
        )


class EpisodeSamples(NamedTuple):
    """All N steps of a batch of episodes: observations, actions as drawn, returns to the episode's end (float64)."""

    observations: th.Tensor | dict[str, th.Tensor]
    actions: th.Tensor
    returns: FloatArray


class EpisodeBatch:
    """
    A batch of whole episodes from environments that step together.

    The batch consists of the first ``n_episodes`` episodes *begun*, whatever their length; the first ones *finished*
    would be the short ones. Steps of an environment that has nothing left to begin are not stored.

    :param n_envs: number of environments, each at the start of an episode
    :param n_episodes: episodes in the batch
    :param max_steps: no further episode is begun when the batch holds this many steps; ``None`` for no such limit
    """

    def __init__(self, n_envs: int, n_episodes: int, max_steps: int | None = None) -> None:
        self.n_episodes = n_episodes
        self.max_steps = max_steps
        self.n_begun = 0
        self.n_steps = 0
        self.active: BoolArray = np.zeros(n_envs, dtype=bool)
        self.lengths = np.zeros(n_envs, dtype=np.int64)
        self._observations: list[Any] = []
        self._actions: list[npt.NDArray[np.generic]] = []
        self._rewards: list[FloatArray] = []
        self._dones: list[BoolArray] = []
        self._stored: list[BoolArray] = []
        self._begin(np.ones(n_envs, dtype=bool))

    @property
    def complete(self) -> bool:
        """Whether every episode of the batch has ended."""
        return not self.active.any()

    @property
    def longest_running(self) -> int:
        """Steps so far of the longest episode of the batch that has not ended."""
        return int(self.lengths[self.active].max(initial=0))

    def _begin(self, ready: BoolArray) -> None:
        for index in np.flatnonzero(ready):
            full = self.n_begun >= self.n_episodes or (self.max_steps is not None and self.n_steps >= self.max_steps)
            self.active[index] = not full
            self.n_begun += not full
            self.lengths[index] = 0

    def add(
        self,
        observations: Observations,
        actions: npt.NDArray[np.generic],
        rewards: npt.NDArray[np.floating],
        dones: BoolArray,
    ) -> None:
        """Store one step, each array by environment, of those environments that are in an episode of the batch."""
        active = self.active.copy()
        if isinstance(observations, dict):
            self._observations.append({key: value[active] for key, value in observations.items()})
        else:
            self._observations.append(observations[active])
        self._actions.append(actions[active])
        self._rewards.append(np.array(rewards, dtype=np.float64))
        self._dones.append(np.array(dones, dtype=bool))
        self._stored.append(active)
        self.n_steps += int(np.count_nonzero(active))
        self.lengths += 1
        if dones.any():
            self._begin(dones)

    def samples(self, gamma: float, device: th.device) -> EpisodeSamples:
        """Put all steps of the complete batch together, in the order of time."""
        returns = discount(np.stack(self._rewards), gamma, np.stack(self._dones))[np.stack(self._stored)]
        first = self._observations[0]
        observations: Any
        if isinstance(first, dict):
            observations = {key: np.concatenate([step[key] for step in self._observations]) for key in first}
        else:
            observations = np.concatenate(self._observations)
        return EpisodeSamples(
            observations=obs_as_tensor(observations, device),
            actions=th.as_tensor(np.concatenate(self._actions), device=device),
            returns=returns,
        )
