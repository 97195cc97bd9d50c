"""The running means of ``VecNormalize`` in memory that several processes change."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

import numpy as np
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, VecNormalize

from sb3_ext.common.arrays import FloatArray


class SharedMeanStd(RunningMeanStd):
    """
    A running mean that lies in given memory.

    Two processes that update it at once may lose one of the updates, as with shared parameters.

    :param memory: ``2 n + 1`` numbers, of which mean, variance and count are views
    :param shape: of the mean, which has n numbers
    """

    def __init__(self, memory: FloatArray, shape: tuple[int, ...]) -> None:
        size = len(memory) // 2
        self._mean, self._var = memory[:size].reshape(shape), memory[size:-1].reshape(shape)
        self._count = memory[-1:]

    @property
    def mean(self) -> FloatArray:
        """The mean, of the shape of an observation."""
        return self._mean

    @mean.setter
    def mean(self, value: FloatArray) -> None:
        self._mean[...] = value

    @property
    def var(self) -> FloatArray:
        """The variance, of the same shape."""
        return self._var

    @var.setter
    def var(self, value: FloatArray) -> None:
        self._var[...] = value

    @property
    def count(self) -> float:
        """How many observations it is the mean of."""
        return float(self._count[0])

    @count.setter
    def count(self, value: float) -> None:
        self._count[0] = value


def running_means(env: VecEnv) -> Iterator[tuple[VecNormalize, str | None, RunningMeanStd]]:
    """Find the running means of all ``VecNormalize`` around an environment: the wrapper, the key of a ``Dict``."""
    while isinstance(env, VecEnvWrapper):
        if isinstance(env, VecNormalize):
            found = vars(env).get("obs_rms", {})  # its own, not that of a VecNormalize within
            for key, one in found.items() if isinstance(found, dict) else [(None, found)]:
                yield env, key, one
            yield env, "", env.ret_rms
        env = env.venv


def numbers_in(env: VecEnv) -> int:
    """Count the numbers of all running means."""
    return sum(2 * one.mean.size + 1 for *_, one in running_means(env))


def write(env: VecEnv, memory: ctypes.Array[ctypes.c_double]) -> None:
    """Copy the running means into the memory."""
    for (*_, one), shared in zip(running_means(env), _in(memory, env), strict=True):
        shared.mean, shared.var, shared.count = one.mean, one.var, one.count


def read(env: VecEnv, memory: ctypes.Array[ctypes.c_double]) -> None:
    """Let the running means be copies of what the memory holds now."""
    for (*_, one), shared in zip(running_means(env), _in(memory, env), strict=True):
        one.mean, one.var, one.count = shared.mean.copy(), shared.var.copy(), shared.count


def attach(env: VecEnv, memory: ctypes.Array[ctypes.c_double]) -> None:
    """Let the running means lie in the memory from now on."""
    for (wrapper, key, _), shared in zip(list(running_means(env)), _in(memory, env), strict=True):
        if key == "":
            wrapper.ret_rms = shared
        elif key is None:
            wrapper.obs_rms = shared  # type: ignore[assignment]
        else:
            wrapper.obs_rms[key] = shared


def _in(memory: ctypes.Array[ctypes.c_double], env: VecEnv) -> list[SharedMeanStd]:
    """The running means of an environment as they lie in the memory."""
    numbers: FloatArray = np.ctypeslib.as_array(memory)
    shared = []
    for *_, one in running_means(env):
        size = 2 * one.mean.size + 1
        shared.append(SharedMeanStd(numbers[:size], one.mean.shape))
        numbers = numbers[size:]
    return shared
