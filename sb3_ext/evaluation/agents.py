"""Playing the evaluation episodes of trained runs: one after the other, in several processes, or on a Ray cluster."""

from __future__ import annotations

import importlib
import multiprocessing
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import gymnasium as gym
from stable_baselines3.common.atari_wrappers import MaxAndSkipEnv
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from sb3_ext.app.errors import UserError
from sb3_ext.app.ray import RayOptions, ray_connection, ray_map
from sb3_ext.evaluation.measure import Measurement, measure, random_actions
from sb3_ext.evaluation.runs import Run

_Task: TypeAlias = tuple[Run, range, bool, Sequence[str]]
# More episodes at once pay off little and, on Atari, cost memory.
PARALLEL_EPISODES = 16


@dataclass(frozen=True)
class Agent:
    """A trained agent and what it achieved."""

    run: Run
    steps: int
    """Steps it was trained for."""
    measured: Measurement
    frame_skip: int | None = None
    """Frames of the emulator per step; None outside Atari."""
    seconds: float = 0.0
    """Wall time of the evaluation."""


def evaluate_run(run: Run, seeds: range, deterministic: bool = True, packages: Sequence[str] = ()) -> Agent:
    """Load an agent and play one episode per seed. Needs nothing but its arguments, so any process can do it."""
    _prepare(packages)
    began = time.perf_counter()
    env = run.make_env(seeds[0], min(len(seeds), PARALLEL_EPISODES))
    try:
        model = run.load(env, seeds[0])
        measured = measure(model, env, seeds, deterministic)
        return Agent(run, model.num_timesteps, measured, _frame_skip(env), time.perf_counter() - began)
    finally:
        env.close()


def evaluate_runs(
    runs: Sequence[Run],
    seeds: range,
    deterministic: bool = True,
    packages: Sequence[str] = (),
    n_jobs: int = 1,
    done: Callable[[], Any] = lambda: None,
    ray: RayOptions | None = None,
) -> list[Agent]:
    """Evaluate runs in ``n_jobs`` processes, or one task each on a Ray cluster; ``done`` is called after each."""
    agents: dict[int, Agent] = {}
    for index, agent in _as_they_finish([(run, seeds, deterministic, packages) for run in runs], n_jobs, ray):
        agents[index] = replace(agent, run=runs[index])
        done()
    return [agents[index] for index in range(len(runs))]


def play_at_random(run: Run, seeds: range) -> Measurement:
    """Play random actions in the episodes of a run's evaluation."""
    env = run.make_env(seeds[0], min(len(seeds), PARALLEL_EPISODES))
    try:
        return measure(random_actions(env.action_space, seeds[0]), env, seeds)
    finally:
        env.close()


def _as_they_finish(tasks: Sequence[_Task], n_jobs: int, ray: RayOptions | None) -> Iterator[tuple[int, Agent]]:
    if ray is not None:
        # Tasks have other current folders.
        at_home = [(replace(task[0], model_path=task[0].model_path.absolute()), *task[1:]) for task in tasks]
        with ray_connection(ray):
            yield from ray_map(_evaluate_there, at_home, ray)
    elif n_jobs == 1:
        yield from ((index, evaluate_run(*task)) for index, task in enumerate(tasks))
    else:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(n_jobs, len(tasks)), context, _use_one_thread) as pool:
            futures = {pool.submit(evaluate_run, *task): index for index, task in enumerate(tasks)}
            try:
                yield from ((futures[future], future.result()) for future in as_completed(futures))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _evaluate_there(task: _Task) -> Agent:
    run = task[0]
    if not run.model_path.exists():
        raise UserError(
            f"{run.name}: {run.model_path} is not on {socket.gethostname()}: the machines of the cluster must share the"
            " log folder under the same path",
            exit_code=1,
        )
    return evaluate_run(*task)


def _prepare(packages: Iterable[str]) -> None:
    """Make algorithms and environments known, which a new process does not have."""
    from sb3_ext.zoo import register

    register()
    importlib.import_module("rl_zoo3.import_envs")
    for package in packages:
        importlib.import_module(package)


def _use_one_thread() -> None:
    """Several processes with as many threads as cores each would only get in each other's way."""
    import torch

    torch.set_num_threads(1)


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
