"""Prioritized replay beside SB3's uniform replay and the prioritized replay of other libraries."""

import contextlib
import functools
import importlib
import itertools
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch as th
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer

from benchmarks.groups import Case, Group, Missing, microseconds
from sb3_ext.replay.prioritized import PrioritizedReplayBuffer

SIZE, BATCH = 1_000_000, 32
SPACES = (spaces.Box(-1.0, 1.0, (4,)), spaces.Discrete(3))
ALPHA, BETA = 0.6, 0.4

Data = dict[str, npt.NDArray[Any]]
Call = Callable[[], Any]


def groups(quick: bool) -> list[Group]:
    """
    List what is measured.

    :param quick: whether only to see that it works
    :return: the times of drawing a batch and changing its priorities, and of adding a transition
    """
    size, calls, slices = (2_000, 2, 2) if quick else (SIZE, 100, 20)
    setting = f"{size} transitions of 4 numbers"
    return [
        Group(
            "sample_and_update",
            "us",
            f"{setting}, batch {BATCH}, uniform replay has nothing to update",
            functools.partial(_drawing, size, calls),
            slices,
        ),
        Group("add", "us", setting, functools.partial(_adding, size, calls), slices),
    ]


def _drawing(size: int, calls: int) -> Sequence[Case | Missing]:
    data = transitions(size)
    uniform = _filled(ReplayBuffer, data)
    upstream = "SB3 ReplayBuffer"
    cases: list[Case | Missing] = [
        Case(upstream, microseconds(lambda: uniform.sample(BATCH), calls)),
        Case("PrioritizedReplayBuffer", microseconds(prioritized(data), calls), upstream),
    ]
    for package, name, make in (
        ("cpprb", "cpprb PrioritizedReplayBuffer, NumPy arrays", functools.partial(cpprb_rival, tensors=False)),
        ("cpprb", "cpprb PrioritizedReplayBuffer, as tensors", functools.partial(cpprb_rival, tensors=True)),
        ("torchrl", "torchrl TensorDictPrioritizedReplayBuffer", torchrl_rival),
    ):
        try:
            cases.append(Case(name, microseconds(make(data), calls), upstream))
        except (ImportError, RuntimeError) as error:
            cases.append(Missing(name, _reason(package, error)))
    return cases


def _adding(size: int, calls: int) -> Sequence[Case]:
    data = transitions(size)
    observation, action, reward, done = np.zeros((1, 4), np.float32), np.zeros(1, np.int64), np.zeros(1), np.zeros(1)
    infos: list[dict[str, Any]] = [{}]

    def adding(buffer: ReplayBuffer) -> Callable[[], float]:
        return microseconds(lambda: buffer.add(observation, observation, action, reward, done, infos), calls)

    return [
        Case("SB3 ReplayBuffer", adding(_filled(ReplayBuffer, data))),
        Case("PrioritizedReplayBuffer", adding(_filled(PrioritizedReplayBuffer, data)), "SB3 ReplayBuffer"),
    ]


def transitions(size: int) -> Data:
    """
    Make up transitions, as tables of SB3's ``ReplayBuffer`` call them, and TD errors.

    :param size: how many
    :return: arrays by name, the first axis of length ``size``
    """
    rng = np.random.default_rng(0)
    return {
        "observations": rng.normal(size=(size, 4)).astype(np.float32),
        "next_observations": rng.normal(size=(size, 4)).astype(np.float32),
        "actions": rng.integers(0, 3, (size, 1)),
        "rewards": rng.normal(size=size).astype(np.float32),
        "dones": (rng.random(size) < 0.01).astype(np.float32),
        "td_errors": rng.normal(size=size).astype(np.float32),
    }


def prioritized(data: Data) -> Call:
    """
    Fill a prioritized replay buffer of this package.

    :param data: from :func:`transitions`
    :return: draws a batch and changes its priorities
    """
    buffer = _filled(PrioritizedReplayBuffer, data, alpha=ALPHA, beta=BETA)
    buffer.update_priorities(np.arange(len(data["rewards"])), data["td_errors"])
    errors = _batches_of_errors(data)

    def step() -> Any:
        batch = buffer.sample(BATCH)
        buffer.update_priorities(batch.indices, next(errors))
        return batch

    return step


def cpprb_rival(data: Data, tensors: bool) -> Call:
    """
    Fill the prioritized replay buffer of cpprb.

    :param data: from :func:`transitions`
    :param tensors: whether to turn the NumPy arrays it returns into tensors, which all the others return
    :return: draws a batch and changes its priorities
    :raises ImportError: if cpprb is not installed
    """
    cpprb = importlib.import_module("cpprb")
    fields = {
        "observations": {"shape": 4},
        "next_observations": {"shape": 4},
        "actions": {"shape": 1, "dtype": np.int64},
        "rewards": {},
        "dones": {},
    }
    buffer = cpprb.PrioritizedReplayBuffer(len(data["rewards"]), fields, alpha=ALPHA)
    buffer.add(**{name: data[name] for name in fields}, priorities=np.abs(data["td_errors"]))
    errors = _batches_of_errors(data)

    def step() -> Any:
        batch = buffer.sample(BATCH, beta=BETA)
        buffer.update_priorities(batch["indexes"], next(errors).abs().numpy())
        return {name: th.from_numpy(values) for name, values in batch.items()} if tensors else batch

    return step


def torchrl_rival(data: Data) -> Call:
    """
    Fill the prioritized replay buffer of torchrl.

    :param data: from :func:`transitions`
    :return: draws a batch and changes its priorities
    :raises ImportError: if torchrl is not installed
    :raises RuntimeError: if its compiled part does not fit the installed torch
    """
    with _symbols_bound_late():
        importlib.import_module("torchrl._torchrl")
    torchrl, tensordict = importlib.import_module("torchrl.data"), importlib.import_module("tensordict")
    size = len(data["rewards"])
    buffer = torchrl.TensorDictPrioritizedReplayBuffer(
        alpha=ALPHA, beta=BETA, storage=torchrl.LazyTensorStorage(size), batch_size=BATCH, priority_key="td_error"
    )
    stored = {name: th.as_tensor(values) for name, values in data.items() if name != "td_errors"}
    buffer.extend(tensordict.TensorDict(stored, [size]))
    buffer.update_priority(th.arange(size), th.as_tensor(data["td_errors"]).abs())
    errors = _batches_of_errors(data)

    def step() -> Any:
        batch = buffer.sample()
        buffer.update_priority(batch["index"], next(errors).abs())
        return batch

    return step


@contextlib.contextmanager
def _symbols_bound_late() -> Iterator[None]:
    """Load torchrl's library although it refers to a function that torch 2.13 lacks: it is not called here."""
    flags = sys.getdlopenflags()
    sys.setdlopenflags(os.RTLD_LAZY)
    try:
        yield
    finally:
        sys.setdlopenflags(flags)


def _filled(cls: type[Any], data: Data, **kwargs: Any) -> Any:
    """Fill every cell: untouched pages of zeros would all be one page in the cache."""
    buffer = cls(len(data["rewards"]), *SPACES, "cpu", **kwargs)
    for name, values in data.items():
        if name != "td_errors":
            table = getattr(buffer, name)
            table[...] = values.reshape(table.shape)
    buffer.full = True
    return buffer


def _batches_of_errors(data: Data) -> Iterator[th.Tensor]:
    """TD errors of batches, without end, shape (BATCH,), as a training computes them."""
    return itertools.cycle(th.as_tensor(data["td_errors"][: 50 * BATCH]).view(-1, BATCH).unbind())


def _reason(package: str, error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] == package:
        return f"not installed: pip install {package}"
    return f"cannot be used: {' '.join(str(error).split())[:120]}"
