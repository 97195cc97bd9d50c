"""The callback that writes checkpoints while a model learns."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from stable_baselines3.common.callbacks import BaseCallback

from sb3_ext.checkpoint.checkpoint import write_checkpoint
from sb3_ext.common.hyperparameters import check_hyperparameters, is_integer


class CheckpointEvery(BaseCallback):
    """
    Write a checkpoint every so many steps, from which :func:`sb3_ext.checkpoint.load` goes on exactly.

    ::

        model.learn(100_000, callback=CheckpointEvery(steps=10_000, path="checkpoints"))
        # after a crash, in a new process
        model = checkpoint.load("checkpoints")
        left = 100_000 - model.num_timesteps
        model.learn(left, callback=CheckpointEvery(steps=10_000, path="checkpoints"), reset_num_timesteps=False)

    It is written at the start of the first rollout after so many steps, and at the end of the training. If some
    environment hides its state, the checkpoint says so in one line, and a resumed training begins a new episode.

    :param steps: Environment steps between two checkpoints, at least 1.
    :param path: Folder of the checkpoints, made if absent.
    :param keep: How many of the newest checkpoints stay, at least 1.
    :param verbose: 1 to print where each was written.
    :raises ValueError: If a number is out of range.
    """

    def __init__(
        self, steps: int, path: str | os.PathLike[str] = "checkpoints", keep: int = 3, verbose: int = 0
    ) -> None:
        super().__init__(verbose)
        self.steps, self.path, self.keep = steps, Path(path), keep
        self._last = 0
        self._told = False
        rules = {name: (is_integer(getattr(self, name), 1), "an integer >= 1") for name in ("steps", "keep")}
        check_hyperparameters(type(self).__name__, vars(self), rules)

    def _on_training_start(self) -> None:
        self._last = self.model.num_timesteps

    def _on_rollout_start(self) -> None:
        if self.model.num_timesteps - self._last >= self.steps:
            self._last = self.model.num_timesteps
            self._write(self.locals["callback"])

    def _on_training_end(self) -> None:
        self._write(None)

    def _on_step(self) -> bool:
        return True

    def _write(self, callback: BaseCallback | None) -> None:
        opaque = write_checkpoint(self.model, self.path, callback, self.keep)
        if opaque and not self._told:
            self._told = True
            print(
                f"The checkpoints in {os.fspath(self.path)!r} are not exact: {', '.join(opaque[:3])} hide their state, "
                "so a resumed training begins a new episode.",
                file=sys.stderr,
            )
        if self.verbose:
            print(f"Checkpoint of {self.model.num_timesteps} steps in {os.fspath(self.path)!r}")
