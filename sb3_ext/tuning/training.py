"""One training through the zoo, evaluated on the way."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import inspect
import io
import math
import random
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import yaml
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import set_random_seed
from stable_baselines3.common.vec_env import VecEnv, VecNormalize, sync_envs_normalization

from sb3_ext.checkpoint.checkpoint import NeedsCodeError, exists, load
from sb3_ext.evaluation.measure import measure
from sb3_ext.tuning.spec import TuningSpec
from sb3_ext.tuning.unfinished import TrialCheckpoints
from sb3_ext.zoo.experiment import CheckedExperimentManager

_PARALLEL_EPISODES = 16


class Training(NamedTuple):
    """A finished training."""

    evaluations: list[float]
    """Mean return of every evaluation, the last one after the training."""
    fingerprint: str
    model: BaseAlgorithm
    """The trained agent; its environment is closed."""


class _Evaluations(BaseCallback):
    """Calls back whenever another n-th part of the training is done, except at its end."""

    def __init__(
        self, n_timesteps: int, n_evaluations: int, evaluate: Callable[[int], None], evaluations: list[float]
    ) -> None:
        super().__init__()
        self._due = [n_timesteps * index / n_evaluations for index in range(1, n_evaluations)]
        self._evaluate = evaluate
        self._evaluations = evaluations  # so that a checkpoint holds them

    def _on_rollout_start(self) -> None:
        self._evaluate(0)

    def _on_step(self) -> bool:
        passed = sum(self.num_timesteps >= due for due in self._due)
        if passed:
            del self._due[:passed]
            self._evaluate(passed)
        return True


def train(
    spec: TuningSpec,
    settings: dict[str, Any],
    seed: int,
    evaluation_seeds: range,
    folder: Path,
    report: Callable[[list[float]], None] = lambda _: None,
    save_as: Path | None = None,
    checkpoints: Path | None = None,
) -> Training:
    """
    Train as ``sb3-ext train`` does with the block, the settings over it, and the seed.

    Evaluations leave the training as it would be without them. After each the mean returns so far are reported; the
    report ends the training by raising. What the zoo writes goes into an empty folder, the run into ``save_as``. A
    training goes on from a checkpoint, if there is one, and writes one between evaluations.
    """
    manager = make_manager(spec, settings, seed, folder)
    if save_as is not None:
        manager.save_path = str(save_as)
        manager.params_path = str(save_as / manager.env_name)
    evaluations: list[float] = []
    with contextlib.redirect_stdout(io.StringIO()), contextlib.ExitStack() as stack:
        set_random_seed(seed)
        prepared = manager.setup_experiment()
        assert prepared is not None
        model, _ = prepared
        env = model.get_env()
        assert env is not None
        stack.callback(env.close)
        if checkpoints is not None and exists(checkpoints):
            with contextlib.suppress(NeedsCodeError):  # else it starts over
                model = load(checkpoints, env, spec.device, verbose=0, custom_objects=_arguments_of(model))
                manager.n_timesteps -= model.num_timesteps
                manager.continue_training = True
        n_rounds = math.ceil(len(evaluation_seeds) / _PARALLEL_EPISODES)
        eval_env = manager.create_envs(math.ceil(len(evaluation_seeds) / n_rounds), eval_env=True, no_log=True)
        stack.callback(eval_env.close)

        reported = 0

        def evaluate(times: int) -> None:
            nonlocal reported
            if times:
                evaluations.extend(
                    [_evaluate(model, env, eval_env, evaluation_seeds, manager.deterministic_eval)] * times
                )
            while reported < len(evaluations):
                reported += 1
                report(evaluations[:reported])

        manager.callbacks.append(_Evaluations(spec.n_timesteps, spec.n_evaluations, evaluate, evaluations))
        if checkpoints is not None:
            every = max(spec.n_timesteps // spec.n_evaluations, 1)
            manager.callbacks.insert(0, TrialCheckpoints(every, checkpoints))
        manager.learn(model)
        # A training that its own callbacks stopped early stays as good as it is.
        evaluate(spec.n_evaluations - len(evaluations))
        if save_as is not None:
            manager.save_trained_model(model)
    return Training(evaluations, fingerprint(model), model)


def _arguments_of(model: BaseAlgorithm) -> dict[str, Any]:
    """What the settings gave a model, functions and classes among it, which need not be read from its file."""
    names = {*inspect.signature(type(model)).parameters, "policy_class"}
    return {name: value for name, value in vars(model).items() if name in names}


def make_manager(
    spec: TuningSpec, settings: dict[str, Any], seed: int, folder: Path, optimize: bool = False
) -> CheckedExperimentManager:
    """The zoo's manager of a training, or of a search, that writes into an empty folder."""
    conf_file = folder / "block.yml"
    conf_file.write_text(yaml.safe_dump({spec.env_id: spec.block}), encoding="utf-8")
    # What the zoo saves beside a model, for `enjoy`
    args = argparse.Namespace(
        algo=spec.algo,
        env=spec.env_id,
        seed=seed,
        gym_packages=["sb3_ext", *spec.gym_packages],
        env_kwargs=spec.block.get("env_kwargs"),
        eval_env_kwargs=spec.eval_env_kwargs,
        hyperparams=settings,
        vec_env=spec.vec_env,
        device=spec.device,
        num_threads=spec.num_threads,
    )
    return CheckedExperimentManager(
        args,
        spec.algo,
        spec.env_id,
        str(folder / "logs"),
        eval_freq=-1,
        hyperparams=deepcopy(settings),
        eval_env_kwargs=spec.eval_env_kwargs,
        optimize_hyperparameters=optimize,
        seed=seed,
        log_interval=-1,
        verbose=0,
        vec_env_type=spec.vec_env,
        device=spec.device,
        config=str(conf_file),
    )


def _evaluate(agent: BaseAlgorithm, env: VecEnv, eval_env: VecEnv, seeds: range, deterministic: bool) -> float:
    if isinstance(eval_env, VecNormalize) or agent.get_vec_normalize_env() is not None:
        sync_envs_normalization(env, eval_env)
    with _random_numbers_kept():
        mean_return = measure(agent, eval_env, seeds, deterministic).mean_return
    if not np.isfinite(mean_return):
        raise ValueError(f"the mean return of an evaluation is {mean_return}")
    return mean_return


@contextlib.contextmanager
def _random_numbers_kept() -> Iterator[None]:
    python_state, numpy_state = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        yield
    random.setstate(python_state)
    np.random.set_state(numpy_state)


def fingerprint(model: BaseAlgorithm) -> str:
    """Hexadecimal digits, equal for two agents if and only if all weights are."""
    digest = hashlib.sha256()
    for name, value in sorted(model.policy.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]
