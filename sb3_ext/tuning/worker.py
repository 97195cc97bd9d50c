"""The loop of one worker: trials until the study has enough."""

from __future__ import annotations

import gc
import importlib
import warnings

import torch

from sb3_ext.tuning.dead_workers import process_identity
from sb3_ext.tuning.objective import Objective
from sb3_ext.tuning.spec import TuningSpec
from sb3_ext.tuning.study import make_sampler, open_study
from sb3_ext.tuning.trials import EXHAUSTED, open_slots
from sb3_ext.zoo import register

_MOST_SKIPPED = 50


def run_worker(spec: TuningSpec, worker_index: int, owner: str | None = None) -> None:
    """
    Run trials of a study until there is nothing left to start, in any process on any machine that reaches it.

    Whoever started it cleans up if it dies: :func:`sb3_ext.tuning.dead_workers.fail_trials_of` with the same ``owner``,
    a name unique over all workers of the study.
    """
    # Neither a search space that cannot be learned jointly nor an experimental class of Optuna is the user's doing.
    warnings.simplefilter("ignore")
    torch.set_num_threads(spec.num_threads)
    for package in ("sb3_ext", *spec.gym_packages):
        importlib.import_module(package)
    # Atari's environments among others
    importlib.import_module("rl_zoo3.import_envs")
    register()
    study = open_study(spec)
    objective = Objective(spec, owner or process_identity())
    skipped = 0
    while open_slots(spec, study) > 0:
        trials = study.get_trials(deepcopy=False)
        study.sampler = make_sampler(spec, worker_index, len(trials), explore=skipped > 0)
        study.optimize(objective, n_trials=1, catch=(Exception,))
        if not objective.skipped:
            skipped = 0
            # Environments and models refer to each other in circles.
            gc.collect()
            continue
        skipped += 1
        if skipped == _MOST_SKIPPED:
            study.set_user_attr(EXHAUSTED, True)
