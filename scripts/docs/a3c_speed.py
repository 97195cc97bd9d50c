"""
Steps a second of A3C with one and two workers, and of A2C with as many environments as the two workers have together.

In turns, so that all share what else the machine does. The clock runs while they learn, without the start of workers.
"""

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import ale_py
import gymnasium as gym
import torch as th
from rich.progress import track
from stable_baselines3 import A2C
from stable_baselines3.common.atari_wrappers import AtariWrapper
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnv, VecFrameStack

from benchmarks.report import machine
from sb3_ext import A3C
from sb3_ext.app.records import write_records

TASKS = {"CartPole-v1": (20_000, 8), "MsPacmanNoFrameskip-v4": (2_000, 4)}
"""Steps, and environments of A2C; a worker has half of them."""
_WARM_UP = 0.2
"""Share of the steps before the clock runs."""


class Clock(BaseCallback):
    """Measures from the first step after the warm-up to the last."""

    def __init__(self, warm_up: int) -> None:
        super().__init__()
        self.warm_up, self.start = warm_up, (0, 0.0)
        self.end = self.start

    def _on_step(self) -> bool:
        self.end = (self.num_timesteps, time.perf_counter())
        if self.num_timesteps <= self.warm_up:
            self.start = self.end
        return True

    def steps_per_second(self) -> float:
        return (self.end[0] - self.start[0]) / (self.end[1] - self.start[1])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", default="docs/results/a3c_speed.csv")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=TASKS)


def run(args: argparse.Namespace) -> None:
    gym.register_envs(ale_py)
    th.set_num_threads(1)
    records = []
    for repeat in track(range(args.repeats)):
        for task in args.tasks:
            steps, n_envs = TASKS[task]
            for name in ("A2C", "A3C, 1 worker", "A3C, 2 workers"):
                speed = measure(name, task, steps, n_envs)
                records.append({"task": task, "algorithm": name, "repeat": repeat, "steps_per_second": round(speed, 1)})
                records[-1] |= {"environments_of_a2c": n_envs, "steps": steps, **machine(1)}
    write_records(records, Path(args.output))
    for task in args.tasks:
        for name in ("A2C", "A3C, 1 worker", "A3C, 2 workers"):
            found = sorted(r["steps_per_second"] for r in records if (r["task"], r["algorithm"]) == (task, name))
            print(f"{task}, {name}: median {found[len(found) // 2]:.0f} steps/s ({found[0]:.0f} to {found[-1]:.0f})")


def measure(name: str, task: str, steps: int, n_envs: int) -> float:
    """Train for so many steps."""
    more: dict[str, Any] = {} if name == "A2C" else {"n_workers": 2 if name == "A3C, 2 workers" else 1}
    algorithm: Any = A2C if name == "A2C" else A3C
    env = _make(task, n_envs if name == "A2C" else n_envs // 2)
    policy = "MlpPolicy" if task == "CartPole-v1" else "CnnPolicy"
    clock = Clock(round(_WARM_UP * steps))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        algorithm(policy, env, seed=0, device="cpu", **more).learn(steps, clock)
    env.close()
    return clock.steps_per_second()


def _make(task: str, n_envs: int) -> VecEnv:
    if task == "CartPole-v1":
        return make_vec_env(task, n_envs)
    return VecFrameStack(make_vec_env(task, n_envs, wrapper_class=AtariWrapper), 4)
