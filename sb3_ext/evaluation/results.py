"""The results of one algorithm on one environment, as they were measured or as they are stored."""

from __future__ import annotations

import ast
import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sb3_ext.app.errors import UserError
from sb3_ext.evaluation.measure import References
from sb3_ext.evaluation.statistics import paired_difference

VERSION = "version_"
_RANDOM_MARKETS_ONLY = "certainty-equivalent MPC"


@dataclass(frozen=True)
class Line:
    """What a policy achieved."""

    name: str
    training_seed: int | None
    """None for a policy that was not trained, or if unknown."""
    training_steps: int | None
    mean_return: float
    std_return: float
    utilization: float
    """Mean spent share of the budget; NaN outside AdSpend."""
    returns: Sequence[float] = ()
    """Of every episode; empty if they were not kept."""


@dataclass(frozen=True)
class Results:
    """All that was measured on one environment."""

    env_id: str
    env_kwargs: dict[str, Any]
    algo: str
    seeds: Sequence[int]
    """Seeds of the episodes."""
    deterministic: bool
    command: str
    versions: Mapping[str, str]
    agents: Sequence[Line]
    """One per training seed."""
    baselines: Sequence[Line]
    """Reference policies; empty outside AdSpend."""
    references: References | None
    """None outside AdSpend."""

    @property
    def agent_returns(self) -> list[float]:
        """Mean return of every agent."""
        return [agent.mean_return for agent in self.agents]

    @property
    def caption(self) -> str:
        """What was done, in one line."""
        count, how = len(self.seeds), "deterministic" if self.deterministic else "stochastic"
        plural = "episodes with the seeds" if count > 1 else "episode with the seed"
        span = f"{self.seeds[0]} to {self.seeds[-1]}" if count > 1 else f"{self.seeds[0]}"
        return f"{count} {plural} {span}, {how} actions"

    @property
    def certificate(self) -> str:
        """How good the best known plan is; empty where none is known."""
        if self.references is None or math.isnan(self.references.optimum):
            return ""
        if self.references.clairvoyant:
            return "The clairvoyant knows in advance what is random in every campaign: a bound, not a policy."
        optimum, bound = self.references.optimum, self.references.upper_bound
        gap = (bound - optimum) / max(abs(optimum), 1e-12)
        name = self.references.optimum_name.capitalize()
        return f"{name}: {optimum:,.2f}; no plan earns more than {bound:,.2f} (relative gap {gap:.1e})."

    @property
    def lead(self) -> str:
        """How far the agents are ahead of the best baseline; empty without several agents, episodes and a baseline."""
        if len(self.agents) < 2 or len(self.seeds) < 2 or not self.baselines:
            return ""
        best = max(self.baselines, key=lambda baseline: baseline.mean_return)
        gain, low, high = paired_difference([agent.returns for agent in self.agents], best.returns)
        unit, scale = "", 1.0
        if self.references is not None and self.references.optimum > 0.0:
            unit, scale = f" % of the {self.references.optimum_name}", self.references.percent(1.0)
        return (
            f"Lead of {self.algo} over the best baseline, {best.name}: {scale * gain:+.2f}{unit}, "
            f"95 % interval {scale * low:+.2f} to {scale * high:+.2f} (bootstrap over runs and episodes)."
        )


def read_results(folder: Path) -> Results:
    """
    Read what ``sb3-ext evaluate --output`` stored of one algorithm on one environment.

    :param folder: The folder, with ``results.csv`` and, where it was written, ``episodes.csv``.
    :return: The results.
    :raises UserError: If it holds no such results.
    """
    try:
        with (folder / "results.csv").open(newline="", encoding="utf-8") as file:
            records = list(csv.DictReader(file))
        # a single episode has no file of its own, one that is there is older
        several = any(int(record["episodes"]) > 1 for record in records)
        returns = _read_episodes(folder / "episodes.csv") if several else {}
        kinds = {kind: [record for record in records if record["kind"] == kind] for kind in ("baseline", "agent")}
        baselines = [_line(record, record["policy"], returns) for record in kinds["baseline"]]
        agents = [_line(record, f"{record['policy']}, {record['run']}", returns) for record in kinds["agent"]]
        first = kinds["agent"][0]
        first_seed = int(first["first_evaluation_seed"])
        return Results(
            env_id=first["environment"],
            env_kwargs=ast.literal_eval(first["env_kwargs"]),
            algo=first["policy"],
            seeds=range(first_seed, first_seed + int(first["episodes"])),
            deterministic=first["deterministic"] == "True",
            command=first["command"],
            versions={
                name.removeprefix(VERSION).replace("_", "-"): number
                for name, number in first.items()
                if name.startswith(VERSION) and number
            },
            agents=agents,
            baselines=baselines,
            references=_read_references(records),
        )
    except (OSError, KeyError, ValueError, IndexError, SyntaxError) as error:
        raise UserError(f"{folder} holds no results of an evaluation ({type(error).__name__}: {error})", 1) from error


def _line(record: Mapping[str, str], name: str, returns: Mapping[str, list[float]]) -> Line:
    seed, steps = record["training_seed"], record["training_steps"]
    return Line(
        name,
        int(seed) if seed else None,
        int(steps) if steps else None,
        float(record["mean_return"]),
        float(record["std_return"]),
        float(record["budget_used"] or "nan"),
        returns.get(name, []),
    )


def _read_episodes(path: Path) -> dict[str, list[float]]:
    """Returns by policy; none where there is no file, as for a single episode."""
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        names, *rows = csv.reader(file)
    return {name: [float(cell) for cell in column] for name, *column in zip(names, *rows, strict=True)}


def _read_references(records: Sequence[Mapping[str, str]]) -> References | None:
    """The scale of rewards, even pacing and the best plan, from the line of the plan and the scores of the others."""
    valued = [record for record in records if record["value"]]
    if not valued:
        return None
    unknown = float("nan")
    scale = float(valued[0]["value"]) / float(valued[0]["mean_return"])
    plan = next((record for record in records if record["kind"] == "optimum"), None)
    if plan is None:
        return References(scale, unknown, unknown, unknown, unknown)
    optimum, even = float(plan["value"]), unknown
    # A score is (value - even) / (optimum - even); the lowest one tells even pacing from the optimum best.
    scored = [record for record in valued if record["normalized_score"]]
    if scored:
        lowest = min(scored, key=lambda record: float(record["normalized_score"]))
        score = float(lowest["normalized_score"])
        even = (float(lowest["value"]) - score * optimum) / (1.0 - score)
    random = any(record["policy"] == _RANDOM_MARKETS_ONLY for record in records)
    bound, used = float(plan["upper_bound"]), float(plan["budget_used"] or "nan")
    return References(scale, even, optimum, bound, used, random)
