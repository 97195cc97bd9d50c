"""Gymnasium's vectorised environments for Stable-Baselines3."""

import os
import time
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from stable_baselines3.common.env_util import is_wrapped
from stable_baselines3.common.monitor import Monitor, ResultsWriter
from stable_baselines3.common.vec_env.base_vec_env import VecEnv, VecEnvIndices, VecEnvObs, VecEnvStepReturn

from sb3_ext.common.arrays import BoolArray, IntArray
from sb3_ext.vec_env.batches import arrays, copied, info_rows, rows
from sb3_ext.vec_env.resets import find_autoreset_mode, reset_finished

_ARRAY_SPACES = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)


class GymnasiumVecEnv(VecEnv):
    """
    A Gymnasium :class:`~gymnasium.vector.VectorEnv` as a Stable-Baselines3 ``VecEnv``.

    ::

        env = GymnasiumVecEnv(gym.make_vec("CartPole-v1", num_envs=256))
        model = PPO("MlpPolicy", env, n_steps=32, batch_size=1024).learn(100_000)

    As with SB3's own, the observation after the last step of an episode is the first of the next one, and the info of
    that step holds ``terminal_observation``, ``TimeLimit.truncated`` and, as from ``Monitor``, ``episode`` (return
    ``r``, length ``l``, seconds ``t`` since the construction). What ``reset`` returned lies in ``reset_infos``.

    Infos of other steps are empty unless ``all_infos``, so that a step in which no episode ends runs no Python loop.

    How episodes begin depends on the autoreset mode of the environment:

    - ``SAME_STEP``: nothing to do. The last info is ``final_info``, which ``AtariVectorEnv`` lacks in this mode.
    - ``NEXT_STEP`` and ``DISABLED``: the adapter resets the finished sub-environments itself, see
      :func:`~sb3_ext.vec_env.reset_finished`, so that no step ignores its action. An environment that resets running
      ones too raises ``RuntimeError`` the first time this shows. Gymnasium's ``NormalizeReward`` and
      ``RecordEpisodeStatistics`` go on as in ``SAME_STEP``; a wrapper of your own with a ``reset`` must know the mask.

    Sub-environments of a ``SyncVectorEnv`` have attributes and methods of their own. Any other vector environment is
    one object: ``get_attr`` and ``env_method`` ask it once and repeat the answer for each index.

    :param env: the vector environment, with spaces that SB3 supports
    :param info_keywords: keys of the last info to repeat in ``episode`` and in the file, as in ``Monitor``
    :param filename: write the episodes to this ``.monitor.csv`` file, ``None`` for no file
    :param all_infos: give the infos of every step
    :raises TypeError: if ``env`` is no vector environment
    :raises ValueError: if SB3 cannot use its spaces or its way to reset
    """

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        info_keywords: tuple[str, ...] = (),
        filename: str | os.PathLike[str] | None = None,
        all_infos: bool = False,
    ) -> None:
        if not isinstance(env, VectorEnv):
            raise TypeError(f"expected a gymnasium.vector.VectorEnv, as gym.make_vec makes, got {type(env).__name__}")
        _check_spaces(env)
        self._same_step = find_autoreset_mode(env) is AutoresetMode.SAME_STEP
        self.env = env
        self.spec = env.spec
        self.info_keywords = info_keywords
        self.all_infos = all_infos
        self._sub_envs: Sequence[gym.Env[Any, Any]] | None = getattr(env.unwrapped, "envs", None)
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)
        self.metadata = env.metadata
        self._t_start = time.time()
        self._returns = np.zeros(self.num_envs)
        self._lengths = np.zeros(self.num_envs, dtype=np.int64)
        self._spares_running = False
        self._first: VecEnvObs | None = None
        self._blank: list[dict[str, Any]] = []
        self.results_writer: ResultsWriter | None = None
        if filename is not None:
            header: dict[str, float | str] = {"t_start": self._t_start, "env_id": str(self.spec and self.spec.id)}
            self.results_writer = ResultsWriter(os.fspath(filename), header, extra_keys=info_keywords)

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Let sub-environment i have ``seed + i``, folded to 31 bits because ``AtariVectorEnv`` takes no more."""
        first = super().seed(seed)[0]
        assert first is not None
        first = int(first) % (2**31 - self.num_envs)
        self._seeds = [first + i for i in range(self.num_envs)]
        return self._seeds

    def reset(self) -> VecEnvObs:
        """Begin new episodes everywhere; options that differ between the sub-environments raise ``ValueError``."""
        options = self._options[0]
        if any(other != options for other in self._options):
            raise ValueError("set_options: a vector environment takes the same options for all its sub-environments")
        observations, infos = self.env.reset(seed=self._seeds[0], options=options or None)
        self._reset_seeds()
        self._reset_options()
        self._returns[:] = 0.0
        self._lengths[:] = 0
        self.reset_infos = info_rows(infos, np.arange(self.num_envs))
        first = copied(observations)
        self._first = copied(first)
        return first

    def step_async(self, actions: npt.ArrayLike) -> None:
        """
        Take the actions; numbers for a ``Box`` of integers are rounded, as policies give them as floats.

        :raises ValueError: if they have another shape
        :raises TypeError: if they are fractions for a discrete space, or too large for the integers of the space
        """
        space: Any = self.env.action_space
        given = np.asarray(actions)
        if given.shape != space.shape:
            raise ValueError(f"actions have shape {given.shape}, {self.env} wants {space.shape}")
        if np.can_cast(given.dtype, space.dtype, "same_kind"):
            self._actions = given.astype(space.dtype, copy=False)
            return
        whole = np.rint(given) if isinstance(self.action_space, spaces.Box) else given
        with np.errstate(invalid="ignore"):
            self._actions = whole.astype(space.dtype)
        if not np.array_equal(self._actions, whole):
            raise TypeError(f"actions are {given.dtype} that are no {space.dtype}, as {self.env} wants: {given}")

    def step_wait(self) -> VecEnvStepReturn:
        """Step all; ``RuntimeError`` if the environment cannot begin single episodes."""
        batch, rewards, terminated, truncated, batched_infos = self.env.step(self._actions)
        observations = copied(batch)
        dones: BoolArray = np.logical_or(terminated, truncated)
        self._returns += rewards
        self._lengths += 1
        if self.all_infos:
            infos = info_rows(batched_infos, np.arange(self.num_envs))
            for info in infos:
                info["TimeLimit.truncated"] = False
        else:
            infos = self._blank_infos()
        if dones.any():
            finished = np.flatnonzero(dones)
            last_infos = self._begin_episodes(observations, dones, finished, batched_infos)
            self._describe_episodes(last_infos, finished, np.logical_not(terminated))
            for index, info in zip(finished.tolist(), last_infos, strict=True):
                infos[index] = info
        return observations, np.asarray(rewards).astype(np.float32), dones, infos

    def _blank_infos(self) -> list[dict[str, Any]]:
        """List empty dictionaries, the same as before unless somebody wrote into one: new ones cost five times more."""
        if not self._blank or any(self._blank):
            self._blank = [{} for _ in range(self.num_envs)]
        return self._blank.copy()

    def _begin_episodes(
        self, observations: Any, dones: BoolArray, finished: IntArray, infos: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """Put the first observations in place of the last, and return the last infos with the last observations."""
        if self._same_step:
            if "final_obs" not in infos:
                raise RuntimeError(f"{self.env} resets in the same step but gives no infos['final_obs']")
            last_observations = rows(infos["final_obs"], finished)
            last_infos = info_rows(infos.get("final_info", {}), finished)
            reset_infos = infos
        else:
            last_observations = rows(observations, finished)
            last_infos = info_rows(infos, finished)
            first_observations, reset_infos = reset_finished(self.env, dones)
            if not self._spares_running and len(finished) < self.num_envs:
                self._check_spares_running(observations, first_observations, ~dones)
            for current, first in zip(arrays(observations), arrays(first_observations), strict=True):
                current[finished] = first[finished]
            if not self._spares_running:
                for known, current in zip(arrays(self._first), arrays(observations), strict=True):
                    known[finished] = current[finished]
        for index, info in zip(finished.tolist(), info_rows(reset_infos, finished), strict=True):
            self.reset_infos[index] = info
        for info, observation in zip(last_infos, last_observations, strict=True):
            info["terminal_observation"] = observation
        return last_infos

    def _check_spares_running(self, observations: VecEnvObs, after_reset: Any, running: BoolArray) -> None:
        """Environments do not tell whether they know a reset mask, and those that ignore it reset all."""
        moved = False
        for before, after, first in zip(arrays(observations), arrays(after_reset), arrays(self._first), strict=True):
            if not np.array_equal(before[running], after[running], equal_nan=True):
                raise RuntimeError(
                    f"{self.env} cannot reset single sub-environments by options['reset_mask']: make it with"
                    " autoreset_mode SAME_STEP, or register its class with sb3_ext.vec_env.reset_finished"
                )
            moved = moved or not np.array_equal(before[running], first[running], equal_nan=True)
        # Who still sees the first observation looks the same after a reset: that tells nothing.
        self._spares_running = moved

    def _describe_episodes(self, infos: list[dict[str, Any]], finished: IntArray, survived: BoolArray) -> None:
        """Add what SB3's ``DummyVecEnv`` and ``Monitor`` do, and write it to the file."""
        seconds = round(time.time() - self._t_start, 6)
        columns = (self._returns[finished].tolist(), self._lengths[finished].tolist(), survived[finished].tolist())
        for info, episode_return, length, cut_short in zip(infos, *columns, strict=True):
            episode = {"r": round(episode_return, 6), "l": length, "t": seconds}
            for key in self.info_keywords:
                if key not in info:
                    raise ValueError(f"info_keywords: the last info of an episode has no {key!r}, only {sorted(info)}")
                episode[key] = info[key]
            info["TimeLimit.truncated"] = cut_short
            info["episode"] = episode
        self._returns[finished] = 0.0
        self._lengths[finished] = 0
        if self.results_writer is not None:
            self.results_writer.logger.writerows(info["episode"] for info in infos)
            self.results_writer.file_handler.flush()

    def close(self) -> None:
        """Close the environment and the file."""
        self.env.close()
        if self.results_writer is not None:
            self.results_writer.close()

    def get_images(self) -> Sequence[npt.NDArray[Any] | None]:
        """Render every sub-environment: RGB, or ``None`` and a warning unless the render mode is ``rgb_array``."""
        if self.render_mode != "rgb_array":
            warnings.warn(f"images need render_mode='rgb_array', this is {self.render_mode!r}", stacklevel=2)
            return [None] * self.num_envs
        images: Any = self.env.render()
        return list(images)

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Read an attribute, see the class for what has attributes."""
        chosen = list(self._get_indices(indices))
        if self._sub_envs is None:
            return [getattr(self._owner(attr_name), attr_name)] * len(chosen)
        return [self._sub_envs[i].get_wrapper_attr(attr_name) for i in chosen]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute; a part of the indices raises ``ValueError`` unless there is a ``SyncVectorEnv``."""
        chosen = list(self._get_indices(indices))
        if self._sub_envs is not None:
            for i in chosen:
                self._sub_envs[i].set_wrapper_attr(attr_name, value)
        elif set(chosen) != set(range(self.num_envs)):
            raise ValueError(f"{self.env} holds its sub-environments in one object: set attributes without indices")
        else:
            setattr(self._owner(attr_name, default=self.env.unwrapped), attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> Any:
        """Call a method, see the class for what has methods."""
        methods = self.get_attr(method_name, indices)
        if self._sub_envs is None:
            return [method(*method_args, **method_kwargs) for method in methods[:1]] * len(methods)
        return [method(*method_args, **method_kwargs) for method in methods]

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: VecEnvIndices = None
    ) -> Any:
        """Tell who is wrapped; ``Monitor`` always counts, as the adapter does its work."""
        chosen = list(self._get_indices(indices))
        if wrapper_class is Monitor or self._sub_envs is None:
            return [wrapper_class is Monitor] * len(chosen)
        return [is_wrapped(self._sub_envs[i], wrapper_class) for i in chosen]

    def _owner(self, name: str, default: Any = None) -> Any:
        """Find the outermost vector wrapper, or the environment itself, that has an attribute."""
        layer = self.env
        while not hasattr(layer, name):
            if isinstance(layer, VectorWrapper):
                layer = layer.env
            elif default is not None:
                return default
            else:
                raise AttributeError(f"{self.env} has no attribute {name!r}")
        return layer


def _check_spaces(env: VectorEnv[Any, Any, Any]) -> None:
    """Refuse spaces whose batches are no arrays, and batches that leave sub-environments out."""
    observation_space = env.single_observation_space
    parts: Iterable[spaces.Space[Any]] = [observation_space]
    if isinstance(observation_space, spaces.Dict):
        parts = observation_space.spaces.values()
    elif isinstance(observation_space, spaces.Tuple):
        parts = observation_space.spaces
    for part in parts:
        if not isinstance(part, _ARRAY_SPACES):
            raise ValueError(f"SB3 cannot use the observation space {observation_space}: {part} is no array")
    if not isinstance(env.single_action_space, _ARRAY_SPACES):
        raise ValueError(f"SB3 cannot use the action space {env.single_action_space}: it is no array")
    assert env.action_space.shape is not None
    if env.action_space.shape[0] != env.num_envs:
        raise ValueError(
            f"{env} steps {env.action_space.shape[0]} of its {env.num_envs} environments at a time, not all"
        )
