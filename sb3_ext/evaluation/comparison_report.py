"""Tables of a comparison: in the terminal, as Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import rich.table
from rich.markup import escape

from sb3_ext.common.files import atomic_path
from sb3_ext.evaluation.ceilings import CEILINGS
from sb3_ext.evaluation.compare import Played
from sb3_ext.evaluation.scores import Comparison, is_unknown, write_records, write_scores
from sb3_ext.evaluation.statistics import INTERVAL
from sb3_ext.evaluation.summaries import (
    Improvement,
    Summary,
    aggregates,
    improvements,
    summaries,
)


class Table(NamedTuple):
    """A table, with what it says in words."""

    title: str
    header: list[str]
    rows: list[list[str]]
    notes: list[str]


def tables(comparison: Comparison) -> Iterator[Table]:
    """
    Make all tables of a comparison.

    :param comparison: The runs.
    :return: For every environment the settings and their seeds, then the scores over all environments.
    """
    found, pairs = list(summaries(comparison)), list(improvements(comparison))
    for environment in comparison.environments:
        lines = [line for line in found if line.environment == environment]
        yield _scores_table(environment, lines, pairs)
        yield _effort_table(environment, lines)
        yield _seeds_table(comparison, environment)
    if comparison.normalized:
        yield _suite_table(comparison, pairs)


def terminal_tables(comparison: Comparison) -> Iterator[rich.table.Table | str]:
    """
    Make all tables for a terminal, each followed by its notes.

    :param comparison: The runs.
    :return: Rich tables and lines of text.
    """
    yield f"{comparison.caption[0].upper()}{comparison.caption[1:]}."
    for table in tables(comparison):
        yield f"\n[bold]{escape(table.title)}[/bold]"
        shown = rich.table.Table()
        for index, title in enumerate(table.header):
            shown.add_column(escape(title), justify="left" if index == 0 else "right", overflow="fold")
        for row in table.rows:
            shown.add_row(*map(escape, row))
        yield shown
        if table.notes:
            yield escape(" ".join(table.notes))


def markdown(comparison: Comparison) -> str:
    """
    Write all tables with everything needed to repeat them.

    :param comparison: The runs.
    :return: A page.
    """
    lines = [
        f"# {', '.join(comparison.settings)} on {', '.join(comparison.environments)}",
        "",
        f"{comparison.caption[0].upper()}{comparison.caption[1:]}.",
    ]
    for table in tables(comparison):
        lines += ["", f"## {table.title}", ""]
        lines += ["| " + " | ".join(table.header) + " |"]
        lines += ["|" + "|".join([" --- ", *[" ---: "] * (len(table.header) - 1)]) + "|"]
        lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in table.rows]
        lines += ["", *table.notes] if table.notes else []
    problems = {run.environment: run.env_kwargs for run in comparison.runs}
    arguments = ", ".join(f"{environment} `{kwargs}`" for environment, kwargs in problems.items())
    used = ", ".join(f"{name} {number}" for name, number in comparison.versions.items())
    lines += ["", f"Environment arguments: {arguments}. Versions: {used}.", "", "```", comparison.command, "```"]
    return "\n".join(lines) + "\n"


def write_comparison(
    comparison: Comparison, played: Sequence[Played], folder: Path, warn: Callable[[str], None]
) -> list[Path]:
    """
    Write tables, raw numbers and pictures.

    :param comparison: The runs.
    :param played: The same runs with their returns.
    :param folder: Where to.
    :param warn: Called with what is missing.
    :return: The files.
    :raises OSError: If they cannot be written.
    """
    from sb3_ext.evaluation.comparison_figures import comparison_figures

    found, pairs = list(summaries(comparison)), list(improvements(comparison))
    over_all = list(aggregates(comparison)) if comparison.normalized else []
    names = ("results.md", "results.csv", "episodes.csv", "summary.csv", "results.json")
    page, runs, episodes, summary, document = (folder / name for name in names)
    with atomic_path(page) as temporary:
        temporary.write_text(markdown(comparison), encoding="utf-8")
    write_scores(comparison, runs)
    _write_episodes(played, comparison.runs[0].first_evaluation_seed, episodes)
    write_records([line._asdict() for line in found], summary)
    content = {
        "caption": comparison.caption,
        "command": comparison.command,
        "versions": dict(comparison.versions),
        "interval": INTERVAL,
        "runs": [asdict(run) for run in comparison.runs],
        "summaries": [line._asdict() for line in found],
        "improvements": [pair._asdict() for pair in pairs],
        "aggregates": [line._asdict() for line in over_all],
    }
    with atomic_path(document) as temporary:
        temporary.write_text(json.dumps(_finite(content), indent=1) + "\n", encoding="utf-8")
    written = [page, runs, episodes, summary, document]
    if pairs:
        write_records([pair._asdict() for pair in pairs], folder / "improvement.csv")
        written.append(folder / "improvement.csv")
    for name, figure in comparison_figures(comparison, played, warn):
        with atomic_path(folder / name) as temporary:
            figure.savefig(temporary, dpi=150)
        written.append(folder / name)
    return written


def _scores_table(environment: str, lines: Sequence[Summary], pairs: Sequence[Improvement]) -> Table:
    first = lines[0]
    form = number_format([line.iqm for line in lines])
    beats = {pair.setting: pair for pair in pairs if (pair.environment, pair.other) == (environment, first.setting)}
    columns: dict[str, Callable[[Summary], str]] = {
        "setting": lambda line: line.setting,
        "seeds": lambda line: str(line.seeds),
        "IQM": lambda line: form.format(line.iqm),
        "95 % interval": lambda line: _span(line.iqm_low, line.iqm_high, form),
        "mean": lambda line: form.format(line.mean),
        "median": lambda line: form.format(line.median),
        "worst (seed)": lambda line: f"{form.format(line.worst)} ({line.worst_seed})",
        f"below {first.ceiling:g}": lambda line: _known(line.gap_to_ceiling, form),
        "normalized": lambda line: _known(line.normalized_iqm, "{:.3f}"),
        f"P(beats {first.setting})": lambda line: _probability(beats.get(line.setting)),
    }
    notes = []
    if any(line.seeds > 1 for line in lines):
        notes.append(f"Interval of the IQM: {INTERVAL}.")
    if environment in CEILINGS and CEILINGS[environment].value == first.ceiling:
        notes.append(f"Ceiling: {CEILINGS[environment].source}.")
    if beats:
        notes.append("P: probability that a seed beats one of the first setting, with its 95 % interval.")
    return _table(environment, lines, columns, notes)


def _effort_table(environment: str, lines: Sequence[Summary]) -> Table:
    threshold = lines[0].threshold
    columns: dict[str, Callable[[Summary], str]] = {
        "setting": lambda line: line.setting,
        f"seeds >= {threshold:g}": lambda line: "" if line.solved is None else f"{line.solved} of {line.seeds}",
        f"episodes >= {threshold:g}": lambda line: _known(100.0 * line.episodes_at_threshold, "{:.1f} %"),
        "steps until then": _steps,
        "steps trained": lambda line: f"{line.training_steps:,.0f}",
        "frames": lambda line: _known(line.training_frames, "{:,.0f}"),
        "training": lambda line: _known(line.training_seconds, "{:,.0f} s"),
        "evaluation": lambda line: f"{line.evaluation_seconds:,.1f} s",
    }
    notes = ["Steps and seconds of training are medians over the seeds."]
    if any(line.observed for line in lines):
        notes.insert(0, f"Steps until an evaluation during training is at {threshold:g}, and the seeds that got there.")
    return _table(f"{environment}: success and effort", lines, columns, notes)


def _table(
    title: str, lines: Sequence[Summary], columns: Mapping[str, Callable[[Summary], str]], notes: list[str]
) -> Table:
    """A table without the columns that nothing is known about."""
    cells = {name: [make(line) for line in lines] for name, make in columns.items()}
    kept = {name: column for name, column in cells.items() if any(column)}
    return Table(title, list(kept), [list(row) for row in zip(*kept.values(), strict=True)], notes)


def _known(number: float, form: str) -> str:
    return "" if math.isnan(number) else form.format(number)


def _steps(line: Summary) -> str:
    if line.observed is None:
        return ""
    steps = line.median_steps_to_threshold
    return f"{f'{steps:,.0f}' if math.isfinite(steps) else 'not by half'} ({line.reached} of {line.observed})"


def _probability(pair: Improvement | None) -> str:
    if pair is None:
        return ""
    return f"{pair.probability:.2f}" + ("" if math.isnan(pair.low) else f" ({pair.low:.2f} to {pair.high:.2f})")


def _seeds_table(comparison: Comparison, environment: str) -> Table:
    """Settings in rows, seeds in columns; runs without a seed, or with that of another, go by their own name."""
    rows: dict[str, dict[str, float]] = {}
    for setting in comparison.settings:
        rows[setting] = {}
        for run in comparison.of(setting, environment):
            name = run.seed_name if run.seed_name not in rows[setting] else f"{run.seed_name}, {run.run}"
            rows[setting][name] = run.mean_return
    names = list(dict.fromkeys(name for cells in rows.values() for name in cells))
    form = number_format([number for cells in rows.values() for number in cells.values()])
    return Table(
        f"{environment}: mean return of every training seed",
        ["setting", *names],
        [
            [setting, *(form.format(cells[name]) if name in cells else "" for name in names)]
            for setting, cells in rows.items()
            if cells
        ],
        [],
    )


def _suite_table(comparison: Comparison, pairs: Sequence[Improvement]) -> Table:
    lines = list(aggregates(comparison))
    settings = list(dict.fromkeys(line.setting for line in lines))
    statistics = list(dict.fromkeys(line.statistic for line in lines))
    cells = {(line.setting, line.statistic): line for line in lines}
    overall = "" if len(comparison.environments) > 1 else comparison.environments[0]
    first = comparison.settings[0]
    beats = {pair.setting: pair for pair in pairs if (pair.environment, pair.other) == (overall, first)}
    header = ["setting", *statistics, *([f"P(beats {first})"] if beats else [])]
    rows = []
    for setting in settings:
        row = [setting]
        for statistic in statistics:
            line = cells[setting, statistic]
            row.append(f"{line.value:.3f}" + ("" if math.isnan(line.low) else f" ({line.low:.3f} to {line.high:.3f})"))
        rows.append([*row, *([_probability(beats.get(setting))] if beats else [])])
    where = f"{len(comparison.environments)} environments" if len(comparison.environments) > 1 else overall
    notes = ["0 is random actions in the same episodes, 1 the ceiling. Intervals: stratified bootstrap, 95 %."]
    return Table(f"Normalized scores over {where}", header, rows, notes)


def number_format(numbers: Sequence[float]) -> str:
    """
    Choose how many digits to show.

    :param numbers: What a table holds.
    :return: A format with one decimal for hundreds, two for tens and three below.
    """
    largest = max((abs(number) for number in numbers), default=0.0)
    return "{:,.1f}" if largest >= 100.0 else "{:,.2f}" if largest >= 10.0 else "{:,.3f}"


def _span(low: float, high: float, form: str) -> str:
    return "" if math.isnan(low) else f"{form.format(low)} to {form.format(high)}"


def _write_episodes(played: Sequence[Played], first_seed: int, path: Path) -> None:
    """One line per run and episode."""
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["environment", "setting", "run", "training_seed", "seed", "return"])
        for setting, agent in played:
            run = agent.run
            for seed, value in enumerate(agent.measured.returns, first_seed):
                writer.writerow([run.env_id, setting, run.name, run.training_seed, seed, f"{value:.9g}"])


def _finite(content: Any) -> Any:
    """JSON knows neither NaN nor infinity."""
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_finite(value) for value in content]
    return None if is_unknown(content) or content == math.inf else content
