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
from sb3_ext.evaluation.statistics import bootstrap_interval, iqm, paired_difference

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
    agents: list[Agent]
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
        name, best = max(self.baselines.items(), key=lambda baseline: baseline[1].mean_return)
        gain, low, high = paired_difference([agent.measured.returns for agent in self.agents], best.returns)
        unit, scale = "", 1.0
        if self.references is not None and self.references.optimum > 0.0:
            unit, scale = f" % of the {self.references.optimum_name}", self.references.percent(1.0)
        return (
            f"Lead of {self.algo} over the best baseline, {name}: {scale * gain:+.2f}{unit}, "
            f"95 % interval {scale * low:+.2f} to {scale * high:+.2f} (bootstrap over runs and episodes)."
        )


Row = tuple[str, list[str]]


def header(evaluation: Evaluation) -> list[str]:
    """
    Column titles of the table.

    :param evaluation: What was measured.
    :return: The titles, the policy's first.
    """
    titles = ["policy", "training seed", "mean return", "std"]
    return titles if evaluation.references is None else [*titles, "value", "% of optimum", "score", "budget used"]


def rows(evaluation: Evaluation) -> Iterator[Row]:
    """
    Lines of the table: baselines, agents, statistics over the agents, the optimum.

    :param evaluation: What was measured.
    :return: Pairs of a kind (``"baseline"``, ``"agent"``, ``"summary"`` or ``"optimum"``) and the cells.
    """
    references = evaluation.references

    def line(
        name: str, returns: Sequence[float], seed: int | None = None, std: float = math.nan, used: float = math.nan
    ) -> list[str]:
        """One line; ``returns`` holds one number or the ends of an interval."""
        cells = [name, "" if seed is None else str(seed), _cell(returns, "{:,.3f}"), _cell([std], "{:,.3f}")]
        if references is None:
            return cells
        return [
            *cells,
            _cell([references.value(number) for number in returns], "{:,.0f}"),
            _cell([references.percent(number) for number in returns], "{:.2f}"),
            _cell([references.normalized_score(number) for number in returns], "{:.3f}"),
            _cell([100.0 * used], "{:.1f} %"),
        ]

    for name, measured in evaluation.baselines.items():
        std = float(np.std(measured.returns))
        yield "baseline", line(name, [measured.mean_return], std=std, used=measured.utilization)
    for agent in evaluation.agents:
        measured = agent.measured
        std = float(np.std(measured.returns))
        name = f"{evaluation.algo}, {agent.run.name}"
        yield "agent", line(name, [measured.mean_return], agent.run.training_seed, std, measured.utilization)
    returns = evaluation.agent_returns
    if len(returns) > 1:
        used = float(np.mean([agent.measured.utilization for agent in evaluation.agents]))
        yield "summary", line(f"{evaluation.algo}, IQM of {len(returns)} runs", [float(iqm(returns))], used=used)
        interval = [float(end) for end in bootstrap_interval(returns)]
        yield "summary", line("95 % bootstrap interval of the IQM", interval)
        worst = min(evaluation.agents, key=lambda agent: agent.measured.mean_return)
        yield (
            "summary",
            line(
                f"{evaluation.algo}, worst run",
                [worst.measured.mean_return],
                worst.run.training_seed,
                used=worst.measured.utilization,
            ),
        )
    if references is not None and not math.isnan(references.optimum):
        yield (
            "optimum",
            line(
                references.optimum_name,
                [references.optimum / references.reward_scale],
                used=references.optimum_utilization,
            ),
        )


def terminal_table(evaluation: Evaluation) -> Table:
    """
    The table for a terminal.

    :param evaluation: What was measured.
    :return: A rich table.
    """
    table = Table(title=f"{evaluation.env_id}: {evaluation.caption}", title_justify="left", title_style="bold")
    for index, title in enumerate(header(evaluation)):
        table.add_column(title, justify="left" if index == 0 else "right", overflow="fold")
    styles = {"baseline": "", "agent": "cyan", "summary": "bold cyan", "optimum": "green"}
    previous = None
    for kind, cells in rows(evaluation):
        if previous not in (None, kind):
            table.add_section()
        table.add_row(*cells, style=styles[kind])
        previous = kind
    return table


def write_markdown(evaluation: Evaluation, path: Path) -> None:
    """
    Write the table with everything needed to repeat it.

    :param evaluation: What was measured.
    :param path: The file, written whole or not at all.
    :raises OSError: If it cannot be written.
    """
    titles = header(evaluation)
    lines = [
        f"# {evaluation.algo} on {evaluation.env_id}",
        "",
        f"{evaluation.caption[0].upper()}{evaluation.caption[1:]}. {evaluation.certificate}".rstrip(),
        *(["", evaluation.lead] if evaluation.lead else []),
        "",
        "| " + " | ".join(titles) + " |",
        "|" + "|".join([" --- ", *[" ---: "] * (len(titles) - 1)]) + "|",
        *("| " + " | ".join(cells) + " |" for _, cells in rows(evaluation)),
        "",
        f"Environment arguments: `{evaluation.env_kwargs}`. Versions: "
        + ", ".join(f"{name} {number}" for name, number in versions().items())
        + ".",
        "",
        "```",
        evaluation.command,
        "```",
    ]
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


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
