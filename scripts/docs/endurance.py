"""
Resident memory and open files of processes that play, open environments and learn for a long time.

Each row of the CSV is a reading; every environment, kind of vector environment and algorithm has a process of its own.

Example: python scripts/measure.py endurance --output docs/results/endurance.csv
"""

from __future__ import annotations

import argparse
import functools
import gc
import multiprocessing
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from ale_py.vector_env import AtariVectorEnv
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import SubprocVecEnv, VecEnv

import sb3_ext
from sb3_ext.app.records import write_records
from sb3_ext.vec_env import GymnasiumVecEnv

READINGS = 10
"""Readings of a measurement, evenly over what it does, after the one at the start."""

VECTORS: Mapping[str, Callable[[], VecEnv]] = {
    "DummyVecEnv": functools.partial(make_vec_env, "AdSpend-v0", 4),
    "SubprocVecEnv": functools.partial(make_vec_env, "AdSpend-v0", 2, vec_env_cls=SubprocVecEnv),
    "GymnasiumVecEnv, sync": lambda: GymnasiumVecEnv(gym.make_vec("AdSpend-v0", 4, "sync")),
    "GymnasiumVecEnv, async": lambda: GymnasiumVecEnv(gym.make_vec("AdSpend-v0", 2, "async")),
    "GymnasiumVecEnv, vector_entry_point": lambda: GymnasiumVecEnv(gym.make_vec("AdSpend-v0", 64)),
    "GymnasiumVecEnv, AtariVectorEnv": lambda: GymnasiumVecEnv(AtariVectorEnv("breakout", 4, num_threads=1)),
}
MODELS: Mapping[str, tuple[str, str, dict[str, Any]]] = {
    "DDPG": ("MlpPolicy", "AdSpend-v0", {"buffer_size": 1_000}),
    "DuelingDQN": ("MlpPolicy", "CartPole-v1", {"buffer_size": 1_000, "prioritized_replay": True}),
    "REINFORCE": ("MlpPolicy", "AdSpend-v0", {}),  # its batches are whole episodes, here of one length
    "PPOPenalty": ("MlpPolicy", "CartPole-v1", {"n_steps": 256}),
    "GeneticSearch": ("MlpPolicy", "CartPole-v1", {"population_size": 20, "n_survivors": 4}),
    "PolicySearch": ("LinearPolicy", "CartPole-v1", {"strategy": "cross_entropy", "population_size": 20}),
    "QLearning": ("TablePolicy", "ThreeStateMDP-v0", {}),
}


class Reading(NamedTuple):
    """What a process holds at one time."""

    measurement: str
    name: str
    done: int
    resident_mb: float
    open_files: int
    children: int


def played(env_id: str, steps: int) -> Iterator[int]:
    """Play at random; yield the steps done."""
    env = gym.make(env_id)
    env.action_space.seed(0)
    env.reset(seed=0)
    for step in range(steps + 1):
        if step % max(steps // READINGS, 1) == 0:
            yield step
        *_, terminated, truncated, _ = env.step(env.action_space.sample())
        if terminated or truncated:
            env.reset()


def opened(kind: str, count: int) -> Iterator[int]:
    """Open, step and close vector environments; yield how many."""
    for number in range(count + 1):
        if number % max(count // READINGS, 1) == 0:
            yield number
        env = VECTORS[kind]()
        env.reset()
        for _ in range(3):
            env.step(np.stack([env.action_space.sample() for _ in range(env.num_envs)]))
        env.close()


def learned(algorithm: str, calls: int, steps: int) -> Iterator[int]:
    """Call ``learn`` on one model, with a log for TensorBoard; yield how often."""
    policy, env, arguments = MODELS[algorithm]
    with tempfile.TemporaryDirectory() as folder:
        model = getattr(sb3_ext, algorithm)(policy, env, seed=0, device="cpu", tensorboard_log=folder, **arguments)
        for call in range(calls + 1):
            if call % max(calls // READINGS, 1) == 0:
                yield call
            model.learn(steps, reset_num_timesteps=call % 2 == 0)


MEASUREMENTS: Mapping[str, Callable[..., Iterator[int]]] = {"steps": played, "opened": opened, "learn": learned}


def readings(measurement: str, name: str, *arguments: int) -> list[Reading]:
    """
    Measure in this process, as Linux tells it.

    :param measurement: ``"steps"``, ``"opened"`` or ``"learn"``
    :param name: id of the environment, kind of vector environment, or algorithm
    :param arguments: how much of it, see the functions
    """
    found = []
    for done in MEASUREMENTS[measurement](name, *arguments):
        gc.collect()
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        resident = round(int(status["VmRSS"].split()[0]) * 1024 / 1e6, 1)
        files, children = len(list(Path("/proc/self/fd").iterdir())), len(multiprocessing.active_children())
        found.append(Reading(measurement, name, done, resident, files, children))
    return found


def environment_ids() -> list[str]:
    """List the environments of the package."""
    return [name for name, spec in gym.registry.items() if str(spec.entry_point).startswith("sb3_ext")]


def growth(found: list[Reading]) -> tuple[float, int, int]:
    """MB, open files and processes that came to it since the second reading: the first work loads what is needed."""
    first, last = found[1], found[-1]
    return last.resident_mb - first.resident_mb, last.open_files - first.open_files, last.children - first.children


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--steps", type=int, default=200_000, help="steps of each environment (default: 200 000)")
    parser.add_argument("--opened", type=int, default=50, help="vector environments of each kind (default: 50)")
    parser.add_argument("--calls", type=int, default=20, help="calls of learn on one model (default: 20)")
    parser.add_argument("--learn-steps", type=int, default=2_000, help="steps of each of them (default: 2 000)")
    parser.add_argument("--output", type=Path, required=True, help="CSV file")


def run(args: argparse.Namespace) -> None:
    """Measure and write the CSV."""
    tasks: list[tuple[Any, ...]] = [("learn", name, args.calls, args.learn_steps) for name in MODELS]
    tasks += [("opened", name, args.opened) for name in VECTORS]
    tasks += [("steps", name, args.steps) for name in environment_ids()]
    records: list[Reading] = []
    for task in tasks:
        # a new process each, which tells of nothing but its task
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:
            found = executor.submit(readings, *task).result()
        megabytes, files, children = growth(found)
        start, resident = found[0].resident_mb, found[-1].resident_mb
        print(
            f"| {found[0].name} | {start:.0f} | {found[1].resident_mb:.0f} | {resident:.0f} | {megabytes:+.1f} | "
            f"{found[1].open_files} | {files:+d} | {children:+d} |",
            flush=True,
        )
        records += found
        write_records([record._asdict() for record in records], args.output)
