"""Trainings of the zoo that begin with a saved agent: what belongs to it, and nothing else, is loaded with it."""

import argparse
import contextlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rl_zoo3.utils import ALGOS
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import CheckpointCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from sb3_ext.app.errors import UserError, mistakes_explained
from sb3_ext.app.parser import NO_SAFE_ADVICE
from sb3_ext.safe import load_normalization, safe_load
from sb3_ext.safe.loading import plain_entry
from sb3_ext.zoo import patches
from sb3_ext.zoo.search import SearchingManager


class _Agent(NamedTuple):
    """A saved model and where the files that belong to it are, or should be."""

    model: Path
    normalization: Path
    replay_buffer: Path | None


def _agent(model: Path, env_name: str) -> _Agent:
    """Find what was saved with a model: at the same step by SB3's ``CheckpointCallback``, at the end by the zoo."""
    step = re.fullmatch(r"(.+)_(\d+)_steps", model.stem)
    if step:
        normalization, replay_buffer = (
            model.with_name(f"{step[1]}_{what}_{step[2]}_steps.pkl") for what in ("vecnormalize", "replay_buffer")
        )
        return _Agent(model, normalization, replay_buffer)
    at_the_end = model.with_name("replay_buffer.pkl")
    return _Agent(
        model, model.parent / env_name / "vecnormalize.pkl", None if model.stem == "best_model" else at_the_end
    )


class ContinuingManager(SearchingManager):
    """
    :class:`~sb3_ext.zoo.search.SearchingManager`, except that

    - ``--trained-agent`` loads the normalization and the replay buffer that were saved with the agent, or tells what is
      missing, without running code of their files unless ``--no-safe`` is given; upstream takes those of the folder's
      best or last model, and unpickles them;
    - such an agent goes on counting its steps, for as many more as the run has, and with the seed of its first training
      it meets other episodes than there;
    - ``--save-freq`` saves the normalization too, and with ``--save-replay-buffer`` the replay buffer.
    """

    def __init__(self, args: argparse.Namespace, *further: Any, **kwargs: Any) -> None:
        super().__init__(args, *further, **kwargs)
        self._safe: bool = getattr(args, "safe", True)
        self._agent = _agent(Path(self.trained_agent), self.env_name) if self.continue_training else None

    def _preprocess_hyperparams(self, hyperparams: dict[str, Any]) -> Any:
        processed = super()._preprocess_hyperparams(hyperparams)
        if self._agent is not None and self._agent.normalization.is_file():
            self.normalize = True  # so that it is saved with the model again
        return processed

    def create_callbacks(self) -> None:
        """Make those of the zoo."""
        super().create_callbacks()  # type: ignore[no-untyped-call]
        for callback in self.callbacks:
            if isinstance(callback, CheckpointCallback):
                callback.save_vecnormalize = bool(self.normalize)
                callback.save_replay_buffer = self.save_replay_buffer

    def _maybe_normalize(self, env: VecEnv, eval_env: bool) -> VecEnv:
        kwargs = {**self.normalize_kwargs, **({"norm_reward": False, "training": False} if eval_env else {})}
        if not self.normalize:
            return env
        if self._agent is None:
            return VecNormalize(env, **kwargs)
        if not self._agent.normalization.is_file():
            raise UserError(
                f"--trained-agent: the hyperparameters normalize, but {str(self._agent.normalization)!r}, the "
                f"normalization of {str(self._agent.model)!r}, is missing: --save-freq saves it, or give another agent"
            )
        path = self._agent.normalization
        with self._reading("normalization", path):
            normalized = (load_normalization if self._safe else VecNormalize.load)(str(path), env)
        if eval_env:
            normalized.training = normalized.norm_reward = False
        elif self._agent.model.stem == "best_model":
            _warn(f"{str(self._agent.normalization)!r} was saved last at the end of its run, not with the best model")
        return normalized

    def _load_pretrained_agent(self, hyperparams: dict[str, Any], env: Any) -> BaseAlgorithm:
        assert self._agent is not None
        path, algorithm = self._agent.model, ALGOS[self.algo]
        changed = {name: value for name, value in hyperparams.items() if name not in ("policy", "policy_kwargs")}
        run = {name: getattr(self, name) for name in ("seed", "tensorboard_log", "verbose", "device")}
        with self._reading("agent", path):
            seed = plain_entry(path, "seed")
            if self._safe:
                model = safe_load(
                    path, env, algorithm=algorithm, custom_objects=functions_of(changed), **run, **changed
                )
        if not self._safe:
            model = algorithm.load(path, env=env, **run, **changed)
        if self.seed == seed:
            generator = np.random.SeedSequence([self.seed, model.num_timesteps])
            model.set_random_seed(int(generator.generate_state(1)[0]))
        if isinstance(model, OffPolicyAlgorithm):
            self._load_replay_buffer(model)
        print(f"Going on with {self._agent.model} at {model.num_timesteps} steps, for {self.n_timesteps} more")
        return model

    def _load_replay_buffer(self, model: OffPolicyAlgorithm) -> None:
        assert self._agent is not None
        path = self._agent.replay_buffer
        if path is None or not path.is_file():
            where = "best_model.zip has none" if path is None else f"there is no {str(path)!r}"
            _warn(f"the replay buffer starts empty: {where}; --save-replay-buffer saves it")
            return
        with (
            self._reading("replay buffer", path),
            patches.replay_buffers_read_safely() if self._safe else contextlib.nullcontext(),
        ):
            model.load_replay_buffer(path, truncate_last_traj=self.truncate_last_trajectory)

    @contextlib.contextmanager
    def _reading(self, what: str, path: Path) -> Iterator[None]:
        """Tell what cannot be read, and what else can be done."""
        advice = f", or need code ({NO_SAFE_ADVICE})" if self._safe else ""
        with mistakes_explained(f"cannot read the {what} {str(path)!r}, which may be cut off{advice}", everything=True):
            yield

    def learn(self, model: BaseAlgorithm) -> None:
        """Train, or go on training."""
        if self.continue_training:
            with patches.going_on(type(model)):
                super().learn(model)
        else:
            super().learn(model)


def functions_of(hyperparams: dict[str, Any]) -> dict[str, Any]:
    """Schedules and the like, which need not be read from a file, as the hyperparameters have them."""
    return {name: value for name, value in hyperparams.items() if callable(value)}


def _warn(message: str) -> None:
    print(f"warning: {message}", file=sys.stderr)
