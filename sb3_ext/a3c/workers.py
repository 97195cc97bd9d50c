"""The workers of a training, from the parent's side."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any

import numpy as np
from stable_baselines3.a2c import A2C

from sb3_ext.a3c import statistics
from sb3_ext.a3c.shared import Memory, Shared, size_of
from sb3_ext.a3c.travel import pack
from sb3_ext.a3c.worker import Answer, Failure, Rollout, work

START_METHODS = tuple(name for name in ("forkserver", "spawn") if name in multiprocessing.get_all_start_methods())
_PATIENCE_SECONDS = 5.0
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Workers:
    """
    Processes that learn together. As a context, it starts them and leaves none behind, whatever happens.

    Afterwards the model has the parameters that they have learned.

    :param model: what they learn; its policy and ``VecNormalize`` are as they are now whenever a rollout is taken
    :param number: how many
    :param start_method: how processes start: ``"forkserver"`` or ``"spawn"``
    """

    def __init__(self, model: A2C, number: int, start_method: str) -> None:
        assert model.env is not None
        self._model, self._env = model, model.env
        self._number = number
        context: Any = multiprocessing.get_context(start_method)
        if start_method == "forkserver":
            # Importing PyTorch takes seconds: once for all workers.
            context.set_forkserver_preload(["__main__", work.__module__])
        self._context = context
        # From an unlinked file or nameless: nothing is left whatever ends the processes.
        self._memory = Memory(
            context.RawArray("c", size_of(model.policy)),
            context.RawArray("d", max(statistics.numbers_in(self._env), 1)),
            context.RawArray("q", number),
        )
        self._updates_before = model._n_updates
        self._shared = Shared(self._memory, model.policy)
        self._processes: list[BaseProcess] = []
        self._pipes: dict[Connection, int] = {}
        self._ready: deque[Connection] = deque()

    def __enter__(self) -> Workers:
        self._shared.copy_from(self._model.policy)
        statistics.write(self._env, self._memory.means)
        content = pack(self._model)
        n_envs = self._env.num_envs
        # From NumPy's generator, which the model's seed has set: the next training goes on with other numbers.
        seed = np.random.randint(2**31 - self._number * n_envs)
        try:
            with _quiet_start():
                for index in range(self._number):
                    self._start(index, seed + index * n_envs)
            for pipe, index in self._pipes.items():
                self._send(pipe, index, content)
        except BaseException:
            self._kill()
            raise
        return self

    def _start(self, index: int, seed: int) -> None:
        here, there = self._context.Pipe()
        process = self._context.Process(target=work, args=(there, self._memory, index, seed), daemon=True)
        process.start()
        there.close()
        self._pipes[here] = index
        self._processes.append(process)

    def next_rollout(self) -> tuple[Connection, Rollout]:
        """
        Wait for a worker's rollout, and let the model be as it is now.

        :return: whom to answer, and the rollout
        :raises RuntimeError: if a worker has failed or was killed
        """
        pipe = self._next_pipe()
        rollout = self._receive(pipe)
        if rollout is None:
            raise self._death(self._pipes[pipe])
        self._take_over()
        return pipe, rollout

    def answer(self, pipe: Connection, answer: Answer | None) -> None:
        """Tell a worker to learn from what it has reported, or to end."""
        index = self._pipes[pipe]
        if answer is None:
            del self._pipes[pipe]
        self._send(pipe, index, pickle.dumps(answer))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._end()
        finally:
            self._kill()
            self._take_over()

    def _end(self) -> None:
        """Let all workers finish the update that they are at; what they play beyond the end is not learned from."""
        while self._pipes:
            pipe = self._next_pipe()
            if self._receive(pipe) is None:
                del self._pipes[pipe]
            else:
                self.answer(pipe, None)
        for process in self._processes:
            process.join()

    def _kill(self) -> None:
        for process in self._processes:
            if process.is_alive():
                process.terminate()
        for process in self._processes:
            process.join(_PATIENCE_SECONDS)
            if process.exitcode is None:
                process.kill()
                process.join()
            process.close()
        self._processes = []

    def _take_over(self) -> None:
        self._shared.copy_all_to(self._model.policy)
        self._model._n_updates = self._updates_before + sum(self._memory.updates)
        statistics.read(self._env, self._memory.means)

    def _next_pipe(self) -> Connection:
        if not self._ready:
            self._ready.extend(wait(self._pipes))  # type: ignore[arg-type]
        return self._ready.popleft()

    def _receive(self, pipe: Connection) -> Rollout | None:
        """A report; None from a worker that has ended as it should."""
        index = self._pipes[pipe]
        try:
            report: Rollout | Failure = pickle.loads(pipe.recv_bytes())
        except (EOFError, OSError):
            self._processes[index].join(_PATIENCE_SECONDS)
            if self._processes[index].exitcode == 0:
                return None
            raise self._death(index) from None
        if isinstance(report, Failure):
            raise RuntimeError(f"A3C: worker {index} failed: {report.line}") from WorkerError(report.trace)
        return report

    def _send(self, pipe: Connection, index: int, content: bytes) -> None:
        try:
            pipe.send_bytes(content)
        except OSError:
            raise self._death(index) from None

    def _death(self, index: int) -> RuntimeError:
        """Say how a worker ended."""
        process = self._processes[index]
        process.join(_PATIENCE_SECONDS)
        code = process.exitcode
        if code is not None and code < 0:
            return RuntimeError(f"A3C: worker {index} was killed ({signal.Signals(-code).name}).")
        return RuntimeError(
            f"A3C: worker {index} ended with exit code {code}, and printed why. A script that trains needs "
            '`if __name__ == "__main__":` around what it does.'
        )


class WorkerError(Exception):
    """Shows the traceback of another process."""

    def __str__(self) -> str:
        return f"in a worker\n{self.args[0]}"


@contextlib.contextmanager
def _quiet_start() -> Iterator[None]:
    """Let processes that start inherit one BLAS thread, and leave Ctrl-C to this one."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    mask = hasattr(signal, "pthread_sigmask") and threading.current_thread() is threading.main_thread()
    if mask:
        old = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    os.environ.update(_ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        if mask:
            signal.pthread_sigmask(signal.SIG_SETMASK, old)
