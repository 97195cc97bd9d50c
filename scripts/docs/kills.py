"""
Kill processes while they save, and look at what they leave.

A process does nothing but save one kind of file again and again, over the older one; SIGKILL ends it at a random
moment. Then the file is read as its users read it. "SB3 alone" is without this package, and shows what kills do.
"""

import argparse
import csv
import multiprocessing
import pickle
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from io import StringIO
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import openpyxl
import optuna
from rich.progress import track
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

from docs.folders import inside
from sb3_ext import DDPG, checkpoint
from sb3_ext.app.records import write_records
from sb3_ext.spend_plan import command
from sb3_ext.spend_plan.output import write_plan
from sb3_ext.zoo import patches
from sb3_ext.zoo.storage import open_storage


class Kind(NamedTuple):
    """A kind of file."""

    save: Callable[[], object]
    """Saves it into the current folder."""
    read: Callable[[], object]
    """Reads it there; raises if it is broken."""
    kills: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", default="docs/results/reliability/kills.csv")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--kinds", nargs="+", help="only kinds whose names begin so")
    parser.add_argument("--share", type=float, default=1.0, help="of the kills, for a quick look")


def run(args: argparse.Namespace) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    rng = np.random.default_rng(args.seed)
    records = []
    with _kinds() as kinds:
        if args.kinds:
            kinds = {name: kind for name, kind in kinds.items() if name.startswith(tuple(args.kinds))}
        for name, kind in kinds.items():
            for number in track(range(max(round(kind.kills * args.share), 1)), name):
                records.append({"kind": name, "kill": number, **_kill_once(kind, rng)})
    write_records(records, Path(args.output))
    for name in kinds:
        rows = [row for row in records if row["kind"] == name]
        broken, half = (sum(row[column] for row in rows) for column in ("broken", "half_written_beside"))
        print(f"{name}: {len(rows)} kills, {half} in the middle of a file, {broken} broken")


def _kill_once(kind: Kind, rng: np.random.Generator) -> dict[str, Any]:
    context = multiprocessing.get_context("fork")
    folder = Path(tempfile.mkdtemp(prefix="kills-"))
    try:
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=_save_again_and_again, args=(kind, folder, there))
        process.start()
        there.close()
        seconds = here.recv()
        moment = float(rng.uniform(0.0, 3.0 * seconds))
        time.sleep(moment)
        assert process.pid is not None and process.is_alive()
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        error = ""
        try:
            with inside(folder):
                kind.read()
        except Exception as broken:
            error = f"{type(broken).__name__}: {' '.join(str(broken).split())}"[:100]
        half = any(path.name.startswith(".") and path.suffix != ".lock" for path in folder.rglob("*"))
        return {"moment_s": round(moment, 4), "half_written_beside": half, "broken": bool(error), "error": error}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _save_again_and_again(kind: Kind, folder: Path, ready: Connection) -> None:
    with inside(folder), redirect_stdout(StringIO()):
        kind.save()
        start = time.perf_counter()
        kind.save()
        ready.send(time.perf_counter() - start)
        while True:
            kind.save()


def _plan() -> Callable[[Path], object]:
    """What the command does with a finished plan."""
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(command, "write_plan", wraps=write_plan) as write:
        assert command.main([*"--market adstock --budget 1000 --periods 4 --output".split(), folder]) == 0
        plan, typed, _ = write.call_args.args
    return lambda where: write_plan(plan, typed, where)


@contextmanager
def _kinds() -> Iterator[dict[str, Kind]]:
    env = VecNormalize(make_vec_env("Pendulum-v1", 1))
    options: dict[str, Any] = {"buffer_size": 20_000, "learning_starts": 50, "seed": 0}
    ours = DDPG("MlpPolicy", "Pendulum-v1", **options).learn(100)
    sac = SAC("MlpPolicy", env, **options).learn(100)
    ppo = PPO("MlpPolicy", "Pendulum-v1", n_steps=64, batch_size=64, seed=0).learn(64)
    plan = _plan()
    with patches.whole_files():
        pass  # what it imports, the processes need not

    def whole(save: Callable[[], None]) -> Callable[[], None]:
        def inside() -> None:
            with patches.whole_files():
                save()

        return inside

    def checkpoints() -> None:
        ours.replay_buffer.observations[np.random.randint(20_000, size=100)] += 1.0  # type: ignore[union-attr]
        checkpoint.save(ours, "checkpoints")

    def tuning() -> None:
        study = optuna.create_study(storage=open_storage("study.log"), study_name="s", load_if_exists=True)
        for _ in range(5):
            trial = study.ask()
            trial.suggest_float("x", 0.0, 1.0)
            study.tell(trial, 1.0)

    def read_tuning() -> None:
        study = optuna.load_study(study_name="s", storage=open_storage("study.log"))
        study.tell(study.ask(), 0.0)
        assert study.best_value == 0.0

    def read_plan() -> None:
        for name in ("plan.csv", "channels.csv"):
            assert len({len(line) for line in csv.reader(Path(name).read_text().splitlines())}) == 1
        assert Path("plan.html").read_text().rstrip().endswith("</html>")
        assert openpyxl.load_workbook("plan.xlsx").worksheets

    def load(algorithm: type[BaseAlgorithm]) -> Callable[[], object]:
        return lambda: algorithm.load("model.zip")

    def unpickle() -> object:
        return pickle.loads(Path("file.pkl").read_bytes())

    with ExitStack() as stack:
        stack.callback(env.close)
        yield {
            "model, DDPG of this package": Kind(lambda: ours.save("model"), load(DDPG), 30),
            "model, PPO of SB3 in a command": Kind(whole(lambda: ppo.save("model")), load(PPO), 30),
            "replay buffer, DDPG of this package": Kind(lambda: ours.save_replay_buffer("file"), unpickle, 20),
            "replay buffer, SAC of SB3 in a command": Kind(whole(lambda: sac.save_replay_buffer("file")), unpickle, 20),
            "normalization in a command": Kind(whole(lambda: env.save("file.pkl")), unpickle, 30),
            "checkpoint": Kind(checkpoints, lambda: checkpoint.load("checkpoints"), 30),
            "plan": Kind(lambda: plan(Path()), read_plan, 20),
            "journal of a search": Kind(tuning, read_tuning, 20),
            "SB3 alone: model, PPO": Kind(lambda: ppo.save("model"), load(PPO), 20),
            "SB3 alone: replay buffer, SAC": Kind(lambda: sac.save_replay_buffer("file"), unpickle, 20),
            "SB3 alone: normalization": Kind(lambda: env.save("file.pkl"), unpickle, 20),
        }
