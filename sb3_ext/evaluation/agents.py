"""Playing the evaluation episodes of trained runs: one after the other, in several processes, or on a Ray cluster."""

from __future__ import annotations

import importlib
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import closing
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

import gymnasium as gym
import torch
from stable_baselines3.common.atari_wrappers import MaxAndSkipEnv
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from sb3_ext.app.errors import UserError
from sb3_ext.app.ray import RayOptions, ray_connection, ray_map
from sb3_ext.evaluation.measure import Measurement, measure, random_actions
from sb3_ext.evaluation.runs import Run
from sb3_ext.zoo.forks import process_context

_Task: TypeAlias = tuple[Run, range, bool, Sequence[str]]
"""A run, the seed of every episode, whether it acts without exploration, packages that register the environment."""
# More episodes at once pay off little and, on Atari, cost memory.
PARALLEL_EPISODES = 16


class Agent(NamedTuple):
    """What a trained agent achieved."""

    measured: Measurement
    training_steps: int
    training_frames: int | None
    """Of the emulator; None outside Atari."""
    seconds: float
    """Wall time of the evaluation."""


def evaluate_runs(tasks: Sequence[_Task], n_jobs: int, ray: RayOptions | None) -> Iterator[tuple[int, Agent]]:
    """Index of the task and what its agent achieved, as they finish, in processes or on a Ray cluster."""
    if ray is not None:
        # Tasks have other current folders.
        at_home = [(replace(task[0], model_path=task[0].model_path.absolute()), *task[1:]) for task in tasks]
        with ray_connection(ray):
            yield from ray_map(_evaluate_there, at_home, ray)
    elif n_jobs == 1:
        yield from ((index, _evaluate(*task)) for index, task in enumerate(tasks))
    else:
        context = process_context(__name__)
        # Several processes with as many threads as cores each would only get in each other's way.
        with ProcessPoolExecutor(min(n_jobs, len(tasks)), context, torch.set_num_threads, (1,)) as pool:
            futures = {pool.submit(_evaluate, *task): index for index, task in enumerate(tasks)}
            try:
                yield from ((futures[future], future.result()) for future in as_completed(futures))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def play_at_random(run: Run, seeds: range) -> Measurement:
    """Play random actions in the episodes of a run's evaluation."""
    with closing(run.make_env(seeds[0], min(len(seeds), PARALLEL_EPISODES))) as env:
        return measure(random_actions(env.action_space, seeds[0]), env, seeds)


def _evaluate(run: Run, seeds: range, deterministic: bool, packages: Sequence[str]) -> Agent:
    """Needs nothing but its arguments, so that any process can do it."""
    from sb3_ext.zoo import register

    register()
    for package in ("rl_zoo3.import_envs", *packages):
        importlib.import_module(package)
    began = time.perf_counter()
    with closing(run.make_env(seeds[0], min(len(seeds), PARALLEL_EPISODES))) as env:
        model = run.load(env, seeds[0])
        measured = measure(model, env, seeds, deterministic)
        frame_skip = _frame_skip(env)
        frames = None if frame_skip is None else frame_skip * model.num_timesteps
        return Agent(measured, model.num_timesteps, frames, time.perf_counter() - began)


def _evaluate_there(task: _Task) -> Agent:
    run = task[0]
    if not run.model_path.exists():
        raise UserError(
            f"{run.name}: {run.model_path} is not on {socket.gethostname()}: the machines of the cluster must share the"
            " log folder under the same path",
            exit_code=1,
        )
    return _evaluate(*task)


def _frame_skip(env: VecEnv) -> int | None:
    """Frames per step on Atari: those that the emulator skips times those that a wrapper skips."""
    from ale_py.env import AtariEnv

    inner = env.unwrapped
    assert isinstance(inner, DummyVecEnv)
    layer: gym.Env[Any, Any] = inner.envs[0]
    skip = 1
    while isinstance(layer, gym.Wrapper):
        if isinstance(layer, MaxAndSkipEnv):
            skip *= layer._skip
        layer = layer.env
    if not isinstance(layer, AtariEnv) or not isinstance(layer._frameskip, int):
        return None
    return skip * layer._frameskip
