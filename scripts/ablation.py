#!/usr/bin/env python
"""
Trains DuelingDQN with every combination of its switches (double, dueling, prioritized, n-step), and compares them.

    python scripts/ablation.py --seeds 0 1 2 3 4 --jobs 2

Everything else is the block MountainCar-v0 of hyperparams/dueling_dqn.yml, except for a third of the steps, two updates
in place of three at a time, and no compiling. Trained agents go to results-logs/ablation/, tables, raw CSV and charts
to docs/results/MountainCar-v0_ablation/. Agents that are there are not trained again.
"""

import argparse
import itertools
import multiprocessing
import os
from pathlib import Path

ENV = "MountainCar-v0"
SWITCHES = ("double", "dueling", "prioritized", "n-step")
LOGS = Path("results-logs/ablation")
EVALUATION = ["max_episode_steps:200"]


def name_of(switches: tuple[bool, ...]) -> str:
    """Name the combination after what is on."""
    return "+".join(name for name, on in zip(SWITCHES, switches, strict=True) if on) or "none"


def train(switches: tuple[bool, ...], seed: int, steps: int) -> None:
    """Train one agent, unless it is there."""
    from sb3_ext.cli import main

    folder = LOGS / name_of(switches) / f"seed_{seed}"
    if folder.exists():
        return
    double, dueling, prioritized, n_step = switches
    params = [
        f"double_q:{double}",
        f"dueling:{dueling}",
        f"prioritized_replay:{prioritized}",
        f"n_steps:{5 if n_step else 1}",
        f"n_timesteps:{steps}",
        "gradient_steps:2",
        "compile:False",
    ]
    settings = ["--eval-freq", "-1", "--num-threads", "1", "--verbose", "0", "--eval-env-kwargs", *EVALUATION]
    command = ["train", "--algo", "dueling_dqn", "--env", ENV, "--seed", str(seed), "-f", str(folder), *settings]
    if main([*command, "-params", *params]) != 0:
        raise RuntimeError(f"training of {folder} failed")


def compare(combinations: list[tuple[bool, ...]], seeds: list[int]) -> None:
    """Evaluate all agents on the same episodes, one group for each combination."""
    from sb3_ext.cli import main

    groups = [f"{name_of(on)}={LOGS / name_of(on) / f'seed_{seed}'}" for on in combinations for seed in seeds]
    output = ["--output", f"docs/results/{ENV}_ablation"]
    evaluate = ["evaluate", "--algo", "dueling_dqn", "--env", ENV, "--group", *groups, "-n", "100", "--exp-id", "all"]
    if main([*evaluate, "--env-kwargs", *EVALUATION, *output]) != 0:
        raise RuntimeError("the comparison failed")


def run() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--steps", type=int, default=40_000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    args = parser.parse_args()
    os.environ.update(OMP_NUM_THREADS="1", MPLBACKEND="Agg")
    combinations = list(itertools.product((False, True), repeat=len(SWITCHES)))
    # seed by seed, so that an interrupted run has something to compare
    tasks = [(on, seed, args.steps) for seed in args.seeds for on in combinations]
    with multiprocessing.get_context("spawn").Pool(args.jobs) as pool:
        pool.starmap(train, tasks, chunksize=1)
    compare(combinations, args.seeds)


if __name__ == "__main__":
    run()
