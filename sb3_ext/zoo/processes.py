"""Environments in processes of their own: one that dies ends the command in one line."""

from __future__ import annotations

import functools
import signal
from collections.abc import Callable
from multiprocessing.connection import wait
from typing import Any

import gymnasium as gym
from stable_baselines3.common.vec_env import SubprocVecEnv

from sb3_ext.app.errors import UserError
from sb3_ext.zoo import interruption

EnvFunctions = list[Callable[[], gym.Env[Any, Any]]]
_BROKEN = (EOFError, ConnectionError)
_SECONDS_TO_END = 5


class WatchedSubprocVecEnv(SubprocVecEnv):
    """
    ``SubprocVecEnv``, except that the death of a process is told, and that closing does not wait for it.

    Upstream raises an EOFError without a message, and may then wait for ever for the answers of the other processes.
    """

    def __init__(self, env_fns: EnvFunctions, start_method: str | None = None) -> None:
        try:
            super().__init__(env_fns, start_method)
        except _BROKEN as error:
            raise self._told(error) from error
        self.remotes: Any = tuple(_Remote(remote, self._told) for remote in self.remotes)

    def _told(self, error: Exception) -> Exception:
        if interruption.received:  # the signal ends the processes too
            return error
        wait([process.sentinel for process in self.processes], _SECONDS_TO_END)
        code = next((process.exitcode for process in self.processes if process.exitcode), 1)
        for process in self.processes:
            process.terminate()
        self.closed = True
        how = "by an error, which is told above"
        if code < 0:
            how = f"by {signal.Signals(-code).name}, which the system sends too where memory runs out"
        return UserError(f"a process of the environments was ended {how}", exit_code=1)


class _Remote:
    """A connection to a process that may die."""

    def __init__(self, connection: Any, told: Callable[[Exception], Exception]) -> None:
        self._connection, self._told = connection, told
        self.close = connection.close

    def send(self, value: Any) -> None:
        try:
            self._connection.send(value)
        except _BROKEN as error:
            raise self._told(error) from error

    def recv(self) -> Any:
        try:
            return self._connection.recv()
        except _BROKEN as error:
            raise self._told(error) from error


def lasting_processes(env_fns: EnvFunctions, **kwargs: Any) -> SubprocVecEnv:
    """Stand in for ``SubprocVecEnv``: its processes outlast a signal that ends the training at its next checkpoint."""
    return WatchedSubprocVecEnv([functools.partial(_make_lasting, env_fn) for env_fn in env_fns], **kwargs)


def _make_lasting(env_fn: Callable[[], gym.Env[Any, Any]]) -> gym.Env[Any, Any]:
    interruption.outlast_parent()
    return env_fn()
