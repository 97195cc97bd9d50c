"""
Start and end trainings of A3C, kill a third of them at random moments, and look at what they leave.

A training is a process of its own, with two workers and the server that they are forked from. One that is killed gets
SIGKILL at a random moment between its start and the time that the first training has taken. Then processes that it has
started are counted, its files in /dev/shm (shared memory and named semaphores), and the folders in which Python's
forkserver keeps its socket, which only a process that is not killed removes.
"""

import argparse
import functools
import multiprocessing
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from sb3_ext import A3C
from sb3_ext.app.records import write_records

_MARK = "SB3_EXT_A3C_KILLS"
_PATIENCE_SECONDS = 30.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", default="docs/results/a3c_kills.csv")
    parser.add_argument("--trainings", type=int, default=100)
    parser.add_argument("--steps", type=int, default=2_000, help="of each")
    parser.add_argument("--start-method", default="forkserver", choices=["forkserver", "spawn"])
    parser.add_argument("--seed", type=int, default=0, help="of the moments")


def run(args: argparse.Namespace) -> None:
    rng = np.random.default_rng(args.seed)
    train = functools.partial(_train, args.steps, args.start_method)
    records: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = os.environ["TMPDIR"] = folder
        seconds = 0.0
        for number in track(range(args.trainings)):
            moment = rng.uniform(0.0, seconds) if number % 3 == 1 else None
            start = time.perf_counter()
            found = start_and_end(train, moment, Path(folder))
            seconds = seconds or time.perf_counter() - start
            records.append({"training": number, "start_method": args.start_method, **found})
    write_records(records, Path(args.output))
    killed = sum(bool(record["killed_after_s"]) for record in records)
    left = {name: sum(record[name] for record in records) for name in records[0] if name.endswith("_left")}
    print(f"{len(records)} trainings, {killed} killed:", ", ".join(f"{count} {name}" for name, count in left.items()))


def start_and_end(train: Any, moment: float | None, temporary: Path) -> dict[str, Any]:
    """Run a function in a process, kill it after so many seconds unless it has ended, and count what is left."""
    mark = f"{os.getpid()}-{time.perf_counter()}"
    process = multiprocessing.get_context("fork").Process(target=train, args=(mark,))
    process.start()
    process.join(moment)
    killed = process.exitcode is None
    process.kill()
    process.join()
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while marked(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    memory = [path.name for path in Path("/dev/shm").iterdir() if str(process.pid) in path.name or "sem." in path.name]
    return {
        "killed_after_s": round(moment, 3) if killed and moment is not None else "",
        "exit_code": process.exitcode,
        "processes_left": len(marked(mark)),
        "shared_memory_left": len(memory),
        "socket_folders_left": _remove_sockets(temporary),
    }


def _remove_sockets(temporary: Path) -> int:
    folders = list(temporary.glob("pymp-*"))
    for folder in folders:
        shutil.rmtree(folder)
    return len(folders)


def marked(mark: str) -> list[int]:
    """Processes with the mark in their environment, those that a training has started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{_MARK}={mark}\0".encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:  # it has ended
            pass
    return found


def _train(steps: int, start_method: str, mark: str) -> None:
    os.environ[_MARK] = mark
    A3C("MlpPolicy", "CartPole-v1", n_workers=2, start_method=start_method).learn(steps)
