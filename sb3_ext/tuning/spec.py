"""What a search is: everything a worker process needs to know, on this machine or another."""

from __future__ import annotations

import time
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
    """
    A search for hyperparameters. Plain data: it can be pickled and sent to another machine.

    :param algo: Zoo key.
    :param env_id: Gymnasium id.
    :param block: The hyperparameters that the search starts from, as in a zoo YAML block, ``n_timesteps`` included.
    :param storage: A journal file (``.log``), an Optuna (SQLAlchemy) URL, or ``grpc://host:port``.
    :param study_name: Name of the study in the storage.
    :param n_trials: Trials that the study shall have in the end, over all workers and runs of the command: those that
        finished or were pruned.
    :param seed: First training seed of a trial; all other seeds are derived from it.
    :param seeds_per_trial: How many trainings a trial has.
    :param n_evaluations: Evaluations during one training, the last of them after its end.
    :param eval_episodes: Episodes of an evaluation.
    :param sampler: One of :data:`SAMPLERS`.
    :param pruner: One of :data:`PRUNERS`.
    :param search_space: A Python file with a search space of the user's own; None for the zoo's.
    :param gym_packages: Packages to import, since they register environments.
    :param eval_env_kwargs: Arguments of the environments for evaluation; None for those of training.
    :param vec_env: ``"dummy"``, ``"subproc"`` or ``"native"``.
    :param device: Of PyTorch.
    :param num_threads: Of PyTorch, in every worker.
    :param deadline: Unix time after which no trial starts; None for no limit.
    :param max_retries: How often a trial is started again whose worker was killed.
    :param fresh_seeds: How many fresh training seeds the best trials are compared on.
    :param models_folder: Where the trainings of the comparison are saved, as the zoo does; None to save none.
    :param stage: ``"search"``, or ``"compare"`` for the trainings on fresh seeds, which are a study of their own.
    """

    algo: str
    env_id: str
    block: dict[str, Any]
    storage: str
    study_name: str
    n_trials: int
    seed: int = 0
    seeds_per_trial: int = 3
    n_evaluations: int = 10
    eval_episodes: int = 5
    sampler: str = "tpe"
    pruner: str = "median"
    search_space: str | None = None
    gym_packages: tuple[str, ...] = ()
    eval_env_kwargs: dict[str, Any] | None = None
    vec_env: str = "dummy"
    device: str = "auto"
    num_threads: int = 1
    deadline: float | None = None
    max_retries: int = 3
    fresh_seeds: int = 5
    models_folder: str | None = None
    stage: str = "search"

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
        """The trainings on fresh seeds as something that workers can run."""
        return replace(self, stage="compare", deadline=None)

    @property
    def comparison_study_name(self) -> str:
        """Name of the study that holds the trainings on fresh seeds."""
        return f"{self.study_name}-fresh-seeds"
