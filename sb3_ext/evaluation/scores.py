"""What policies achieved: one line of ``results.csv`` each, from which every table is made."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sb3_ext.app.records import write_records
from sb3_ext.app.versions import version_columns
from sb3_ext.common.arrays import FloatArray
from sb3_ext.evaluation.references import References

KEY = ("environment", "setting", "run")
"""What names a policy in both files."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """A policy on an environment; NaN, None and empty texts for what is not known."""

    environment: str
    env_kwargs: str
    """As JSON."""
    kind: str
    """``"agent"``, or ``"baseline"`` for a policy that was not trained."""
    setting: str
    """Name of the algorithm or variant, or of the baseline."""
    algo: str = ""
    run: str = ""
    model: str = ""
    training_seed: int | None = None
    training_steps: int | None = None
    training_frames: int | None = None
    """Frames of the emulator; None outside Atari."""
    training_seconds: float = math.nan
    """Wall time until the end of the last training episode, evaluations during training included."""
    mean_return: float
    std_return: float
    worst_return: float
    episodes_at_threshold: float = math.nan
    """Share of the episodes."""
    steps_to_threshold: float = math.nan
    """Steps of the first evaluation during training at the threshold, or of the last if none was."""
    reached_threshold: bool | None = None
    """Whether one was; None without a threshold or evaluations during training."""
    budget_used: float = math.nan
    """Mean spent share of the budget."""
    below_bound: float = math.nan
    """How much less a policy earns than any can on average, in the same campaigns, money."""
    below_bound_interval: float = math.nan
    """Half of the 95 % interval of that."""
    references: References
    evaluation_seconds: float = math.nan
    episodes: int
    first_evaluation_seed: int
    deterministic: bool
    command: str
    returns: tuple[float, ...] = ()
    """Of every episode; empty if they were not kept."""

    @property
    def name(self) -> str:
        """What to call it among all policies."""
        return f"{self.setting}, {self.run}" if self.run else self.setting

    @property
    def seed_name(self) -> str:
        """What to call the run among those of its setting."""
        return self.run if self.training_seed is None else str(self.training_seed)

    @property
    def record(self) -> dict[str, Any]:
        """The line of ``results.csv``, without versions."""
        line = {}
        for name, value in vars(self).items():
            if name == "references":
                line["value"] = self.references.value(self.mean_return)
                line["percent_of_optimum"] = self.references.percent(self.mean_return)
                line["normalized_score"] = self.references.score(self.mean_return)
                line |= vars(self.references)
            elif name != "returns":
                line[name] = value
        return line


@dataclass(frozen=True)
class Comparison:
    """Policies on one or several environments. A single setting on one environment is the smallest one."""

    scores: Sequence[Score]
    versions: Mapping[str, str]

    @property
    def runs(self) -> list[Score]:
        """The trained agents."""
        return [score for score in self.scores if score.kind == "agent"]

    @property
    def settings(self) -> list[str]:
        """Names of the settings, in the order given."""
        return list(dict.fromkeys(run.setting for run in self.runs))

    @property
    def environments(self) -> list[str]:
        """Ids of the environments, in the order given."""
        return list(dict.fromkeys(run.environment for run in self.runs))

    @property
    def is_single(self) -> bool:
        """Whether it is of one setting, with nothing asked for that comparisons tell."""
        (known, *others) = {(run.setting, run.environment): run.references for run in self.runs}.values()
        return not others and all(map(math.isnan, (known.threshold, known.ceiling, known.random_return)))

    @property
    def normalized(self) -> bool:
        """Whether scores of all environments are on one scale."""
        return all(math.isfinite(run.references.normalized(run.mean_return)) for run in self.runs)

    @property
    def caption(self) -> str:
        """What was done, in one line."""
        run = self.runs[0]
        how = "deterministic" if run.deterministic else "stochastic"
        last = run.first_evaluation_seed + run.episodes - 1
        if run.episodes == 1:
            return f"1 episode with the seed {last}, {how} actions"
        return f"{run.episodes} episodes with the seeds {run.first_evaluation_seed} to {last}, {how} actions"

    def of(self, setting: str, environment: str) -> list[Score]:
        """Runs of a setting on an environment; empty if there are none."""
        return [run for run in self.runs if (run.setting, run.environment) == (setting, environment)]

    def baselines(self, environment: str) -> list[Score]:
        """Policies that were not trained; empty outside AdSpend."""
        return [score for score in self.scores if (score.kind, score.environment) == ("baseline", environment)]

    def references(self, environment: str) -> References:
        """What returns on an environment are compared with."""
        return next(run.references for run in self.runs if run.environment == environment)

    def mean_returns(self, setting: str, environment: str) -> FloatArray:
        """Mean return of every run of a setting on an environment."""
        return np.array([run.mean_return for run in self.of(setting, environment)])

    def normalized_scores(self, setting: str) -> list[FloatArray]:
        """Scores of a setting's runs between random actions and the ceiling, one array per environment."""
        return [
            np.array([run.references.normalized(run.mean_return) for run in self.of(setting, environment)])
            for environment in self.environments
        ]


def write_comparison(comparison: Comparison, folder: Path) -> list[Path]:
    """Write one line per policy to ``results.csv``, unrounded, and one per policy and episode to ``episodes.csv``."""
    versions = version_columns(comparison.versions)
    write_records([{**score.record, **versions} for score in comparison.scores], folder / "results.csv")
    episodes = [
        {
            **{name: getattr(score, name) for name in (*KEY, "training_seed")},
            "seed": score.first_evaluation_seed + index,
            "return": f"{value:.9g}",
        }
        for score in comparison.scores
        for index, value in enumerate(score.returns)
    ]
    write_records(episodes, folder / "episodes.csv")
    return [folder / "results.csv", folder / "episodes.csv"]
