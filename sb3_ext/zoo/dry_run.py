"""``--dry-run`` of ``train``: what would run, tried as far as the agent is built, and nothing written."""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
from typing import Any

import yaml
from rl_zoo3.utils import ALGOS
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from sb3_ext.app.console import console
from sb3_ext.app.table import Row, Table
from sb3_ext.zoo.experiment import CheckedExperimentManager
from sb3_ext.zoo.hyperparams import find_block
from sb3_ext.zoo.storage import shown


def experiment_manager(args: argparse.Namespace, *further: Any, **kwargs: Any) -> CheckedExperimentManager:
    """The manager of a training, or of one that would be."""
    return (DryRunManager if args.dry_run else CheckedExperimentManager)(args, *further, **kwargs)


class DryRunManager(CheckedExperimentManager):
    """Builds environments and agent as a training would, shows them, and ends there."""

    def setup_experiment(self) -> tuple[BaseAlgorithm, dict[str, Any]] | None:
        """Show what would run; None, so that nothing is trained."""
        self._spaces: list[str] = []
        with tempfile.TemporaryDirectory(prefix="sb3-ext-dry-run-") as self._monitor_folder:
            with contextlib.redirect_stdout(io.StringIO()):
                experiment = super().setup_experiment()
            facts = self._facts()
            if experiment is not None:
                model, _ = experiment
                facts["parameters of the policy"] = f"{sum(each.numel() for each in model.policy.parameters()):,}"
                if model.env is not None:
                    model.env.close()
        screen = console()
        rows = [Row([name, value]) for name, value in facts.items()]
        screen.print(Table("What would run", ["", ""], rows, words=frozenset({0, 1})))
        screen.print(hyperparameter_table(self._hyperparameters_with_origins()))
        screen.print("Nothing was trained, and nothing written: --dry-run.")
        return None

    def hyperparameters_optimization(self) -> None:
        """Search nothing."""

    def read_hyperparameters(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Read them, and remember them for the table."""
        hyperparams, self._read = super().read_hyperparameters()
        return hyperparams, self._read

    def create_log_folder(self) -> None:
        """Create none."""

    def create_callbacks(self) -> None:
        """Create none: they write."""

    def _save_config(self, saved_hyperparams: dict[str, Any]) -> None:
        """Save nothing."""

    def create_envs(self, n_envs: int, eval_env: bool = False, no_log: bool = False) -> VecEnv:
        """Create environments whose Monitor files, which a checkpoint needs to be restored, lie elsewhere."""
        save_path, self.save_path = self.save_path, self._monitor_folder
        env = super().create_envs(n_envs, eval_env, no_log)
        self.save_path = save_path
        self._spaces = [" ".join(str(space).split()) for space in (env.observation_space, env.action_space)]
        return env

    def _facts(self) -> dict[str, str]:
        algorithm, args = ALGOS[self.algo], self.args
        often = self.n_timesteps // self.n_evaluations if self.optimize_hyperparameters else self.eval_freq
        evaluations = f"every {often:,} steps, {self.n_eval_episodes} episodes" if often > 0 else "none"
        facts = {
            "algorithm": f"{self.algo}, {algorithm.__module__}.{algorithm.__name__}",
            "environment": self.env_name.gym_id,
            "environments at once": f"{self.n_envs} ({args.vec_env})",
            "arguments of the environment": str(self.env_kwargs or "none"),
            "arguments while evaluating": str(self.eval_env_kwargs or "none"),
            "observations": self._spaces[0],
            "actions": self._spaces[1],
            "steps": f"{self.n_timesteps:,}",
            "evaluations": f"of every trial {evaluations}" if self.optimize_hyperparameters else evaluations,
            "seed": str(self.seed),
            "log folder": self.save_path,
        }
        if self.optimize_hyperparameters:
            trials = self.max_total_trials or self.n_trials
            storage = shown(self.storage) if self.storage else "none"
            facts["search"] = f"{trials} trials, sampler {self.sampler}, pruner {self.pruner}, storage {storage}"
        return facts

    def _hyperparameters_with_origins(self) -> list[tuple[str, Any, str]]:
        given, source = self.args.hyperparams or {}, self.config
        if self.config.endswith((".yml", ".yaml")):
            with open(self.config, encoding="utf-8") as file:
                source = f"block {find_block(yaml.safe_load(file), self.env_name.gym_id)} of {self.config}"
        found = []
        for name, value in self._read.items():
            origin = source
            if name == "n_timesteps" and self.args.n_timesteps > 0:
                value, origin = self.n_timesteps, "-n"
            elif name == "env_kwargs" and self.args.env_kwargs:
                value, origin = self.env_kwargs, "--env-kwargs"
            elif name in given:
                origin = "-params"
            elif name in (self.custom_hyperparams or {}):
                origin = f"study {self.study_name}"
            found.append((name, value, origin))
        return found


def hyperparameter_table(found: list[tuple[str, Any, str]]) -> Table:
    """Hyperparameters by name, and where each comes from."""
    rows = [Row([name, str(value), origin]) for name, value, origin in found]
    title = "Hyperparameters; all others are those of the algorithm's constructor"
    return Table(title, ["hyperparameter", "value", "from"], rows, words=frozenset({0, 1, 2}))
