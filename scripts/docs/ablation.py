"""
Train DuelingDQN with every combination of its switches (double, dueling, prioritized, n-step), and compare them.

    python scripts/measure.py ablation MountainCar-v0 --seeds 0 1 2 3 4 5 6 7 8 9
    python scripts/measure.py ablation MinAtar/Breakout-v1 --seeds 0 1 2 3 4   # pip install minatar

Everything else is the task's block in hyperparams/dueling_dqn.yml or scripts/docs/ablation.yml, except for the number
of steps. Trained agents go to results-logs/TASK_ablation/, tables, raw CSV and charts to docs/results/TASK_ablation/.
Agents that are there are not trained again, and are compared with the others.
"""

import argparse
import itertools
import multiprocessing
import os
import pkgutil
from pathlib import Path
from typing import NamedTuple

SWITCHES = ("double", "dueling", "prioritized", "n-step")


class Task(NamedTuple):
    """What is learned, and for how long."""

    steps: int
    n_steps: int
    conf_file: str = "hyperparams/dueling_dqn.yml"
    eval_env_kwargs: tuple[str, ...] = ()
    register: str | None = None
    """Function that registers the environment."""


TASKS = {
    "MountainCar-v0": Task(60_000, 5, eval_env_kwargs=("max_episode_steps:200",)),
    "MinAtar/Breakout-v1": Task(50_000, 3, "scripts/docs/ablation.yml", register="minatar.gym:register_envs"),
}


def name_of(switches: tuple[bool, ...]) -> str:
    """Name the combination after what is on."""
    return "+".join(name for name, on in zip(SWITCHES, switches, strict=True) if on) or "none"


def run_cli(env: str, arguments: list[str]) -> None:
    """Run `sb3-ext` on an environment that may be of another package."""
    from sb3_ext.cli import main

    register = TASKS[env].register
    if register is not None:
        pkgutil.resolve_name(register)()
    if main(arguments) != 0:
        raise RuntimeError(f"sb3-ext {' '.join(arguments)} failed")


def train(env: str, switches: tuple[bool, ...], seed: int, steps: int, folder: Path) -> None:
    """Train one agent, unless it is there."""
    if any(folder.rglob("*.zip")):
        return
    double, dueling, prioritized, n_step = switches
    params = [
        f"double_q:{double}",
        f"dueling:{dueling}",
        f"prioritized_replay:{prioritized}",
        f"n_steps:{TASKS[env].n_steps if n_step else 1}",
        f"n_timesteps:{steps}",
    ]
    command = ["train", "--algo", "dueling_dqn", "--env", env, "--conf-file", TASKS[env].conf_file]
    settings = ["--eval-freq", "-1", "--num-threads", "1", "--verbose", "0", "--seed", str(seed), "-f", str(folder)]
    run_cli(env, [*command, *settings, "-params", *params])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.add_argument("env", choices=TASKS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--steps", type=int, help="training steps, by default what docs/dqn.md reports")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())


def run(args: argparse.Namespace) -> None:
    """Train and compare."""
    task, name = TASKS[args.env], args.env.replace("/", "-") + "_ablation"
    combinations = list(itertools.product((False, True), repeat=len(SWITCHES)))
    logs = Path("results-logs", name)
    # seed by seed, so that an interrupted run has something to compare
    tasks = [
        (args.env, on, seed, args.steps or task.steps, logs / name_of(on) / f"seed_{seed}")
        for seed in args.seeds
        for on in combinations
    ]
    # a fresh process now and then: compiled graphs stay in memory
    with multiprocessing.get_context("spawn").Pool(args.jobs, maxtasksperchild=len(combinations)) as pool:
        pool.starmap(train, tasks, chunksize=1)

    groups = [f"{name_of(on)}={logs / name_of(on)}/seed_*" for on in combinations]
    command = ["evaluate", "--algo", "dueling_dqn", "--env", args.env, "-n", "100", "--group", *groups]
    env_kwargs = ["--env-kwargs", *task.eval_env_kwargs] if task.eval_env_kwargs else []
    run_cli(args.env, [*command, *env_kwargs, "--output", f"docs/results/{name}"])
