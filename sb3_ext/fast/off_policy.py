"""What the off-policy algorithms share: checks, replay, acting, the training loop and quick updates."""

import io
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, TypeAlias, cast

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import VectorizedActionNoise
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.type_aliases import (
    DictReplayBufferSamples,
    MaybeCallback,
    ReplayBufferSamples,
    TrainFreq,
    TrainFrequencyUnit,
)
from stable_baselines3.common.utils import get_parameters_by_name
from stable_baselines3.dqn.policies import QNetwork
from torch import nn

from sb3_ext.common.algorithm import CheckedAlgorithm
from sb3_ext.common.files import saved_whole
from sb3_ext.common.hyperparameters import Rules, integer, is_integer, number, one_of, optional, positive
from sb3_ext.common.starts import respect_starts
from sb3_ext.fast import COMPILE_MODES, GradientStep, Structure, Update, make_acting, soft_update
from sb3_ext.replay.following import adopt_replay_buffer, check_frame_stack, end_stored_episodes, resolve_replay_buffer
from sb3_ext.replay.prioritized import PrioritizedReplayBufferSamples, PrioritizedSampling
from sb3_ext.replay.transitions import TransitionReplayBuffer

Samples: TypeAlias = ReplayBufferSamples | DictReplayBufferSamples | PrioritizedReplayBufferSamples


class FastOffPolicyAlgorithm(CheckedAlgorithm, OffPolicyAlgorithm):
    """
    Mixin for off-policy algorithms, to be put before the base class: ``class DuelingDQN(FastOffPolicyAlgorithm, DQN)``.

    A subclass names its networks, writes ``_update``, which learns from one minibatch, and adds to ``_rules``.

    1. The replay buffer follows ``n_steps`` and ``gamma``, also after loading. The arguments of the user stay in
       ``replay_buffer_class``, ``replay_buffer_kwargs`` and ``n_steps``.
    2. Where ``learn()`` resets the environments, the episodes under way end in the replay buffer as at a time limit.
       SB3 sums n-step returns and draws goals of hindsight replay across such resets.
    3. Updates are lean or compiled, and small networks act in NumPy. Layers, optimizers and settings that the user
       changes after the construction are followed from the next call of ``learn`` or ``train``.
    """

    learned: ClassVar[tuple[str, ...]]
    """Names of the networks that learn; ``<name>_target`` follows each of them."""
    optimized: ClassVar[tuple[str, ...]]
    """Names of what has an ``optimizer``."""
    losses: ClassVar[tuple[str, ...]]
    """Names of the losses that ``_update`` returns."""
    max_grad_norm: Any  # a number or None, where DQN says float
    compile: bool | str

    def _rules(self) -> Rules:
        return {
            "buffer_size": integer(1),
            "learning_starts": integer(0),
            "batch_size": integer(1),
            "tau": positive(1),
            "gamma": number(0, 1),
            "gradient_steps": (lambda value: is_integer(value, -1), "-1 or an integer >= 0"),
            "n_steps": integer(1),
            "max_grad_norm": optional(positive()),
            "compile": one_of(*COMPILE_MODES),
            "optimize_memory_usage": (
                not (self.optimize_memory_usage and is_integer(self.n_steps, 2)),
                f"False, or n_steps=1 instead of {self.n_steps}",
            ),
        }

    def _resolve_replay_buffer(self) -> tuple[type[ReplayBuffer], dict[str, Any]]:
        """Choose the class and the arguments of the buffer."""
        n_steps, kwargs = self.n_steps, self.replay_buffer_kwargs
        if self.buffer_size == 1:
            # The zoo loads agents in this way to play with them; one transition holds no sum of rewards
            n_steps, kwargs = 1, {name: value for name, value in kwargs.items() if name != "n_steps"}
        return resolve_replay_buffer(self.replay_buffer_class, kwargs, n_steps, self.gamma, self.optimize_memory_usage)

    def _setup_model(self) -> None:
        self._check_hyperparameters()
        # SB3 would store the class it selects as if the user had chosen it, and warn about n_steps for a given class
        given = {name: getattr(self, name) for name in ("replay_buffer_class", "replay_buffer_kwargs", "n_steps")}
        self.replay_buffer_class, self.replay_buffer_kwargs = self._resolve_replay_buffer()
        self.n_steps = 1
        try:
            super()._setup_model()
        finally:
            vars(self).update(given)
        check_frame_stack(self.replay_buffer, self.env)
        respect_starts(self.policy, QNetwork)
        self._create_aliases()
        self._structure = Structure()
        self._descend = {name: GradientStep() for name in self.optimized}
        self._run_update = Update(self._update, list(self._descend.values()), self.compile)
        self._refresh()
        self._run_update.check()

    def _create_aliases(self) -> None:
        for name in self.learned:
            for alias in (name, f"{name}_target"):
                setattr(self, alias, getattr(self.policy, alias))

    def _refresh(self) -> None:
        """Follow what users changed: layers, what is frozen, optimizers and their settings, whether to compile."""
        changed = False
        for name, step in self._descend.items():
            changed |= step.refresh(getattr(self, name).optimizer, self.max_grad_norm)
        online: list[nn.Module] = [getattr(self, name) for name in self.learned]
        targets: list[nn.Module] = [getattr(self, f"{name}_target") for name in self.learned]
        if not self._structure.fits(online + targets):
            self._structure = Structure(online + targets)
            self._parameters, self._target_parameters = map(_parameters_of, (online, targets))
            self._statistics, self._target_statistics = map(_statistics_of, (online, targets))
            self._act = make_acting(self.policy)
            changed = True
        if self.compile != self._run_update.mode:
            self._check_hyperparameters()
            self._run_update.mode = self.compile
            changed = True
        if changed:
            self._run_update.renew()

    def _move_targets(self) -> None:
        soft_update(self._target_parameters, self._parameters, self.tau)
        # Running statistics of batch normalisation are copied, not averaged,
        # see https://github.com/DLR-RM/stable-baselines3/issues/996
        soft_update(self._target_statistics, self._statistics, 1.0)

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
        buffer, noise = self.replay_buffer, self.action_noise
        if buffer is not None and buffer.buffer_size < self.n_steps:
            raise ValueError(
                f"{type(self).__name__}: buffer_size={self.buffer_size} is not valid; to learn with "
                f"n_steps={self.n_steps} pass an integer >= n_steps * n_envs = {self.n_steps * self.n_envs}."
            )
        check_frame_stack(buffer, self.env)
        if reset_num_timesteps or self._last_obs is None:
            end_stored_episodes(buffer)
        # A model trained with 4 environments is saved with noise for 4: SB3 would add it to the actions of any number
        if isinstance(noise, VectorizedActionNoise) and self.env is not None and noise.n_envs != self.env.num_envs:
            self.action_noise = noise.base_noise
        self._refresh()
        self._act = make_acting(self.policy)
        return super()._setup_learn(total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar)

    def _store_transition(
        self, replay_buffer: ReplayBuffer, buffer_action: Any, new_obs: Any, reward: Any, dones: Any, infos: Any
    ) -> None:
        normalizer = self._vec_normalize_env
        if normalizer is not None and isinstance(self.observation_space, spaces.Discrete):
            # SB3 takes single numbers, which are never normalised, for arrays when it looks for what they were before
            self._vec_normalize_env, reward = None, normalizer.get_original_reward()
        try:
            super()._store_transition(replay_buffer, buffer_action, new_obs, reward, dones, infos)
        finally:
            self._vec_normalize_env = normalizer

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        """
        Sample minibatches from the replay buffer and do an update with each.

        :raises RuntimeError: if a loss is not finite. Bad data or diverged networks are no bad trial to skip in a
            search, so it is not a ``ValueError``
        """
        self.policy.set_training_mode(True)
        self._set_learning_rates()
        self._refresh()

        losses = [self._learn_from(batch) for batch in self._sample_several(gradient_steps, batch_size)]
        self._n_updates += gradient_steps

        # One transfer from the device for the whole call
        means = (losses[0] if gradient_steps == 1 else th.stack(losses).mean(dim=0)).reshape(-1).tolist()
        if not np.isfinite(sum(means)):
            found = ", ".join(f"{name} {mean}" for name, mean in zip(self.losses, means, strict=True))
            raise RuntimeError(
                f"{type(self).__name__}: {found.replace('_', ' ')} after {self._n_updates} updates. Check the "
                "environment for non-finite observations and rewards, then lower the learning rate or reward scale."
            )
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        for name, mean in zip(self.losses, means, strict=True):
            self.logger.record(f"train/{name}", mean)

    def _set_learning_rates(self) -> None:
        self._update_learning_rate([getattr(self, name).optimizer for name in self.optimized])

    def _sample_several(self, n_batches: int, batch_size: int) -> Iterator[Samples]:
        """Draw the minibatches of a call of ``train`` one after the other, if the buffer can, several at a time."""
        buffer, env = self.replay_buffer, self._vec_normalize_env
        assert buffer is not None
        if isinstance(buffer, TransitionReplayBuffer):
            return buffer.sample_several(n_batches, batch_size, env)
        return (buffer.sample(batch_size, env=env) for _ in range(n_batches))

    def _learn_from(self, batch: Samples) -> th.Tensor:
        """Do an update; return the losses, detached."""
        losses: th.Tensor = self._run_update(batch)
        return losses

    def _update(self, batch: Samples) -> Any:
        """What one update of every network does, possibly as a compiled graph."""
        raise NotImplementedError

    def save_replay_buffer(self, path: str | pathlib.Path | io.BufferedIOBase) -> None:
        """
        Save the replay buffer as a pickle file, which appears whole or not at all.

        :param path: where to save
        :raises OSError: if the file cannot be written; an older one is still there then
        """
        with saved_whole(path, ".pkl") as file:
            super().save_replay_buffer(file)

    def load_replay_buffer(self, path: str | pathlib.Path | io.BufferedIOBase, truncate_last_traj: bool = True) -> None:
        """
        Load a replay buffer; its ``n_steps`` and ``gamma`` become those of the model.

        The file is a pickle, as SB3 writes it: only load files that you trust.

        :raises ValueError: if the buffer does not fit the model's spaces, number of environments, frame stack or
            ``n_steps``, or only one of them has prioritized replay
        """
        previous = self.replay_buffer
        try:
            super().load_replay_buffer(path, truncate_last_traj)
            assert self.replay_buffer is not None
            adopt_replay_buffer(self.replay_buffer, self)
            check_frame_stack(self.replay_buffer, self.env)
            if isinstance(self.replay_buffer, PrioritizedSampling) != isinstance(previous, PrioritizedSampling):
                raise ValueError(
                    f"The replay buffer is a {type(self.replay_buffer).__name__}, that of the model a "
                    f"{type(previous).__name__}: load the model with the prioritized replay it was saved with, or "
                    "start from an empty one."
                )
        except Exception:
            self.replay_buffer = previous
            raise

    def _excluded_save_params(self) -> list[str]:
        networks = [alias for name in self.learned for alias in (name, f"{name}_target")]
        tensors = ["_parameters", "_target_parameters", "_statistics", "_target_statistics"]
        return [*super()._excluded_save_params(), *networks, *tensors, "_structure", "_descend", "_run_update", "_act"]

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        return ["policy", *(f"{name}.optimizer" for name in self.optimized)], []


def _parameters_of(networks: Iterable[nn.Module]) -> list[th.Tensor]:
    return [parameter for network in networks for parameter in network.parameters()]


def _statistics_of(networks: Iterable[nn.Module]) -> list[th.Tensor]:
    """List what batch normalisation has seen."""
    return [value for network in networks for value in get_parameters_by_name(network, ["running_"])]
