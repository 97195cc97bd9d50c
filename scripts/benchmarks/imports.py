"""How long imports take."""

import functools
import subprocess
import sys
import time

from benchmarks.groups import Case, Group

MODULES = ("gymnasium", "sb3_ext", "stable_baselines3", "sb3_ext.ddpg")


def groups(quick: bool) -> list[Group]:
    """
    List what is measured.

    :param quick: whether only to see that it works
    :return: the imports, each in an interpreter of its own
    """
    modules = MODULES[:2] if quick else MODULES
    cases = [Case(module, functools.partial(import_seconds, module)) for module in modules]
    return [Group("import_seconds", "s", "fresh interpreter", lambda: cases)]


def import_seconds(module: str) -> float:
    """
    Import a module in a fresh interpreter; the interpreter's own start is subtracted.

    :param module: its name
    :return: seconds
    """

    def run(code: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - start

    return run(f"import {module}") - run("pass")
