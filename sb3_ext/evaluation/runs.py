"""Trained runs in the folders that RL Zoo3 writes: finding them, their environments, their models."""

from __future__ import annotations

import contextlib
import functools
import io
import os
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.preprocessing import is_image_space, is_image_space_channels_first
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecTransposeImage

from sb3_ext.app.errors import UserError, mistakes_explained
from sb3_ext.app.parser import NO_SAFE_ADVICE
from sb3_ext.evaluation.ceilings import as_json, changed_arguments
from sb3_ext.safe import safe_load
from sb3_ext.zoo.patches import reading_safely
from sb3_ext.zoo.runs import latest_run, run_numbers


class Reading(NamedTuple):
    """How far the files of runs are trusted."""

    safe: bool = True
    """Nothing in them is executed; else all that is pickled or written as Python in them is."""
    packages: Sequence[str] = ()
    """Packages whose wrappers may be used nevertheless, as the user has named them."""

    def __call__(self) -> contextlib.AbstractContextManager[None]:
        """Let the zoo read them so."""
        return reading_safely(self.packages) if self.safe else contextlib.nullcontext()


SAFELY = Reading()


@dataclass(frozen=True)
class Run:
    """A trained agent and the folder of its run."""

    name: str
    """What tables call it, e.g. ``"run 3"``."""
    algo: str
    env_id: str
    model_path: Path
    hyperparams: dict[str, Any]
    """Hyperparameters the zoo saved, without ``env_kwargs``; empty for a model outside a zoo folder."""
    env_kwargs: dict[str, Any]
    """Arguments of the environment to evaluate on; those of the evaluations during training, unless replaced."""
    training_env_kwargs: dict[str, Any]
    """Arguments of the environment it was trained on, as far as the zoo saved them."""
    logged_env_kwargs: dict[str, Any]
    """Arguments of the evaluations during training: ``--eval-env-kwargs``, else those of the training."""
    training_seed: int | None
    setting: str = ""
    """Name of the setting that it belongs to, in a comparison."""
    reading: Reading = SAFELY

    @property
    def folder(self) -> Path:
        """Folder of the run, with its logs."""
        return self.model_path.parent

    @property
    def evaluated_as_trained(self) -> bool:
        """Whether the logs of the training are of the problem that is evaluated."""
        problems = (self.env_kwargs, self.logged_env_kwargs, self.training_env_kwargs)
        return len({as_json(changed_arguments(self.env_id, env_kwargs)) for env_kwargs in problems}) == 1

    def make_env(self, seed: int, n_envs: int = 1) -> VecEnv:
        """The environment as the zoo builds it for testing: wrappers, normalization and frame stack of the training."""
        from huggingface_sb3 import EnvironmentName
        from rl_zoo3.utils import create_test_env

        settings = self.folder / EnvironmentName(self.env_id)
        with mistakes_explained(f"cannot build the environment of {self.name}"), _quietly(), self.reading():
            env: VecEnv = create_test_env(
                self.env_id,
                n_envs=n_envs,
                vec_env_cls=DummyVecEnv,
                stats_path=str(settings) if settings.is_dir() else None,
                seed=seed,
                should_render=False,
                hyperparams=deepcopy(self.hyperparams),
                env_kwargs=self.env_kwargs,
            )
        return env

    def load(self, env: VecEnv, seed: int) -> BaseAlgorithm:
        """Load the agent, with a replay buffer of a single transition, and check that it fits the environment."""
        from rl_zoo3.utils import ALGOS

        algorithm: type[BaseAlgorithm] = ALGOS[self.algo]
        options: dict[str, Any] = {}
        if issubclass(algorithm, OffPolicyAlgorithm):
            options = {"buffer_size": 1, "optimize_memory_usage": False}
            # A goal-conditioned buffer needs its environment.
            if "HerReplayBuffer" in str(self.hyperparams.get("replay_buffer_class", "")):
                options["env"] = env
        # Not needed for predictions, and schedules saved by another Python version cannot be read.
        unused = {"learning_rate": 0.0, "lr_schedule": lambda _: 0.0, "clip_range": lambda _: 0.0}
        try:
            load = functools.partial(safe_load, algorithm=algorithm) if self.reading.safe else algorithm.load
            model = load(self.model_path, custom_objects=unused, seed=seed, **options)
        except Exception as error:
            raise UserError(
                f"cannot load {str(self.model_path)!r} as {self.algo} ({_one_line(error)}): "
                f"give a .zip that this algorithm saved{_advice(self.reading)}",
                exit_code=1,
            ) from error
        for kind in ("observation", "action"):
            wanted, found = (getattr(owner, f"{kind}_space") for owner in (model, env))
            if is_image_space(found) and is_image_space(wanted) and is_image_space_channels_first(wanted):
                # SB3 trains with the channels in front, and `predict` moves them there
                found = found if is_image_space_channels_first(found) else VecTransposeImage.transpose_space(found)
            if type(wanted) is not type(found) or wanted.shape != found.shape:
                raise UserError(
                    f"{str(self.model_path)!r} was trained with {kind}s {_kind_and_shape(wanted)}, but "
                    f"{self.env_id} has {_kind_and_shape(found)}: give the --env-kwargs of its training",
                    exit_code=1,
                )
        return model


def find_runs(
    algo: str,
    env_id: str,
    folder: str,
    exp_ids: Sequence[int] | None,
    load_best: bool = False,
    reading: Reading = SAFELY,
) -> tuple[list[Run], list[str]]:
    """The runs 0 (the latest), 1, ..., or all for None, by number, and names of run folders without a model."""
    from huggingface_sb3 import EnvironmentName
    from rl_zoo3.utils import get_model_path

    name = EnvironmentName(env_id)
    known = run_numbers(Path(folder, algo), name)
    if exp_ids is not None:
        exp_ids = [exp_id or latest_run(Path(folder, algo), name) for exp_id in exp_ids]
    runs, unfinished = [], []
    for exp_id in dict.fromkeys(known if exp_ids is None else exp_ids):
        try:
            with _quietly():
                _, model_path, log_path = get_model_path(exp_id, folder, algo, name, load_best)
        except (AssertionError, ValueError) as error:
            if exp_ids is None:
                unfinished.append(f"{name}_{exp_id}")
                continue
            what = "the latest run" if exp_id == 0 else f"run {exp_id}"
            none = f"there are none of {algo} in {folder!r}: train one first"
            advice = f"there are the runs {known}" if known else none
            message = f"no trained agent of {algo} on {env_id} for {what} ({_one_line(error)}); {advice}"
            raise UserError(message) from error
        number = Path(log_path).name.rpartition("_")[2]
        runs.append(read_run(f"run {number}", algo, env_id, model_path, reading))
    if not runs:
        raise UserError(
            f"no trained agent of {algo} on {env_id} in {folder!r}: train one first, or give its log folder with -f"
        )
    return runs, unfinished


def read_run(name: str, algo: str, env_id: str, model_path: str | os.PathLike[str], reading: Reading = SAFELY) -> Run:
    """Read the settings that belong to a saved model; the zoo's are looked for beside it, in ``<env id>/``."""
    from huggingface_sb3 import EnvironmentName
    from rl_zoo3.utils import get_saved_hyperparams

    path = Path(model_path)
    if not path.is_file():
        raise UserError(f"--model: there is no file {os.fspath(model_path)!r}: give the .zip of a saved model")
    settings = path.parent / EnvironmentName(env_id)
    try:
        with _quietly(), reading():
            hyperparams, _ = get_saved_hyperparams(str(settings), test_mode=True)
            arguments: dict[str, Any] = {}
            if (settings / "args.yml").is_file():
                # The zoo saves Python objects among them, as it does in the model.
                text = (settings / "args.yml").read_text(encoding="utf-8")
                arguments = dict(yaml.load(text, Loader=yaml.UnsafeLoader))
    # The files may hold pickled objects: a damaged one can raise anything.
    except Exception as error:
        reason = str(error) if isinstance(error, UserError) else _one_line(error)
        raise UserError(f"cannot read config.yml and args.yml in {str(settings)!r} ({reason})", exit_code=1) from error
    from_file = hyperparams.pop("env_kwargs", None) or {}
    trained_on = dict(arguments.get("env_kwargs") or from_file)
    logged = dict(arguments.get("eval_env_kwargs") or trained_on)
    return Run(
        name, algo, env_id, path, hyperparams, logged, trained_on, logged, arguments.get("seed"), reading=reading
    )


def _quietly() -> contextlib.redirect_stdout[io.StringIO]:
    return contextlib.redirect_stdout(io.StringIO())


def _advice(reading: Reading) -> str:
    return f"; {NO_SAFE_ADVICE}" if reading.safe else ""


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _kind_and_shape(space: spaces.Space[Any]) -> str:
    return f"{type(space).__name__}{space.shape or ''}"
