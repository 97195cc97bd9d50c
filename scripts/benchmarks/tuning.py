"""
Measure `sb3-ext tune`: trials per minute with one and with several worker processes, and workers killed with SIGKILL.

    python scripts/measure.py tuning workers --output docs/results/tuning
    python scripts/measure.py tuning kills --output docs/results/tuning

`workers` alternates between one worker and four, one thread each: DDPG on Pendulum-v1, all trials with the same
settings but for the learning rate, so that they take the same time. `kills` sends SIGKILL to a random worker of a
running search, at random moments, twenty times, and counts what was lost. Nothing else should run on the machine.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import optuna

from sb3_ext.app.records import write_records
from sb3_ext.zoo.storage import open_storage

CONF = """\
Pendulum-v1:
  n_timesteps: {n_timesteps}
  policy: MlpPolicy
  buffer_size: 10000
  learning_starts: 100
  batch_size: 64
  policy_kwargs: "dict(net_arch=[64, 64])"
"""
SPACE = """\
def sample_params(trial, n_actions, n_envs, additional_args):
    return {"learning_rate": trial.suggest_float("learning_rate", 1e-5, 1e-2, log=True)}
"""


def command(folder: Path, n_workers: int, n_trials: int, n_timesteps: int) -> list[str]:
    (folder / "conf.yml").write_text(CONF.format(n_timesteps=n_timesteps))
    (folder / "space.py").write_text(SPACE)
    tune = "-m sb3_ext tune --algo ddpg_ext --env Pendulum-v1 --conf-file conf.yml --search-space space.py"
    search = "--storage study.log --study-name study --pruner none --seeds-per-trial 1"
    measured = "--n-evaluations 4 --eval-episodes 2 --fresh-seeds 0"
    size = f"--num-threads 1 --n-workers {n_workers} --n-trials {n_trials}"
    return [sys.executable, *tune.split(), *search.split(), *measured.split(), *size.split()]


def load(folder: Path) -> optuna.Study:
    return optuna.load_study(study_name="study", storage=open_storage(str(folder / "study.log")))


def finished(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    return [trial for trial in study.get_trials() if trial.state.name == "COMPLETE"]


def measure_workers(n_rounds: int, n_trials: int, n_timesteps: int) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = []
    for repetition in range(n_rounds):
        for n_workers in (1, 4):
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                subprocess.run(command(folder, n_workers, n_trials, n_timesteps), cwd=folder, check=True)
                study = load(folder)
                trials = finished(study)
                # From the first start to the last end: without the seconds that imports take.
                start = min(trial.datetime_start for trial in trials if trial.datetime_start)
                end = max(trial.datetime_complete for trial in trials if trial.datetime_complete)
                seconds = (end - start).total_seconds()
                records.append(
                    {
                        "round": repetition,
                        "workers": n_workers,
                        "trials": len(trials),
                        "seconds": seconds,
                        "trials_per_minute": 60.0 * len(trials) / seconds,
                        "different_parameters": len({tuple(trial.params.values()) for trial in trials}),
                        "cores": os.cpu_count(),
                        "steps": n_timesteps,
                    }
                )
                print(records[-1], flush=True)
    rate = {n: [row["trials_per_minute"] for row in records if row["workers"] == n] for n in (1, 4)}
    ratios = sorted(four / one for one, four in zip(rate[1], rate[4], strict=True))
    print(f"4 workers finish {ratios[len(ratios) // 2]:.2f} times the trials of 1 (median of {n_rounds} rounds)")
    return records


def measure_kills(n_kills: int, n_trials: int, n_timesteps: int, pause: float) -> list[dict[str, Any]]:
    rng = random.Random(0)
    records: list[dict[str, Any]] = []
    seen: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        process = subprocess.Popen(command(folder, 2, n_trials, n_timesteps), cwd=folder)
        start = time.monotonic()
        while process.poll() is None:
            time.sleep(rng.uniform(0.0, 2.0 * pause))
            try:
                study = load(folder)
            except KeyError:
                continue
            seen |= {trial.number: trial.values[0] for trial in finished(study)}
            running = [trial for trial in study.get_trials() if trial.state.name == "RUNNING"]
            named = [trial for trial in running if "worker" in trial.user_attrs]
            if not named or len(records) == n_kills:
                continue
            trial = rng.choice(named)
            try:
                os.kill(int(trial.user_attrs["worker"].split(":")[1]), signal.SIGKILL)
            except ProcessLookupError:
                continue
            moment = {"seconds": time.monotonic() - start, "finished_before": len(finished(study))}
            records.append({"kill": len(records) + 1, **moment, "trial": trial.number})
            print(records[-1], flush=True)
        study = load(folder)
        states = [trial.state.name for trial in study.get_trials()]
        after = {trial.number: trial.values[0] for trial in finished(study)}
        parameters = len({tuple(trial.params.values()) for trial in finished(study)})
    lost = sum(after.get(number) != value for number, value in seen.items())
    summary = {
        "exit_code": process.returncode,
        "target": n_trials,
        "finished": states.count("COMPLETE"),
        "lost": lost,
        "left_running": states.count("RUNNING") + states.count("WAITING"),
        "different_parameters": parameters,
    }
    print(summary)
    return [{**record, **summary} for record in records]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("section", choices=["workers", "kills"])
    parser.add_argument("--output", default="docs/results/tuning", help="folder for the CSV")
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3, help="workers: how often each number of workers is measured")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--pause", type=float, default=3.0, help="kills: mean seconds between two")
    parser.add_argument("--steps", type=int, default=3000, help="steps of a training")


def run(args: argparse.Namespace) -> None:
    if args.section == "workers":
        records = measure_workers(args.rounds, args.trials, args.steps)
    else:
        records = measure_kills(args.kills, args.trials, args.steps, args.pause)
    path = Path(args.output) / f"{args.section}.csv"
    write_records(records, path)
    print(f"Written: {path}")
