"""What a trial has done so far, for the worker that goes on with it if its own is killed."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

from optuna import Trial
from optuna.storages import RetryHeartbeatStaleTrialCallback
from stable_baselines3.common.callbacks import BaseCallback

from sb3_ext.checkpoint import CheckpointEvery
from sb3_ext.checkpoint.checkpoint import write_checkpoint
from sb3_ext.common.files import atomic_path
from sb3_ext.tuning.spec import TuningSpec
from sb3_ext.tuning.trials import SEARCH_ID


class Unfinished:
    """
    A folder of a trial, and of those that it is started again as, with its finished trainings and a checkpoint.

    There is none without ``TuningSpec.unfinished_folder``, nor where it can't be written to, as on another machine of a
    cluster: such a trial starts over.
    """

    def __init__(self, spec: TuningSpec, trial: Trial) -> None:
        self._folder: Path | None = None
        search_id = trial.user_attrs.get(SEARCH_ID) or trial.study.user_attrs.get(SEARCH_ID)
        # ARS draws its candidates before it calls back: it can't go on exactly.
        if spec.unfinished_folder is None or search_id is None or spec.algo == "ars":
            return
        frozen = trial.study._storage.get_trial(trial._trial_id)
        history = RetryHeartbeatStaleTrialCallback.retry_history(frozen)
        number = history[0] if history else trial.number
        folder = Path(spec.unfinished_folder, f"{search_id[:16]}-{spec.stage}-{number}")
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            self._folder = folder

    def checkpoints(self, seed: int) -> Path | None:
        """Where the training with a seed writes its checkpoints."""
        return self._folder and self._folder / str(seed)

    def finished(self, seed: int) -> dict[str, Any] | None:
        """What the training with a seed gave, if it has finished."""
        if self._folder is None:
            return None
        try:
            found: dict[str, Any] = json.loads(self._result(self._folder, seed).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return found

    def finish(self, seed: int, evaluations: list[float], fingerprint: str) -> None:
        """Write down what a training gave; its checkpoint is not needed any more."""
        if self._folder is not None:
            with atomic_path(self._result(self._folder, seed)) as path:
                path.write_text(json.dumps({"evaluations": evaluations, "fingerprint": fingerprint}), encoding="utf-8")
            shutil.rmtree(self._folder / str(seed), ignore_errors=True)

    def remove(self) -> None:
        """Forget the trial, which has ended by itself."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            with contextlib.suppress(OSError):  # others are in it
                self._folder.parent.rmdir()

    @staticmethod
    def _result(folder: Path, seed: int) -> Path:
        return folder / f"{seed}.json"


class TrialCheckpoints(CheckpointEvery):
    """Writes none if some environment hides its state: such a training would not go on exactly, and starts over."""

    def __init__(self, steps: int, path: Path) -> None:
        super().__init__(steps, path, keep=1)
        self._off = False

    def _write(self, callback: BaseCallback | None) -> None:
        if self._off:
            return
        if write_checkpoint(self.model, self.path, callback, self.keep):
            self._off = True
            shutil.rmtree(self.path)

    def _on_training_end(self) -> None:
        """Write none: what the training gave is written down."""
