"""Tables of an evaluation: in the terminal, as Markdown and as raw CSV."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from sb3_ext.common.files import atomic_path
from sb3_ext.evaluation.agents import Agent
from sb3_ext.evaluation.measure import Measurement, References
from sb3_ext.evaluation.results import Line, Results
from sb3_ext.evaluation.statistics import INTERVAL, bootstrap_interval, iqm

_PACKAGES = ("sb3-ext", "stable-baselines3", "sb3-contrib", "rl-zoo3", "gymnasium", "torch", "numpy")


@dataclass(frozen=True)
class Evaluation:
    """All that was measured on one environment."""

    env_id: str
    env_kwargs: dict[str, Any]
    algo: str
    seeds: Sequence[int]
    """Seeds of the episodes."""
    deterministic: bool
    command: str
    agents: Sequence[Agent]
    """One per training seed."""
    baselines: dict[str, Measurement]
    """Reference policies by name; empty outside AdSpend."""
    references: References | None
    """None outside AdSpend."""

    @property
    def agent_returns(self) -> list[float]:
        """Mean return of every agent."""
        return [agent.measured.mean_return for agent in self.agents]

    @property
    def results(self) -> Results:
        """What tables show."""
        baselines = [_line(name, measured) for name, measured in self.baselines.items()]
        agents = [
            _line(f"{self.algo}, {agent.run.name}", agent.measured, agent.run.training_seed, agent.steps)
            for agent in self.agents
        ]
        return Results(
            self.env_id,
            self.env_kwargs,
            self.algo,
            self.seeds,
            self.deterministic,
            self.command,
            versions(),
            agents,
            baselines,
            self.references,
        )


def _line(name: str, measured: Measurement, seed: int | None = None, steps: int | None = None) -> Line:
    std = float(np.std(measured.returns))
    return Line(name, seed, steps, measured.mean_return, std, measured.utilization, measured.returns)


Row = tuple[str, list[str]]


def header(results: Results) -> list[str]:
    """
    Column titles of the table.

    :param results: What was measured.
    :return: The titles, the policy's first.
    """
    titles = ["policy", "training seed", "mean return", "std"]
    return titles if results.references is None else [*titles, "value", "% of optimum", "score", "budget used"]


def rows(results: Results) -> Iterator[Row]:
    """
    Lines of the table: baselines, agents, statistics over the agents, the optimum.

    :param results: What was measured.
    :return: Pairs of a kind (``"baseline"``, ``"agent"``, ``"summary"`` or ``"optimum"``) and the cells.
    """
    references = results.references

    def cells(
        name: str, returns: Sequence[float], seed: int | None = None, std: float = math.nan, used: float = math.nan
    ) -> list[str]:
        """One line; ``returns`` holds one number or the ends of an interval."""
        common = [name, "" if seed is None else str(seed), _cell(returns, "{:,.3f}"), _cell([std], "{:,.3f}")]
        if references is None:
            return common
        return [
            *common,
            _cell([references.value(number) for number in returns], "{:,.0f}"),
            _cell([references.percent(number) for number in returns], "{:.2f}"),
            _cell([references.normalized_score(number) for number in returns], "{:.3f}"),
            _cell([100.0 * used], "{:.1f} %"),
        ]

    for kind, lines in (("baseline", results.baselines), ("agent", results.agents)):
        for line in lines:
            yield kind, cells(line.name, [line.mean_return], line.training_seed, line.std_return, line.utilization)
    returns = results.agent_returns
    if len(returns) > 1:
        used = float(np.mean([agent.utilization for agent in results.agents]))
        yield "summary", cells(f"{results.algo}, IQM of {len(returns)} runs", [float(iqm(returns))], used=used)
        interval = [float(end) for end in bootstrap_interval(returns)]
        yield "summary", cells("95 % bootstrap interval of the IQM", interval)
        worst = min(results.agents, key=lambda agent: agent.mean_return)
        name = f"{results.algo}, worst run"
        yield "summary", cells(name, [worst.mean_return], worst.training_seed, used=worst.utilization)
    if references is not None and not math.isnan(references.optimum):
        optimum = [references.optimum / references.reward_scale]
        yield "optimum", cells(references.optimum_name, optimum, used=references.optimum_utilization)


def terminal_table(results: Results) -> Table:
    """
    The table for a terminal.

    :param results: What was measured.
    :return: A rich table.
    """
    table = Table(title=f"{results.env_id}: {results.caption}", title_justify="left", title_style="bold")
    for index, title in enumerate(header(results)):
        table.add_column(title, justify="left" if index == 0 else "right", overflow="fold")
    styles = {"baseline": "", "agent": "cyan", "summary": "bold cyan", "optimum": "green"}
    previous = None
    for kind, cells in rows(results):
        if previous not in (None, kind):
            table.add_section()
        table.add_row(*cells, style=styles[kind])
        previous = kind
    return table


def markdown(results: Results) -> str:
    """
    The table with everything needed to repeat it.

    :param results: What was measured.
    :return: A page.
    """
    titles = header(results)
    interval = f" Interval: {INTERVAL}." if len(results.agents) > 1 else ""
    lines = [
        f"# {results.algo} on {results.env_id}",
        "",
        f"{results.caption[0].upper()}{results.caption[1:]}. {results.certificate}".rstrip() + interval,
        *(["", results.lead] if results.lead else []),
        "",
        "| " + " | ".join(titles) + " |",
        "|" + "|".join([" --- ", *[" ---: "] * (len(titles) - 1)]) + "|",
        *("| " + " | ".join(cells) + " |" for _, cells in rows(results)),
        "",
        f"Environment arguments: `{results.env_kwargs}`. Versions: "
        + ", ".join(f"{name} {number}" for name, number in results.versions.items())
        + ".",
        "",
        "```",
        results.command,
        "```",
    ]
    return "\n".join(lines) + "\n"


def write_csv(evaluation: Evaluation, path: Path) -> None:
    """
    Write one line per policy and run, unrounded.

    :param evaluation: What was measured.
    :param path: The file, written whole or not at all.
    :raises OSError: If it cannot be written.
    """
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        records = list(_records(evaluation))
        writer = csv.DictWriter(file, fieldnames=list(records[0]))
        writer.writeheader()
        writer.writerows(records)


def write_episodes_csv(evaluation: Evaluation, path: Path) -> None:
    """
    Write the return of every policy in every episode: one line per episode, one column per policy.

    :param evaluation: What was measured.
    :param path: The file, written whole or not at all.
    :raises OSError: If it cannot be written.
    """
    columns = {name: measured.returns for name, measured in evaluation.baselines.items()}
    columns |= {f"{evaluation.algo}, {agent.run.name}": agent.measured.returns for agent in evaluation.agents}
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["seed", *columns])
        for seed, *returns in zip(evaluation.seeds, *columns.values(), strict=True):
            writer.writerow([seed, *(f"{number:.9g}" for number in returns)])


def _records(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    references = evaluation.references

    def record(kind: str, policy: str, mean_return: float, **more: Any) -> dict[str, Any]:
        in_money: Callable[[float], float] = references.value if references else _unknown
        percent: Callable[[float], float] = references.percent if references else _unknown
        score: Callable[[float], float] = references.normalized_score if references else _unknown
        values = {
            "environment": evaluation.env_id,
            "env_kwargs": repr(evaluation.env_kwargs),
            "kind": kind,
            "policy": policy,
            "run": more.get("run", ""),
            "model": more.get("model", ""),
            "training_seed": more.get("training_seed"),
            "training_steps": more.get("training_steps"),
            "mean_return": mean_return,
            "std_return": more.get("std_return"),
            "worst_return": more.get("worst_return"),
            "value": in_money(mean_return),
            "percent_of_optimum": percent(mean_return),
            "normalized_score": score(mean_return),
            "budget_used": more.get("budget_used", math.nan),
            "upper_bound": more.get("upper_bound"),
            "episodes": len(evaluation.seeds),
            "first_evaluation_seed": evaluation.seeds[0],
            "deterministic": evaluation.deterministic,
            **{f"version_{name.replace('-', '_')}": number for name, number in versions().items()},
            "command": evaluation.command,
        }
        return {key: "" if isinstance(value, float) and math.isnan(value) else value for key, value in values.items()}

    def measured_record(kind: str, policy: str, measured: Measurement, **more: Any) -> dict[str, Any]:
        return record(
            kind,
            policy,
            measured.mean_return,
            std_return=float(np.std(measured.returns)),
            worst_return=min(measured.returns),
            budget_used=measured.utilization,
            **more,
        )

    for name, measured in evaluation.baselines.items():
        yield measured_record("baseline", name, measured)
    for agent in evaluation.agents:
        run = agent.run
        yield measured_record(
            "agent",
            evaluation.algo,
            agent.measured,
            run=run.name,
            model=run.model_path.as_posix(),
            training_seed=run.training_seed,
            training_steps=agent.steps,
        )
    if references is not None and not math.isnan(references.optimum):
        yield record(
            "optimum",
            "best plan",
            references.optimum / references.reward_scale,
            budget_used=references.optimum_utilization,
            upper_bound=references.upper_bound,
        )


def versions() -> dict[str, str]:
    """
    Versions of the packages that can move a result.

    :return: Versions by name; packages run from a checkout that is not installed have none, except this one.
    """
    from sb3_ext import __version__

    found = {"sb3-ext": __version__}
    for name in _PACKAGES[1:]:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _cell(numbers: Sequence[float], form: str) -> str:
    if math.isnan(numbers[0]):
        return ""
    shown = (form.format(number) for number in numbers)
    return " to ".join(text[1:] if text.startswith("-") and not text.strip("-0. %") else text for text in shown)


def _unknown(_: float) -> float:
    return math.nan
