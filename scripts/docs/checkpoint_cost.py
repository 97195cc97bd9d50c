"""
Measure what a checkpoint costs: seconds and bytes, for DDPG on Pendulum with a full replay buffer.

The buffer is filled with random numbers; then DDPG trains, and a checkpoint is written every so many steps.
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from sb3_ext import DDPG
from sb3_ext.app.records import write_records
from sb3_ext.app.versions import versions
from sb3_ext.checkpoint.checkpoint import newest, write_checkpoint


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", default="docs/results/reliability/checkpoint_cost.csv")
    parser.add_argument("--transitions", type=int, default=1_000_000)
    parser.add_argument("--steps", type=int, default=10_000, help="between two checkpoints")
    parser.add_argument("--checkpoints", type=int, default=5, help="after the first one, which writes the whole buffer")


def run(args: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    model = DDPG(
        "MlpPolicy",
        "Pendulum-v1",
        buffer_size=args.transitions,
        learning_starts=0,
        policy_kwargs={"net_arch": [64, 64]},
        seed=0,
    )
    model.learn(100)
    buffer = model.replay_buffer
    assert buffer is not None
    rng = np.random.default_rng(0)
    for array in (buffer.observations, buffer.next_observations, buffer.actions, buffer.rewards):
        array[:] = rng.uniform(-1.0, 1.0, array.shape)
    buffer.full = True
    folder = Path(tempfile.mkdtemp(prefix="checkpoints-"))
    records = []
    try:
        for number in range(args.checkpoints + 1):
            training = _seconds()
            if number:
                model.learn(args.steps, reset_num_timesteps=False)
            training, writing = _since(training), _seconds()
            write_checkpoint(model, folder, None, keep=2)
            writing = _since(writing)
            files = [path.stat() for path in newest(folder).rglob("*") if path.is_file()]
            records.append(
                {
                    "checkpoint": number,
                    "transitions": buffer.size(),
                    "new_transitions": args.steps if number else buffer.size(),
                    "training_cpu_s": training[0],
                    "training_wall_s": training[1],
                    "checkpoint_cpu_s": writing[0],
                    "checkpoint_wall_s": writing[1],
                    "bytes_written": sum(file.st_size for file in files if file.st_nlink == 1),
                    "bytes_in_all": sum(file.st_size for file in files),
                }
            )
            print(records[-1])
    finally:
        shutil.rmtree(folder)
    write_records(records, Path(args.output))
    print(versions())


def _seconds() -> tuple[float, float]:
    return time.process_time(), time.perf_counter()


def _since(start: tuple[float, float]) -> tuple[float, float]:
    return time.process_time() - start[0], time.perf_counter() - start[1]
