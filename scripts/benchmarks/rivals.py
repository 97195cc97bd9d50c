"""Libraries that need an environment of their own: a process of theirs measures when it is its turn."""

import functools
import json
import os
import subprocess
import tempfile
import weakref
from pathlib import Path
from typing import Any

from sb3_ext.app.errors import UserError

SBX_VARIABLE = "SB3_EXT_SBX_PYTHON"
"""Environment variable with the path of a Python that has sbx, SB3's algorithms in JAX."""

SCRIPT = Path(__file__).with_name("contenders.py")
_ONE_THREAD = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1", "JAX_PLATFORMS": "cpu"}
_VERSIONS = """\
import importlib.metadata, json
print(json.dumps({name: importlib.metadata.version(name) for name in ("sbx-rl", "jax")}))
"""


class Rival:
    """
    A :class:`~benchmarks.contenders.Contender` in a process of another Python, on one core.

    The process ends with this object.

    :param python: path of the Python
    :param build: arguments of the contender
    :raises UserError: if the contender cannot be built there, or later fails
    """

    def __init__(self, python: str, **build: Any) -> None:
        self._python = python
        self._errors = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            [python, str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, **_ONE_THREAD},
        )
        weakref.finalize(self, _end, self._process)
        self._ask("build", **build)

    def fill(self) -> None:
        """See the contender's method."""
        self._ask("fill")

    def updates_per_second(self, calls: int, per_call: int, batch_size: int) -> float:
        """See the contender's method."""
        return float(self._ask("updates_per_second", calls=calls, per_call=per_call, batch_size=batch_size))

    def steps_per_second(self, steps: int) -> float:
        """See the contender's method."""
        return float(self._ask("steps_per_second", steps=steps))

    def _ask(self, method: str, **arguments: Any) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            print(json.dumps([method, arguments]), file=self._process.stdin, flush=True)
            answer = json.loads(self._process.stdout.readline())
        except (BrokenPipeError, json.JSONDecodeError):
            self._process.wait()
            self._errors.seek(0)
            said = self._errors.read().strip().splitlines()
            answer = {"error": said[-1] if said else f"the process ended with code {self._process.returncode}"}
        if "error" in answer:
            raise UserError(f"{self._python}: {method}: {answer['error']}", exit_code=1)
        return answer["value"]


def _end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


@functools.cache
def sbx_versions(python: str) -> dict[str, str]:
    """
    Ask for the versions of sbx and of JAX.

    :param python: path of the Python
    :return: versions by name
    :raises UserError: if it is no Python, or has no sbx
    """
    try:
        result = subprocess.run([python, "-c", _VERSIONS], capture_output=True, text=True, check=False)
    except OSError as error:
        raise UserError(f"--sbx-python: {python!r} cannot be run: {error.strerror}") from error
    if result.returncode:
        reason = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UserError(f"--sbx-python: {python!r} has no sbx ({reason}): {python} -m pip install sbx-rl")
    found: dict[str, str] = json.loads(result.stdout)
    return found
