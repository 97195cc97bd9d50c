"""What a worker of A3C does in its own process."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import numpy as np
import torch as th
from stable_baselines3.a2c import A2C
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger

from sb3_ext.a3c import statistics
from sb3_ext.a3c.shared import AsynchronousOptimizer, Memory, Shared
from sb3_ext.common.arrays import AnyArray, BoolArray


class Rollout(NamedTuple):
    """What a worker reports."""

    rewards: list[AnyArray]
    """Of every step, one for each environment."""
    dones: list[BoolArray]
    infos: list[list[dict[str, Any]]]
    logged: dict[str, Any]
    """What the update before it logged."""


class Failure(NamedTuple):
    """What a worker reports as its last."""

    line: str
    trace: str


class Answer(NamedTuple):
    """What a worker is told after a report; None in its place ends it without an update."""

    progress_remaining: float
    """From 1 at the start of the training to 0 at its end."""
    is_last: bool
    """Whether the worker is to end after the update."""


def run_worker(model: A2C, shared: Shared, index: int, to_parent: Connection) -> None:
    """
    Algorithm S3 of Mnih et al. (2016) for one worker, until the parent has counted all steps.

    The parent counts (T), so that what it has counted is what callbacks saw, and was learned from unless they ended it.

    :param model: this worker's copy of the model
    :param shared: the parameters theta and the statistics g of all workers
    :param index: the worker's number
    :param to_parent: where rollouts are reported, and an :class:`Answer` is read after each
    """
    played = _Played()
    played.init_callback(model)
    model.policy.optimizer = AsynchronousOptimizer(shared, model.policy, index)  # type: ignore[assignment]
    env = model.env
    assert env is not None
    model._last_obs, model._last_episode_starts = env.reset(), np.ones(env.num_envs, dtype=bool)  # type: ignore[assignment]
    while True:
        # theta' <- theta
        shared.copy_to(model.policy)
        # for t_max steps: a_t from pi(a_t | s_t; theta'), and R from the value where they end
        model.collect_rollouts(env, played, model.rollout_buffer, model.n_steps)
        to_parent.send_bytes(pickle.dumps(played.report()))
        answer: Answer | None = pickle.loads(to_parent.recv_bytes())
        if answer is None:
            return
        # d theta from log pi(a_i | s_i; theta') (R_i - V(s_i; theta')), (R_i - V(s_i; theta'))^2 and the entropy, then
        # g <- alpha g + (1 - alpha) d theta^2 and theta <- theta - eta d theta / sqrt(g), asynchronously
        model._current_progress_remaining = answer.progress_remaining
        model.train()
        if answer.is_last:
            return


class _Played(BaseCallback):
    """Remembers the steps of a rollout."""

    def _on_rollout_start(self) -> None:
        self._steps: list[tuple[AnyArray, BoolArray, list[dict[str, Any]]]] = []

    def _on_step(self) -> bool:
        # A copy, since the values of what a time limit cut off are added to the rewards.
        self._steps.append((self.locals["rewards"].copy(), self.locals["dones"], self.locals["infos"]))
        return True

    def report(self) -> Rollout:
        rewards, dones, infos = map(list, zip(*self._steps, strict=True))
        logged = dict(self.logger.name_to_value)
        self.logger.name_to_value.clear()
        return Rollout(rewards, dones, infos, logged)


def work(to_parent: Connection, memory: Memory, index: int, seed: int) -> None:
    """
    Be a worker: receive the model and play until the parent says so, or ends for whatever reason.

    :param to_parent: a pipe
    :param memory: what all workers and the parent share
    :param index: this worker's number
    :param seed: seed of this process and its environments
    """
    # Ctrl-C reaches the whole process group; the parent ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    th.set_num_threads(1)
    try:
        model: A2C = pickle.loads(to_parent.recv_bytes())
        model._logger = Logger(None, [])
        assert model.env is not None
        statistics.attach(model.env, memory.means)
        model.set_random_seed(seed)
        run_worker(model, Shared(memory, model.policy), index, to_parent)
        model.env.close()
    except Exception as error:
        said = " ".join(str(error).split())
        to_parent.send_bytes(pickle.dumps(Failure(f"{type(error).__name__}: {said}", traceback.format_exc())))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
