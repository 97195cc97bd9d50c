"""Trainings of the zoo that write checkpoints, and go on from one with the flags of their first command."""

import argparse
import contextlib
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, ProgressBarCallback
from stable_baselines3.common.vec_env import SubprocVecEnv

from sb3_ext.app.errors import UserError, mistakes_explained
from sb3_ext.app.parser import NO_SAFE_ADVICE, Parser
from sb3_ext.checkpoint import CheckpointEvery
from sb3_ext.checkpoint.checkpoint import NeedsCodeError, RestoreError, exists, load, whole_checkpoints
from sb3_ext.common.files import atomic_path
from sb3_ext.zoo import interruption
from sb3_ext.zoo.continuing import ContinuingManager, functions_of
from sb3_ext.zoo.processes import WatchedSubprocVecEnv, lasting_processes

CHECKPOINTS = "checkpoints"
"""Folder in that of a run."""
_FIRST, _BLOCK = "first_command.json", "block.yml"
_MAY_DIFFER = {"dry_run", "resume", "progress", "safe", "verbose"}
_NOT_GIVEN = object()


def read_train_arguments(parser: Parser, argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line of ``train``; with ``--resume`` that of the first command, not to be contradicted."""
    for action in parser._actions:
        if action.dest == "verbose":
            action.default, action.help = (
                None,
                f"{action.help}. With --progress, log tables are shown only if it is given",
            )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="Show what would run: hyperparameters with where each comes from, environments, steps, log folder. "
        "Environments and agent are built, nothing is trained or written",
    )
    args = _read(parser, argv)
    args.log_tables = args.verbose is not None or not args.progress
    args.verbose = 1 if args.verbose is None else args.verbose
    args.track = args.track and not args.dry_run
    return args


def _read(parser: Parser, argv: Sequence[str]) -> argparse.Namespace:
    parser.add_argument(
        "--checkpoint-freq",
        default=-1,
        type=int,
        help="Write a checkpoint every n steps, from which --resume goes on exactly (if negative, no checkpoint). "
        "Ctrl-C and SIGTERM write one too. The newest three stay, and of a training that has finished the last one",
    )
    parser.add_argument(
        "--resume",
        metavar="LOG_FOLDER",
        help="Go on with a training of --checkpoint-freq that ended early, with all its flags, in its folder, for the "
        "rest of its steps: the folder of the run, or a log folder in which one run can go on",
    )
    parser.add_argument(
        "--safe",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="Load the agent of -i with its normalization and replay buffer, and the checkpoint of --resume, without "
        "running code in them (default), and refuse those that need it; --no-safe unpickles them, which can run any "
        "code. The flags and hyperparameters of --resume's first command are used as if you had given them: resume "
        "only trainings that you trust",
    )
    args: argparse.Namespace = parser.parse_args(argv)
    if args.checkpoint_freq > 0 and args.optimize_hyperparameters:
        raise UserError("--checkpoint-freq: a search writes none; the trials of `sb3-ext tune` go on by themselves")
    if args.checkpoint_freq > 0 and args.algo == "ars":
        raise UserError("--checkpoint-freq: ars draws its candidates before it calls back, so it cannot go on exactly")
    if args.resume is None:
        return args
    run = _find_run(Path(args.resume))
    first = _read_first(run)
    if first["finished"]:
        raise UserError(f"--resume: the training in {str(run)!r} has finished; -i continues from a saved model")
    if not exists(run / CHECKPOINTS):
        raise UserError(f"--resume: the training in {str(run)!r} ended before its first checkpoint: start it again")
    again: argparse.Namespace = parser.parse_args(first["argv"])
    given = parser.parse_args(argv, argparse.Namespace(**dict.fromkeys(vars(args), _NOT_GIVEN)))
    for name, value in vars(given).items():
        if value is not _NOT_GIVEN and name not in _MAY_DIFFER and value != getattr(again, name):
            raise UserError(
                f"--resume goes on with the flags of the first command: --{name.replace('_', '-')} was "
                f"{getattr(again, name)!r} there, not {value!r}; leave it out"
            )
    for name in _MAY_DIFFER:
        if getattr(given, name) is not _NOT_GIVEN:
            setattr(again, name, getattr(given, name))
    again.resume, again.seed, again.log_folder = str(run), first["seed"], str(run.parents[1])
    if again.tensorboard_log:
        again.tensorboard_log = os.path.join(first["folder"], again.tensorboard_log)
    if (run / CHECKPOINTS / _BLOCK).is_file():
        # what the files and the study said then
        again.conf_file, again.hyperparams = str(run / CHECKPOINTS / _BLOCK), None
        again.storage = again.study_name = again.trial_id = None
    elif again.conf_file is not None:
        again.conf_file = os.path.join(first["folder"], again.conf_file)
    again.trained_agent = ""
    return again


def _find_run(folder: Path) -> Path:
    """The folder of the run to go on with: the one given, or the only one in it that did not end."""
    if not folder.is_dir():
        raise UserError(f"--resume: there is no folder {str(folder)!r}")
    if (folder / CHECKPOINTS / _FIRST).is_file():
        return folder
    finished: list[Path] = []
    unfinished: list[Path] = []
    for path in sorted(folder.glob(f"**/{CHECKPOINTS}/{_FIRST}")):
        (finished if _read_first(path.parents[1])["finished"] else unfinished).append(path.parents[1])
    if len(unfinished) == 1:
        return unfinished[0]
    if unfinished:
        names = ", ".join(map(str, unfinished[:8])) + (", ..." if len(unfinished) > 8 else "")
        raise UserError(f"--resume: several trainings in {str(folder)!r} can go on; name one of {names}")
    if finished:
        raise UserError(f"--resume: all trainings in {str(folder)!r} have finished; -i continues from a saved model")
    raise UserError(f"--resume: there is no checkpoint in {str(folder)!r}: train with --checkpoint-freq")


def _read_first(run: Path) -> dict[str, Any]:
    path = run / CHECKPOINTS / _FIRST
    try:
        first: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        first["argv"], first["seed"], first["folder"], first["normalized"], first["finished"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"--resume: cannot read {str(path)!r}: {type(error).__name__}: {error}", 1) from error
    return first


class _Checkpoints(CheckpointEvery):
    """Writes one too when the training is to end, which then ends there."""

    def _on_rollout_start(self) -> None:
        if interruption.received:
            self._write(self.locals["callback"])
            raise KeyboardInterrupt
        super()._on_rollout_start()

    def _on_training_end(self) -> None:
        """Write none: the zoo saves the model, and calls this after errors, too."""


class ResumableManager(ContinuingManager):
    """:class:`~sb3_ext.zoo.continuing.ContinuingManager`, and ``--checkpoint-freq`` and ``--resume`` of ``train``."""

    def __init__(self, args: argparse.Namespace, *further: Any, **kwargs: Any) -> None:
        super().__init__(args, *further, **kwargs)
        self._run: Path | None = None
        self._checkpoint_freq: int = getattr(args, "checkpoint_freq", -1)
        if self.vec_env_class is SubprocVecEnv:
            lasts = self._checkpoint_freq > 0
            self.vec_env_class = lasting_processes if lasts else WatchedSubprocVecEnv  # type: ignore[assignment]
        if getattr(args, "resume", None) is not None:
            self._run = Path(args.resume)
            self._first = _read_first(self._run)
            self.save_path, self.params_path = str(self._run), str(self._run / self.env_name)
            self.continue_training = True

    @property
    def _checkpoints(self) -> Path:
        return Path(self.save_path, CHECKPOINTS)

    def create_callbacks(self) -> None:
        """Make those of the zoo, and before them, as it keeps their state, the one that writes checkpoints."""
        super().create_callbacks()
        if self._checkpoint_freq > 0 and not self.optimize_hyperparameters:
            place = int(bool(self.callbacks) and isinstance(self.callbacks[0], ProgressBarCallback))
            writing: BaseCallback = _Checkpoints(self._checkpoint_freq, self._checkpoints)
            self.callbacks.insert(place, writing)

    def _load_pretrained_agent(self, hyperparams: dict[str, Any], env: Any) -> BaseAlgorithm:
        if self._run is None:
            return super()._load_pretrained_agent(hyperparams, env)
        run: dict[str, Any] = {"tensorboard_log": self.tensorboard_log, "verbose": self.verbose}
        run["custom_objects"] = functions_of(hyperparams)
        with mistakes_explained("--resume"):
            try:
                model = load(self._checkpoints, env, self.device, safe=self._safe, **run)
            except NeedsCodeError as error:
                raise UserError(f"--resume: the model needs code ({error.__cause__}): {NO_SAFE_ADVICE}", 1) from error
        print(f"Going on in {self.save_path} at {model.num_timesteps} of {self.n_timesteps} steps")
        return model

    def _preprocess_hyperparams(self, hyperparams: dict[str, Any]) -> Any:
        processed = super()._preprocess_hyperparams(hyperparams)
        if self._run is not None:
            self.normalize = self._first["normalized"]
        return processed

    def _save_config(self, saved_hyperparams: dict[str, Any]) -> None:
        """Save how the run was started, for ``enjoy`` and for ``--resume``."""
        if self._run is not None:
            return
        super()._save_config(saved_hyperparams)
        if self._checkpoint_freq <= 0:
            return
        self._first = {
            "argv": sys.argv[1:],
            "seed": self.seed,
            "folder": os.getcwd(),
            "normalized": bool(self.normalize),
            "finished": False,
        }
        self._write_first()
        block = dict(saved_hyperparams)
        with contextlib.suppress(yaml.YAMLError):  # a block with classes is read anew
            text = yaml.safe_dump({self.env_name.gym_id: block})
            if yaml.safe_load(text) == {self.env_name.gym_id: block}:
                with atomic_path(self._checkpoints / _BLOCK) as path:
                    path.write_text(text, encoding="utf-8")

    def _write_first(self) -> None:
        with atomic_path(self._checkpoints / _FIRST) as path:
            path.write_text(json.dumps(self._first), encoding="utf-8")

    def learn(self, model: BaseAlgorithm) -> None:
        """Train, or go on training, until the end or an interruption."""
        deferred = interruption.once_deferred() if self._checkpoint_freq > 0 else contextlib.nullcontext()
        if self._run is not None:
            self.n_timesteps -= model.num_timesteps
        try:
            with deferred:
                super().learn(model)
        except RestoreError as error:
            raise UserError(f"--resume: {error}", 1) from error

    def save_trained_model(self, model: BaseAlgorithm) -> None:
        """Save the model, and write down that the training has finished unless it was interrupted."""
        interrupted = bool(interruption.received)
        with interruption.ignored():
            super().save_trained_model(model)
            if self._checkpoint_freq > 0 and not interrupted:
                self._first["finished"] = True
                self._write_first()
                for superfluous in whole_checkpoints(self._checkpoints)[:-1]:
                    shutil.rmtree(superfluous, ignore_errors=True)
