"""
Measure how fast a single environment steps and how long imports take, on one core.

Environments are interleaved over several rounds, so that a slow moment of the machine hits all of them alike.

Example: python scripts/benchmark.py --rounds 5 --output docs/data/speed.csv
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import subprocess
import sys
import time

# Before NumPy starts its threads.
os.environ["OMP_NUM_THREADS"] = "1"

import gymnasium as gym

import sb3_ext  # noqa: F401  (registers the environments)
from sb3_ext.common.files import atomic_path

ENV_IDS = ("CartPole-v1", "Pendulum-v1", "AdSpend-v0", "AdSpendAdstock-v0", "AdSpendSeasonal-v0", "AdSpendProfit-v0")
MODULES = ("gymnasium", "sb3_ext", "stable_baselines3", "sb3_ext.ddpg")


def steps_per_second(env_id: str, steps: int) -> float:
    """Step one environment with actions sampled beforehand, resets included."""
    env = gym.make(env_id)
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(256)]
    env.reset(seed=0)
    start = time.perf_counter()
    for step in range(steps):
        _, _, terminated, truncated, _ = env.step(actions[step % 256])
        if terminated or truncated:
            env.reset()
    return steps / (time.perf_counter() - start)


def import_seconds(module: str) -> float:
    """Import a module in a fresh interpreter; the interpreter's own start is subtracted."""

    def run(code: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - start

    return run(f"import {module}") - run("pass")


def main() -> None:
    """Print the medians and, if asked, write every round as CSV."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rounds over all measurements")
    parser.add_argument("--steps", type=int, default=20_000, help="steps per environment and round")
    parser.add_argument("--output", help="CSV file for every single measurement")
    args = parser.parse_args()

    rows: list[tuple[str, str, int, float]] = []
    for round_ in range(args.rounds):
        rows += [("steps_per_second", env_id, round_, steps_per_second(env_id, args.steps)) for env_id in ENV_IDS]
        rows += [("import_seconds", module, round_, import_seconds(module)) for module in MODULES]
        print(f"round {round_ + 1} of {args.rounds} done", file=sys.stderr)
    for quantity, names, form in (("steps_per_second", ENV_IDS, "{:12,.0f}"), ("import_seconds", MODULES, "{:12.2f}")):
        print(f"\n{quantity} (median of {args.rounds})")
        for name in names:
            values = [value for what, which, _, value in rows if (what, which) == (quantity, name)]
            print(f"  {name:22}" + form.format(statistics.median(values)))
    if args.output:
        with atomic_path(args.output) as path, open(path, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("quantity", "name", "round", "value"), *rows])


if __name__ == "__main__":
    main()
