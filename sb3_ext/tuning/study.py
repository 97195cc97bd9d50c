"""Studies: opening them, and making sure that a search finds its own."""

from __future__ import annotations

import uuid
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
from optuna import Study
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from sb3_ext.app.errors import UserError
from sb3_ext.tuning.spec import TuningSpec
from sb3_ext.tuning.trials import EXHAUSTED, SEARCH_ID, states
from sb3_ext.zoo.storage import FIRST_TRIAL, open_storage, shown

_N_STARTUP_TRIALS = 10
"""Trials that are drawn at random before a sampler learns from them."""


def open_study(spec: TuningSpec) -> Study:
    """
    Open the study of a search or of its comparison; create it if there is none.

    :param spec: The search.
    :return: The study.
    :raises UserError: If the storage cannot be reached.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    study: Study = optuna.create_study(
        storage=open_storage(spec.storage, spec.max_retries),
        study_name=spec.study_name if spec.stage == "search" else spec.comparison_study_name,
        direction="maximize",
        load_if_exists=True,
        pruner=make_pruner(spec) if spec.stage == "search" else optuna.pruners.NopPruner(),
    )
    return study


def claim_study(spec: TuningSpec, study: Study, command: str) -> TuningSpec:
    """
    Write into a study what it searches, or check that it is the same search.

    :param spec: The search.
    :param study: Its study.
    :param command: What the user typed.
    :return: The search as the study began: with the block that it started from, whatever the YAML file says now.
    :raises UserError: If the study is another search's.
    """
    identity: dict[str, Any] = {
        "algo": spec.algo,
        "env": spec.env_id,
        "n_timesteps": spec.n_timesteps,
        "seed": spec.seed,
        "seeds_per_trial": spec.seeds_per_trial,
        "n_evaluations": spec.n_evaluations,
        "eval_episodes": spec.eval_episodes,
        "eval_env_kwargs": spec.eval_env_kwargs,
        "pruner": spec.pruner,
    }
    attrs = study.user_attrs
    trials = states(study)
    where = f"the study {spec.study_name!r} in {shown(spec.storage)!r}"
    if trials["complete"] or trials["pruned"] or trials["running"]:
        ours = all("settings" in trial.user_attrs for trial in trials["complete"])
        if not ours or "algo" not in attrs or "block" not in attrs:
            raise UserError(f"{where} has trials that `sb3-ext tune` did not make: give another --study-name")
        compared = list(identity)
    else:
        compared = [name for name in ("algo", "env") if name in attrs]
    for name in compared:
        if attrs.get(name) != identity[name]:
            raise UserError(
                f"{where} is a search with {name} {attrs.get(name)!r}, not {identity[name]!r}:"
                " give another --study-name"
            )
    if set(compared) == set(identity):
        was, given = (block.get("env_kwargs") or {} for block in (attrs["block"], spec.block))
        if was != given:
            raise UserError(f"{where} is a search with env_kwargs {was!r}, not {given!r}: give another --study-name")
    begin(study)
    if set(compared) == set(identity):
        return replace(spec, block=attrs["block"])
    for name, value in {**identity, "block": spec.block, "command": command, SEARCH_ID: uuid.uuid4().hex}.items():
        study.set_user_attr(name, value)
    return spec


def begin(study: Study) -> None:
    """
    Forget why workers stopped the last time: the failures before don't count any more.

    :param study: The study.
    """
    study.set_user_attr(EXHAUSTED, False)
    study.set_user_attr(FIRST_TRIAL, len(study.get_trials(deepcopy=False)))


def make_sampler(spec: TuningSpec, worker_index: int, n_trials_so_far: int, explore: bool = False) -> BaseSampler:
    """
    The sampler of a worker's next trial.

    Its seed differs between workers, and within one worker from trial to trial, also after the worker was restarted.

    :param spec: The search.
    :param worker_index: Number of the worker.
    :param n_trials_so_far: Trials in the study.
    :param explore: Whether to draw at random, since the sampler proposed what had been tried.
    :return: The sampler.
    """
    sequence = np.random.SeedSequence([spec.seed, worker_index, n_trials_so_far])
    seed = int(sequence.generate_state(1)[0])
    if spec.sampler == "random" or explore:
        return optuna.samplers.RandomSampler(seed=seed)
    if spec.sampler == "gp":
        return optuna.samplers.GPSampler(seed=seed, n_startup_trials=_N_STARTUP_TRIALS)
    return optuna.samplers.TPESampler(
        seed=seed, n_startup_trials=_N_STARTUP_TRIALS, multivariate=True, constant_liar=True
    )


def make_pruner(spec: TuningSpec) -> BasePruner:
    """
    The pruner of a search. Its steps are the evaluations of a trial, one training after the other.

    :param spec: The search.
    :return: The pruner.
    """
    n_steps = spec.n_evaluations * spec.seeds_per_trial
    if spec.pruner == "none":
        return optuna.pruners.NopPruner()
    if spec.pruner == "hyperband":
        return optuna.pruners.HyperbandPruner(min_resource=max(spec.n_evaluations // 3, 1), max_resource=n_steps)
    if spec.pruner == "wilcoxon":
        return optuna.pruners.WilcoxonPruner(p_threshold=0.1, n_startup_steps=spec.n_evaluations)
    return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=spec.n_evaluations // 3)
