"""What every run of a comparison achieved: one line of ``results.csv`` each, from which every table is made."""

from __future__ import annotations

import csv
import math
import typing
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from sb3_ext.app.errors import UserError
from sb3_ext.common.files import atomic_path
from sb3_ext.evaluation.agents import Agent
from sb3_ext.evaluation.curves import read_clock, read_evaluations
from sb3_ext.evaluation.results import VERSION
from sb3_ext.evaluation.waiting import Waiting, steps_to_threshold


@dataclass(frozen=True)
class Yardsticks:
    """What returns on one environment are compared with; NaN for what is not known."""

    threshold: float = math.nan
    """Mean return from which on a run counts as successful."""
    ceiling: float = math.nan
    """The best that is possible."""
    random: float = math.nan
    """Mean return of random actions in the same episodes."""


@dataclass(frozen=True)
class RunScore:
    """One run; NaN and None for what is not known."""

    environment: str
    env_kwargs: str
    setting: str
    """Name of the algorithm or variant."""
    algo: str
    run: str
    model: str
    training_seed: int | None
    training_steps: int
    training_frames: int | None
    """Frames of the emulator; None outside Atari."""
    training_seconds: float
    """Wall time until the end of the last training episode, evaluations during training included."""
    mean_return: float
    std_return: float
    worst_return: float
    threshold: float
    episodes_at_threshold: float
    """Share of the episodes."""
    steps_to_threshold: float
    """Steps of the first evaluation during training at the threshold, or of the last if none was."""
    reached_threshold: bool | None
    """Whether one was; None without a threshold or evaluations during training."""
    ceiling: float
    random_return: float
    evaluation_seconds: float
    episodes: int
    first_evaluation_seed: int
    deterministic: bool
    command: str

    @property
    def seed_name(self) -> str:
        """What to call the run among those of its setting."""
        return self.run if self.training_seed is None else str(self.training_seed)

    @property
    def waiting(self) -> Waiting | None:
        """When it reached the threshold."""
        if self.reached_threshold is None:
            return None
        return Waiting(self.steps_to_threshold, self.reached_threshold)

    @property
    def normalized(self) -> float:
        """0 for random actions, 1 for the ceiling."""
        reach = self.ceiling - self.random_return
        return (self.mean_return - self.random_return) / reach if reach > 0.0 else math.nan


@dataclass(frozen=True)
class Comparison:
    """Runs of several settings on several environments."""

    runs: Sequence[RunScore]
    versions: Mapping[str, str]

    @property
    def settings(self) -> list[str]:
        """Names of the settings, in the order given."""
        return list(dict.fromkeys(run.setting for run in self.runs))

    @property
    def environments(self) -> list[str]:
        """Ids of the environments, in the order given."""
        return list(dict.fromkeys(run.environment for run in self.runs))

    def of(self, setting: str, environment: str) -> list[RunScore]:
        """
        Runs of a setting on an environment.

        :param setting: Name of the setting.
        :param environment: Id of the environment.
        :return: The runs, in the order given; empty if there are none.
        """
        return [run for run in self.runs if (run.setting, run.environment) == (setting, environment)]

    @property
    def normalized(self) -> bool:
        """Whether scores of all environments are on one scale."""
        return all(math.isfinite(run.normalized) for run in self.runs)

    @property
    def command(self) -> str:
        """What was typed."""
        return self.runs[0].command

    @property
    def caption(self) -> str:
        """What was done, in one line."""
        run = self.runs[0]
        how = "deterministic" if run.deterministic else "stochastic"
        last = run.first_evaluation_seed + run.episodes - 1
        if run.episodes == 1:
            return f"1 episode with the seed {last}, {how} actions"
        return f"{run.episodes} episodes with the seeds {run.first_evaluation_seed} to {last}, {how} actions"


def score_run(
    agent: Agent, setting: str, yardsticks: Yardsticks, seeds: range, deterministic: bool, command: str
) -> RunScore:
    """
    Put an agent's evaluation and what the logs of its training say into one line.

    :param agent: What it achieved.
    :param setting: Name of its setting.
    :param yardsticks: What its environment's returns are compared with.
    :param seeds: Seeds of the evaluation.
    :param deterministic: Whether it acted without exploration.
    :param command: What was typed.
    :return: The line.
    :raises UserError: If a log is damaged.
    """
    run, returns = agent.run, np.array(agent.measured.returns)
    try:
        clock, log = read_clock(run.folder), read_evaluations(run.folder)
    except ValueError as error:
        raise UserError(str(error), exit_code=1) from error
    waiting = None
    if log is not None and len(log.steps) and not math.isnan(yardsticks.threshold):
        waiting = steps_to_threshold(log.steps.tolist(), log.returns.tolist(), yardsticks.threshold)
    return RunScore(
        environment=run.env_id,
        env_kwargs=repr(run.env_kwargs),
        setting=setting,
        algo=run.algo,
        run=run.name,
        model=run.model_path.as_posix(),
        training_seed=run.training_seed,
        training_steps=agent.steps,
        training_frames=None if agent.frame_skip is None else agent.frame_skip * agent.steps,
        training_seconds=math.nan if clock is None else float(clock.seconds[-1]),
        mean_return=float(returns.mean()),
        std_return=float(returns.std()),
        worst_return=float(returns.min()),
        threshold=yardsticks.threshold,
        episodes_at_threshold=math.nan
        if math.isnan(yardsticks.threshold)
        else float((returns >= yardsticks.threshold).mean()),
        steps_to_threshold=math.nan if waiting is None else waiting.steps,
        reached_threshold=None if waiting is None else waiting.reached,
        ceiling=yardsticks.ceiling,
        random_return=yardsticks.random,
        evaluation_seconds=agent.seconds,
        episodes=len(seeds),
        first_evaluation_seed=seeds[0],
        deterministic=deterministic,
        command=command,
    )


def write_scores(comparison: Comparison, path: Path) -> None:
    """
    Write one line per run, unrounded.

    :param comparison: The runs.
    :param path: The file, written whole or not at all.
    :raises OSError: If it cannot be written.
    """
    versions = {f"{VERSION}{name.replace('-', '_')}": number for name, number in comparison.versions.items()}
    write_records([{**asdict(run), **versions} for run in comparison.runs], path)


def read_scores(path: Path) -> Comparison:
    """
    Read what :func:`write_scores` wrote.

    :param path: The file.
    :return: The runs.
    :raises UserError: If it is no such file.
    """
    types = typing.get_type_hints(RunScore)
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
        runs = [
            RunScore(**{field.name: _read(line[field.name], types[field.name]) for field in fields(RunScore)})
            for line in lines
        ]
        versions = {name: number for name, number in lines[0].items() if name.startswith(VERSION)}
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise UserError(f"{path} holds no results of a comparison ({type(error).__name__}: {error})", 1) from error
    return Comparison(runs, {name.removeprefix(VERSION).replace("_", "-"): number for name, number in versions.items()})


def write_records(records: Sequence[Mapping[str, Any]], path: Path) -> None:
    """
    Write records with the same keys as a CSV file; NaN and None become empty cells.

    :param records: At least one.
    :param path: The file, written whole or not at all.
    :raises OSError: If it cannot be written.
    """
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(records[0]))
        writer.writeheader()
        for record in records:
            writer.writerow({key: "" if is_unknown(value) else value for key, value in record.items()})


def is_unknown(value: object) -> bool:
    """
    Whether a value stands for what is not known.

    :param value: Any value.
    :return: True for None and NaN.
    """
    return value is None or (isinstance(value, float) and math.isnan(value))


def _read(cell: str, kind: Any) -> Any:
    """A cell as what the field holds."""
    kinds = typing.get_args(kind) or (kind,)
    if cell == "" and kinds[0] is not str:
        return None if type(None) in kinds else math.nan
    return cell == "True" if kinds[0] is bool else kinds[0](cell)
