"""
Algorithms with SB3's interface: how fast they update their networks, and how fast they train.

Run as a script, this file answers requests from another process, see :mod:`benchmarks.rivals`. That
may be another Python, with libraries that ours lacks, so nothing of ``sb3_ext`` is imported.
"""

import copy
import json
import os
import pkgutil
import sys
import time
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.vec_env import VecEnv


class Contender:
    """
    An algorithm in a benchmark.

    :param algorithm: ``"module:class"``
    :param env: Gymnasium id of the environment, or what makes it, or environments that are made already
    :param n_envs: number of environments to make
    :param policy: alias of the policy
    :param noise: standard deviation of the noise on actions, in units of the scaled action range; None for none
    :param arguments: other arguments of the algorithm
    """

    def __init__(
        self,
        algorithm: str,
        env: str | Callable[..., gym.Env[Any, Any]] | VecEnv,
        n_envs: int = 1,
        policy: str = "MlpPolicy",
        noise: float | None = None,
        **arguments: Any,
    ) -> None:
        envs = env if isinstance(env, VecEnv) else make_vec_env(env, n_envs, seed=0)
        if noise is not None:
            size = envs.action_space.shape
            assert size is not None
            arguments["action_noise"] = NormalActionNoise(np.zeros(size), np.full(size, noise))
        # SB3's DDPG changes the policy_kwargs that it is given
        own = copy.deepcopy(arguments)
        self.model: Any = pkgutil.resolve_name(algorithm)(policy, envs, seed=0, device="cpu", **own)

    def fill(self) -> None:
        """Fill the replay buffer with random transitions, and get ready to update without ``learn``."""
        fill_replay_buffer(self.model.replay_buffer)
        self.model.set_logger(Logger(None, []))

    def updates_per_second(self, calls: int, per_call: int, batch_size: int) -> float:
        """
        Time ``train``, which draws its batches itself.

        :param calls: how often it is called, after one call that is not timed
        :param per_call: gradient updates in a call
        :param batch_size: transitions in a minibatch
        :return: gradient updates a second
        """
        train = self.model.train
        train(gradient_steps=per_call, batch_size=batch_size)
        start = time.perf_counter()
        for _ in range(calls):
            train(gradient_steps=per_call, batch_size=batch_size)
        return calls * per_call / (time.perf_counter() - start)

    def steps_per_second(self, steps: int) -> float:
        """
        Time ``learn``, which goes on where it stopped.

        :param steps: environment steps, over all environments
        :return: steps a second
        """
        before = self.model.num_timesteps
        start = time.perf_counter()
        self.model.learn(steps, reset_num_timesteps=False)
        taken = time.perf_counter() - start
        steps = self.model.num_timesteps - before  # of an on-policy algorithm, whole batches
        return steps / taken


def fill_replay_buffer(buffer: Any) -> None:
    """
    Fill every cell with random numbers: untouched pages of zeros would all be one page in the cache.

    :param buffer: SB3's ``ReplayBuffer``, or one with the same tables
    """
    rng = np.random.default_rng(0)
    for table in (buffer.observations, buffer.next_observations):
        if table.dtype == np.uint8:
            table[...] = rng.integers(0, 256, table.shape, np.uint8)
        else:
            table[...] = rng.normal(size=table.shape)
    if isinstance(buffer.action_space, spaces.Discrete):
        buffer.actions[...] = rng.integers(0, buffer.action_space.n, buffer.actions.shape)
    else:
        buffer.actions[...] = rng.uniform(-1.0, 1.0, buffer.actions.shape)
    buffer.rewards[...] = rng.normal(size=buffer.rewards.shape)
    buffer.dones[...] = rng.random(buffer.dones.shape) < 0.01
    buffer.full = True


def serve() -> None:
    """Answer requests, one JSON list ``[method, arguments]`` a line, on one core, until there are no more."""
    # What libraries print must not mix with the answers
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    contender: Any = None
    for line in sys.stdin:
        method, arguments = json.loads(line)
        try:
            if method == "build":
                contender, value = Contender(**arguments), None
            else:
                value = getattr(contender, method)(**arguments)
            answer = {"value": value}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    serve()
