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
_IDENTITY = ("n_timesteps", "seed", "seeds_per_trial", "n_evaluations", "eval_episodes", "eval_env_kwargs", "pruner")
"""What the trials of a study have in common besides algorithm and environment."""


def open_study(spec: TuningSpec) -> Study:
    """Open the study of a search or of its comparison, or create it."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    return optuna.create_study(
        storage=open_storage(spec.storage, spec.max_retries),
        study_name=spec.study_name,
        direction="maximize",
        load_if_exists=True,
        pruner=_pruner(spec),
    )


def claim_study(spec: TuningSpec, study: Study, command: str) -> TuningSpec:
    """
    Write into a study what it searches, or check that it is the same search.

    A study goes on with the block that it started from, whatever the YAML file says now.
    """
    identity: dict[str, Any] = {"algo": spec.algo, "env": spec.env_id}
    identity |= {name: getattr(spec, name) for name in _IDENTITY}
    attrs = study.user_attrs
    trials = states(study)
    where = f"the study {spec.study_name!r} in {shown(spec.storage)!r}"
    started = bool(trials["complete"] or trials["pruned"] or trials["running"])
    if started:
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
    if started:
        was, given = (block.get("env_kwargs") or {} for block in (attrs["block"], spec.block))
        if was != given:
            raise UserError(f"{where} is a search with env_kwargs {was!r}, not {given!r}: give another --study-name")
    begin(study)
    if started:
        return replace(spec, block=attrs["block"])
    for name, value in {**identity, "block": spec.block, "command": command, SEARCH_ID: uuid.uuid4().hex}.items():
        study.set_user_attr(name, value)
    return spec


def begin(study: Study) -> None:
    """Forget why workers stopped the last time: the failures before don't count any more."""
    study.set_user_attr(EXHAUSTED, False)
    study.set_user_attr(FIRST_TRIAL, len(study.get_trials(deepcopy=False)))


def make_sampler(spec: TuningSpec, worker_index: int, n_trials_so_far: int, explore: bool = False) -> BaseSampler:
    """
    The sampler of a worker's next trial, seeded anew for every one, also after the worker was restarted.

    It explores, drawing at random, where the sampler proposed what had been tried.
    """
    seed = int(np.random.SeedSequence([spec.seed, worker_index, n_trials_so_far]).generate_state(1)[0])
    if spec.sampler == "random" or explore:
        return optuna.samplers.RandomSampler(seed=seed)
    if spec.sampler == "gp":
        return optuna.samplers.GPSampler(seed=seed, n_startup_trials=_N_STARTUP_TRIALS)
    return optuna.samplers.TPESampler(
        seed=seed, n_startup_trials=_N_STARTUP_TRIALS, multivariate=True, constant_liar=True
    )


def _pruner(spec: TuningSpec) -> BasePruner:
    """Its steps are the evaluations of a trial, one training after the other."""
    n_steps = spec.n_evaluations * spec.seeds_per_trial
    if spec.pruner == "none":
        return optuna.pruners.NopPruner()
    if spec.pruner == "hyperband":
        return optuna.pruners.HyperbandPruner(min_resource=max(spec.n_evaluations // 3, 1), max_resource=n_steps)
    if spec.pruner == "wilcoxon":
        return optuna.pruners.WilcoxonPruner(p_threshold=0.1, n_startup_steps=spec.n_evaluations)
    return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=spec.n_evaluations // 3)
