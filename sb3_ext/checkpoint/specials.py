"""What of SB3's, Gymnasium's and our objects is no part of a training's state, or hides it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.monitor import ResultsWriter
from stable_baselines3.common.vec_env import VecEnvWrapper

from sb3_ext.checkpoint.state import Special, attributes_of

_OF_THIS_RUN = {
    # what `learn` takes from its own arguments
    BaseAlgorithm: {
        *("_custom_logger", "_num_timesteps_at_start", "_total_timesteps", "device", "start_time"),
        *("tensorboard_log", "verbose"),
    },
    BaseCallback: {
        *("best_model_save_path", "globals", "locals", "log_path", "name_prefix", "path", "save_path", "verbose"),
    },
    Logger: {"dir", "level", "output_formats"},
    VecEnvWrapper: {"class_attributes"},
}


def local_specials() -> tuple[Special, ...]:
    """List what needs its own way, but for environments in other processes."""
    found = [
        *(Special(kind, _without(names)) for kind, names in _OF_THIS_RUN.items()),
        Special(ResultsWriter, _written_episodes, _write_episodes),
    ]
    if "ale_py" in sys.modules:
        from ale_py import ALEInterface

        found.append(Special(ALEInterface, _emulator_state, _restore_emulator))
    return tuple(found)


def _without(names: set[str]) -> Callable[[Any, list[str]], dict[str, Any]]:
    return lambda owner, _: {name: value for name, value in (attributes_of(owner) or {}).items() if name not in names}


def _written_episodes(writer: ResultsWriter, _: list[str]) -> npt.NDArray[np.uint8]:
    """An array, whose beginning is not stored again with every checkpoint."""
    writer.file_handler.flush()
    return np.frombuffer(Path(writer.file_handler.name).read_bytes(), np.uint8)


def _write_episodes(writer: ResultsWriter, content: bytes | npt.NDArray[np.uint8]) -> None:
    """Let the file hold what it held: what was written between the checkpoint and a crash will be written again."""
    with open(writer.file_handler.name, "rb+") as file:
        file.write(bytes(content))
        file.truncate()
    writer.file_handler.seek(0, os.SEEK_END)


def _emulator_state(emulator: Any, _: list[str]) -> bytes:
    return bytes(emulator.cloneState(include_rng=True).__getstate__())


def _restore_emulator(emulator: Any, content: bytes) -> None:
    from ale_py import ALEState

    state: Any = ALEState.__new__(ALEState)
    state.__setstate__(content)
    emulator.restoreState(state)
