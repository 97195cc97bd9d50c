"""Peak memory of processes that replay stacks of Atari frames."""

import functools
import itertools
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from stable_baselines3.common.buffers import ReplayBuffer

from benchmarks.frames import HEIGHT, SETTINGS, STACK, WIDTH, play
from benchmarks.groups import Case, Group, Missing
from sb3_ext.replay.frames import FrameReplayBuffer

SIZE = 100_000
STATUS = Path("/proc/self/status")
"""Where Linux says how much memory a process has taken at most."""

_UPSTREAM = "SB3 ReplayBuffer"
_BUFFERS: dict[str, tuple[type[ReplayBuffer] | None, dict[str, Any]]] = {
    _UPSTREAM: (ReplayBuffer, {}),
    f"{_UPSTREAM}, optimize_memory_usage": (
        ReplayBuffer,
        {"optimize_memory_usage": True, "handle_timeout_termination": False},
    ),
    "FrameReplayBuffer": (FrameReplayBuffer, {}),
    "no buffer": (None, {}),
}


def groups(quick: bool) -> list[Group]:
    """
    List what is measured.

    :param quick: whether only to see that it works
    :return: peak memory of a process that fills a buffer, once: it does not vary
    """
    # In small, two processes are enough
    names, size = ([_UPSTREAM, "FrameReplayBuffer"], 1_000) if quick else (list(_BUFFERS), SIZE)
    setting = f"a process with {size} transitions of {STACK}x{HEIGHT}x{WIDTH} bytes, imports included"
    return [Group("peak_memory", "MB", setting, functools.partial(_cases, names, size), once=True)]


def _cases(names: Sequence[str], size: int) -> Sequence[Case | Missing]:
    if not STATUS.exists():
        return [Missing(name, f"needs Linux: there is no {STATUS}") for name in names]
    return [
        Case(name, functools.partial(_in_new_process, name, size), None if name == _UPSTREAM else _UPSTREAM)
        for name in names
    ]


def _in_new_process(name: str, size: int) -> float:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:
        return executor.submit(peak_memory, name, size).result()


def peak_memory(name: str, size: int) -> float:
    """
    Fill a replay buffer in this process.

    :param name: which one
    :param size: transitions
    :return: the most memory that this process has taken so far, MB
    """
    cls, arguments = _BUFFERS[name]
    if cls is not None:
        buffer = SETTINGS[0].make(cls, size, **arguments)
        for transition in itertools.islice(play(1), size):
            buffer.add(*transition)
    peak = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(peak.split()[1]) * 1024 / 1e6
