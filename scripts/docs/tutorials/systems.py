"""The trained systems of the tutorials: what they are, how they were trained, and what they earned."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import yaml

from sb3_ext.app.errors import UserError
from sb3_ext.evaluation.statistics import bootstrap_interval, iqm

Pair: TypeAlias = tuple[int, int]
"""State and action."""


@dataclass(frozen=True)
class System:
    """An entry of ``docs/tutorial_systems.yml``."""

    row: str
    """Row of ``scripts/results.sh``, and folder of its results."""
    title: str
    idea: str
    """What it is, in a sentence or two."""
    differs: str
    """What differs from the tutorial."""
    animation: bool = False
    """Whether an episode of the first seed's agent is shown."""
    losses: tuple[str, ...] = field(default=())
    """What to draw beside the returns of the training: names in its TensorBoard log."""


@dataclass(frozen=True)
class Chapter:
    """Systems on the same problem."""

    title: str
    text: str
    systems: tuple[System, ...]
    baselines: tuple[str, ...] = field(default=())
    """Environments whose baselines are shown."""
    policies: tuple[str, ...] = field(default=())
    """Policies shown from the results of the first system, where these hold any."""


class Training(NamedTuple):
    """A row of ``scripts/results.sh``."""

    algo: str
    env_id: str
    flags: str
    """Further flags of ``sb3-ext train``, without those that only log."""

    @property
    def command(self) -> str:
        """Trains one seed."""
        return " ".join(f"sb3-ext train --algo {self.algo} --env {self.env_id} {self.flags} --seed 0 -P".split())


class Score(NamedTuple):
    """What the agents of a row achieved, one per training seed."""

    scores: tuple[float, ...]
    """Mean returns, or percent of the best plan where one is known."""
    percent: bool
    seeds: tuple[int, ...]
    """Training seeds."""
    steps: tuple[int, ...]
    """Steps of every training."""
    episodes: int
    """Evaluation episodes per agent."""

    @property
    def iqm(self) -> float:
        """Interquartile mean over the seeds."""
        return float(iqm(self.scores))

    @property
    def interval(self) -> tuple[float, float]:
        """95 % bootstrap interval of the interquartile mean; NaN for a single seed."""
        if len(self.scores) < 2:
            return float("nan"), float("nan")
        low, high = bootstrap_interval(self.scores)
        return float(low), float(high)


def read_systems(path: Path) -> list[Chapter]:
    """
    Read the list of systems.

    :param path: the YAML file
    :return: chapters with their systems
    :raises UserError: if it cannot be read, or an entry lacks or misspells a field
    """
    try:
        chapters = yaml.safe_load(path.read_text(encoding="utf-8"))
        return [
            Chapter(
                **{
                    **chapter,
                    "systems": tuple(
                        System(**{**system, "losses": tuple(system.get("losses", ()))}) for system in chapter["systems"]
                    ),
                    "baselines": tuple(chapter.get("baselines", ())),
                    "policies": tuple(chapter.get("policies", ())),
                }
            )
            for chapter in chapters
        ]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise UserError(f"{path}: no valid list of systems ({' '.join(str(error).split())})") from error


def read_trainings(path: Path) -> dict[str, Training]:
    """
    Read which commands train the rows of the results.

    :param path: ``scripts/results.sh``
    :return: trainings by the row's name
    :raises UserError: if it holds no rows
    """
    rows = re.findall(r"(?m)^([\w.-]+)\|(\w+)\|([\w.-]+)\|\d+\|\d+\|(.*)$", path.read_text(encoding="utf-8"))
    if not rows:
        raise UserError(f"{path}: no rows 'name|algorithm|environment|steps|episodes|flags'")
    return {
        name: Training(algo, env_id, re.sub(r"--tensorboard-log \S+", "", flags)) for name, algo, env_id, flags in rows
    }


def read_score(folder: Path) -> Score | None:
    """
    Read what ``sb3-ext evaluate --output`` wrote.

    :param folder: folder of the row
    :return: the score; None if there are no results
    :raises UserError: if the file is damaged
    """
    path = folder / "results.csv"
    if not path.is_file():
        return None
    try:
        agents = [line for line in read_csv(path) if line["kind"] == "agent"]
        percent = all(line["percent_of_optimum"] for line in agents)
        return Score(
            tuple(float(line["percent_of_optimum" if percent else "mean_return"]) for line in agents),
            percent,
            tuple(int(line["training_seed"]) for line in agents),
            tuple(int(line["training_steps"]) for line in agents),
            int(agents[0]["episodes"]),
        )
    except (KeyError, ValueError, IndexError) as error:
        raise UserError(f"{path} holds no evaluated agents ({type(error).__name__}: {error})") from error


def read_policies(folder: Path) -> dict[str, float]:
    """
    Read what the policies achieved that ``sb3-ext evaluate`` compared the agents with.

    :param folder: folder of the row, with results
    :return: percent of the best plan by policy; empty where no plan is known
    """
    lines = [line for line in read_csv(folder / "results.csv") if line["kind"] == "baseline"]
    return {line["policy"]: float(line["percent_of_optimum"]) for line in lines if line["percent_of_optimum"]}


def read_csv(path: Path) -> list[dict[str, str]]:
    """
    Read a CSV file with a header.

    :param path: the file
    :return: its lines by column name
    """
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def q_value_table(lines: Sequence[Mapping[str, Any]]) -> dict[str, dict[Pair, tuple[float, float, float]]]:
    """
    Summarise the Q-values of the three-state chapter.

    :param lines: lines of its CSV file
    :return: per method and (state, action): interquartile mean over the seeds, lowest, highest
    """
    values: dict[str, dict[Pair, list[float]]] = {}
    for line in lines:
        pair = int(line["state"]), int(line["action"])
        values.setdefault(line["method"], {}).setdefault(pair, []).append(float(line["q_value"]))
    return {
        method: {pair: (float(iqm(found)), min(found), max(found)) for pair, found in pairs.items()}
        for method, pairs in values.items()
    }


def optimal_seeds(lines: Sequence[Mapping[str, Any]]) -> dict[str, tuple[int, int]]:
    """
    Count the trainings of the three-state chapter that found the best action of every state.

    :param lines: lines of its CSV file
    :return: per method, how many seeds did, and of how many
    """
    best: dict[tuple[str, str], dict[str, tuple[float, str]]] = {}
    for line in lines:
        states = best.setdefault((line["method"], line["training_seed"]), {})
        found = float(line["q_value"]), line["action"]
        states[line["state"]] = max(found, states.get(line["state"], found))
    plans = {run: {state: action for state, (_, action) in states.items()} for run, states in best.items()}
    optimal = plans.pop(("exact", ""))
    agree: dict[str, list[bool]] = {}
    for (method, _), plan in plans.items():
        agree.setdefault(method, []).append(plan == optimal)
    return {method: (sum(right), len(right)) for method, right in agree.items()}
