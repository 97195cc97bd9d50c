"""Replay buffers from files of strangers."""

from __future__ import annotations

import os
import pkgutil
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.vec_env.base_vec_env import CloudpickleWrapper

from sb3_ext.common.wording import printable
from sb3_ext.safe.arrays import ARRAY_RULES
from sb3_ext.safe.objects import Objects, Rule, attributes_rule, class_name
from sb3_ext.safe.pickles import Made, read_pickle

_CLASSES = (
    *(f"stable_baselines3.common.buffers:{name}" for name in ("DictReplayBuffer", "NStepReplayBuffer", "ReplayBuffer")),
    *("stable_baselines3.her.her_replay_buffer:HerReplayBuffer", "sb3_ext.replay.frames:FrameReplayBuffer"),
    *(f"sb3_ext.replay.prioritized:{name}" for name in ("PrioritizedFrameReplayBuffer", "PrioritizedReplayBuffer")),
    *("sb3_ext.replay.transitions:TransitionReplayBuffer", "sb3_ext.replay.sum_tree:SumTree"),
)


def load_replay_buffer(path: str | os.PathLike[str]) -> ReplayBuffer:
    """
    Load what ``model.save_replay_buffer`` wrote, without running code of the file.

    It reads the buffers of SB3 and of this package. Of information that environments gave it reads what is plain:
    numbers, text, arrays, and lists and dictionaries of these.

    :param path: The file.
    :return: The buffer, to be put in the place of the model's ``replay_buffer``. A ``HerReplayBuffer`` needs
        ``set_env`` first.
    :raises FileNotFoundError: If there is no such file.
    :raises ValueError: In one line, if the file is damaged or holds anything else.
    """
    content = Path(path).read_bytes()
    try:
        found = Objects(len(content), _rules()).make(read_pickle(content))
        if not isinstance(found, ReplayBuffer):
            raise ValueError("it holds no replay buffer")
        _check(found)
    except Exception as error:
        reason = printable(" ".join(str(error).split()))[:400] or type(error).__name__
        raise ValueError(f"cannot load {os.fspath(path)!r}: {reason}") from error
    return found


def _rules() -> dict[str, Rule]:
    rules = {**ARRAY_RULES, class_name(CloudpickleWrapper): _wrapped}
    for name in _CLASSES:
        cls = pkgutil.resolve_name(name)
        rules[class_name(cls)] = attributes_rule(cls)
    return rules


def _wrapped(objects: Objects, made: Made) -> CloudpickleWrapper:
    """Make what SB3 pickles on its own, such as a schedule."""
    return CloudpickleWrapper(objects.make(read_pickle(objects.make(made.state))))


def _check(buffer: Any) -> None:
    """Refuse a buffer whose arrays do not fit its size: what is drawn from it would be read elsewhere."""
    size, pos = buffer.buffer_size, buffer.pos
    if not (type(size) is int and type(pos) is int and 0 <= pos <= size and type(buffer.full) is bool):
        raise ValueError("it holds a damaged replay buffer")
    for name in ("observations", "next_observations", "actions", "rewards", "dones", "timeouts"):
        part = vars(buffer).get(name)
        for array in part.values() if isinstance(part, dict) else [] if part is None else [part]:
            if not isinstance(array, np.ndarray) or array.dtype == object or len(array) < size:
                raise ValueError(f"it holds a damaged replay buffer: its {name} do not fit its size")
