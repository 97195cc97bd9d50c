"""
Measure how fast environments step, one by one and thousands at once, and how long imports take, on one core.

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
from collections.abc import Callable
from typing import Any

# Before NumPy starts its threads.
os.environ["OMP_NUM_THREADS"] = "1"

import gymnasium as gym
import numpy as np
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

import sb3_ext  # noqa: F401  (registers the environments)
from sb3_ext.common.files import atomic_path
from sb3_ext.common.vec_env import GymnasiumVecEnv

ENV_IDS = (
    "CartPole-v1",
    "Pendulum-v1",
    "AdSpend-v0",
    "AdSpendAdstock-v0",
    "AdSpendSeasonal-v0",
    "AdSpendProfit-v0",
    "AdSpendShock-v0",
)
VECTOR_ENV_IDS = ("CartPole-v1", "AdSpend-v0", "AdSpendShock-v0", "AdSpendUncertain-v0")
MANY, SOME = 4096, 256
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


def batched_steps_per_second(env: Any, n_envs: int, steps: int) -> float:
    """Step environments with actions sampled beforehand, resets included; a VectorEnv's or an SB3 VecEnv's step."""
    actions = env.action_space
    actions.seed(0)
    # An SB3 VecEnv knows the space of a single action.
    batched = isinstance(env, gym.vector.VectorEnv)
    sampled = [actions.sample() if batched else np.array([actions.sample() for _ in range(n_envs)]) for _ in range(28)]
    env.reset()
    for action in sampled[:4]:
        env.step(action)
    start = time.perf_counter()
    for step in range(steps):
        env.step(sampled[step % 28])
    return n_envs * steps / (time.perf_counter() - start)


def adapters(env_id: str) -> dict[str, Callable[[], VecEnv]]:
    """The same environments for SB3: stepped one by one with a Monitor each, and as one vector environment."""
    return {
        f"DummyVecEnv {env_id}": lambda: DummyVecEnv([lambda: Monitor(gym.make(env_id))] * SOME),
        f"GymnasiumVecEnv {env_id}": lambda: GymnasiumVecEnv(gym.make_vec(env_id, num_envs=SOME)),
    }


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
        for env_id in VECTOR_ENV_IDS:
            measured = batched_steps_per_second(gym.make_vec(env_id, num_envs=MANY), MANY, 290)
            rows.append((f"steps_per_second_of_{MANY}", env_id, round_, measured))
            for name, make in adapters(env_id).items():
                steps = 580 if name.startswith("Gym") else 29
                measured = batched_steps_per_second(make(), SOME, steps)
                rows.append((f"steps_per_second_of_{SOME}", name, round_, measured))
        rows += [("import_seconds", module, round_, import_seconds(module)) for module in MODULES]
        print(f"round {round_ + 1} of {args.rounds} done", file=sys.stderr)
    for quantity in dict.fromkeys(what for what, *_ in rows):
        form = "{:12.2f}" if quantity == "import_seconds" else "{:14,.0f}"
        print(f"\n{quantity} (median of {args.rounds})")
        for name in dict.fromkeys(which for what, which, *_ in rows if what == quantity):
            values = [value for what, which, _, value in rows if (what, which) == (quantity, name)]
            print(f"  {name:38}" + form.format(statistics.median(values)))
    if args.output:
        with atomic_path(args.output) as path, open(path, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("quantity", "name", "round", "value"), *rows])


if __name__ == "__main__":
    main()
