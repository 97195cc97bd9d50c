"""TensorBoard's files go on where they were at the checkpoint, with no value twice."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import TensorBoardOutputFormat, configure

_FILES = "events.out.tfevents.*"


def of(model: BaseAlgorithm) -> dict[str, Any] | None:
    """Tell how long the files are by now; None if the training does not write any."""
    logger = getattr(model, "_logger", None)
    writers = [one.writer for one in getattr(logger, "output_formats", ()) if isinstance(one, TensorBoardOutputFormat)]
    if logger is None or not writers:
        return None
    for writer in writers:
        writer.flush()
    folder = Path(logger.get_dir()).absolute()
    return {"folder": str(folder), "files": {file.name: file.stat().st_size for file in folder.glob(_FILES)}}


def go_on(model: BaseAlgorithm, recorded: dict[str, Any] | None, name: str) -> None:
    """
    Log into the folder of the first training, if it still is there and the log has the same name.

    What was logged between the checkpoint and a crash is cut off, for it will be logged again.
    """
    if recorded is None or model.tensorboard_log is None:
        return
    folder = Path(recorded["folder"])
    if not folder.is_dir() or not re.fullmatch(rf"{re.escape(name)}_\d+", folder.name):
        return
    for file in folder.glob(_FILES):
        size = recorded["files"].get(file.name)
        if size is None:
            file.unlink()
        elif file.stat().st_size > size:
            os.truncate(file, size)
    model.set_logger(configure(str(folder), ["stdout", "tensorboard"] if model.verbose >= 1 else ["tensorboard"]))
