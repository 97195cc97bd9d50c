"""What a search is: everything a worker process needs to know, on this machine or another."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

EVALUATION_SEED_OFFSET = 10_000
COMPARISON_SEED_OFFSET = 20_000
FRESH_SEED_OFFSET = 1_000
COMPARISON_EPISODES = 20
SAMPLERS = ("tpe", "gp", "random")
PRUNERS = ("median", "hyperband", "wilcoxon", "none")


@dataclass(frozen=True)
class TuningSpec:
    """A search for hyperparameters. Plain data: it can be pickled and sent to another machine."""

    algo: str
    env_id: str
    block: dict[str, Any]
    """What the search starts from, as in the zoo's YAML, ``n_timesteps`` included."""
    storage: str
    study_name: str
    n_trials: int
    """Finished or pruned in the end, over all workers and runs of the command."""
    seed: int = 0
    """First training seed of a trial; all other seeds follow from it."""
    seeds_per_trial: int = 3
    n_evaluations: int = 10
    """Of a training, the last one after its end."""
    eval_episodes: int = 5
    sampler: str = "tpe"
    pruner: str = "median"
    search_space: str | None = None
    """A Python file; None for the zoo's space."""
    gym_packages: Sequence[str] = ()
    eval_env_kwargs: dict[str, Any] | None = None
    vec_env: str = "dummy"
    device: str = "auto"
    num_threads: int = 1
    deadline: float | None = None
    """Unix time after which no trial starts."""
    max_retries: int = 3
    """How often a trial is started again whose worker was killed."""
    fresh_seeds: int = 5
    models_folder: str | None = None
    """Where the trainings of the comparison are saved, as the zoo does."""
    unfinished_folder: str | None = None
    """Where trials keep what a worker needs to go on with them if theirs is killed; None if they start over."""
    stage: str = "search"
    """Or ``"compare"``, for the trainings on fresh seeds."""

    @property
    def n_timesteps(self) -> int:
        """Environment steps of a training."""
        return int(self.block["n_timesteps"])

    @property
    def overdue(self) -> bool:
        """Whether no trial may start any more."""
        return self.deadline is not None and time.time() >= self.deadline

    @property
    def training_seeds(self) -> range:
        """Training seeds of a trial, common to all trials."""
        return range(self.seed, self.seed + self.seeds_per_trial)

    @property
    def evaluation_seeds(self) -> range:
        """Seeds of the episodes of every evaluation, common to all and apart from those of training."""
        return range(self.seed + EVALUATION_SEED_OFFSET, self.seed + EVALUATION_SEED_OFFSET + self.eval_episodes)

    @property
    def fresh_training_seeds(self) -> range:
        """Training seeds that no trial has seen."""
        return range(self.seed + FRESH_SEED_OFFSET, self.seed + FRESH_SEED_OFFSET + self.fresh_seeds)

    @property
    def comparison_episodes(self) -> range:
        """Seeds of the episodes of an evaluation in the comparison, which no trial was chosen by."""
        return range(self.seed + COMPARISON_SEED_OFFSET, self.seed + COMPARISON_SEED_OFFSET + COMPARISON_EPISODES)

    @property
    def comparison(self) -> TuningSpec:
        """The trainings on fresh seeds, a study of their own."""
        name = f"{self.study_name}-fresh-seeds"
        return replace(self, stage="compare", study_name=name, pruner="none", deadline=None)
