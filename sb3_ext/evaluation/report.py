"""What an evaluation shows and leaves: tables, a page, raw numbers and pictures."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sb3_ext.app.document import json_text
from sb3_ext.app.records import write_records
from sb3_ext.app.table import Row, Table
from sb3_ext.app.versions import versions_text
from sb3_ext.common.files import atomic_path
from sb3_ext.evaluation.ceilings import CEILINGS, known_ceiling, unknown_with
from sb3_ext.evaluation.scores import Comparison, Score, write_comparison
from sb3_ext.evaluation.settings import warn
from sb3_ext.evaluation.statistics import INTERVAL
from sb3_ext.evaluation.summaries import Improvement, Summary, aggregates, improvements, lead, summaries

if TYPE_CHECKING:
    from sb3_ext.evaluation.evaluate import Played

_STYLES = {"baseline": "", "agent": "cyan", "summary": "bold cyan", "optimum": "green"}


def tables(comparison: Comparison) -> Iterator[Table]:
    """Settings and their seeds on every environment, all policies beside baselines, then scores over environments."""
    found, pairs = list(summaries(comparison)), list(improvements(comparison))
    for environment in comparison.environments:
        lines = [line for line in found if line.environment == environment]
        if not comparison.is_single:
            yield _scores_table(comparison, environment, lines, pairs)
            yield _effort_table(environment, lines)
            yield _seeds_table(comparison, environment)
        if comparison.is_single or comparison.baselines(environment):
            yield _policies_table(comparison, environment, lines)
    if comparison.normalized:
        yield _suite_table(comparison, pairs)


def markdown(comparison: Comparison) -> str:
    """A page of all tables with everything needed to repeat them."""
    title = f"# {', '.join(comparison.settings)} on {', '.join(comparison.environments)}"
    lines = [title, "", f"{comparison.caption}."]
    for table in tables(comparison):
        lines += ["", f"## {table.title}", "", table.markdown()]
        lines += ["", table.notes] if table.notes else []
    problems = {run.environment: run.env_kwargs for run in comparison.runs}
    arguments = ", ".join(f"{environment} `{kwargs}`" for environment, kwargs in problems.items())
    lines += ["", f"Environment arguments: {arguments}. Versions: {versions_text(comparison.versions)}."]
    return "\n".join([*lines, "", "```", comparison.runs[0].command, "```"]) + "\n"


def write_results(comparison: Comparison, played: Sequence[Played], folder: Path) -> list[Path]:
    """Write the page, raw numbers and pictures; of a single setting without statistics of comparisons."""
    with atomic_path(folder / "results.md") as path:
        path.write_text(markdown(comparison), encoding="utf-8")
    written = [folder / "results.md", *write_comparison(comparison, folder)]
    if not comparison.is_single:
        written += _write_statistics(comparison, folder)
    try:
        from sb3_ext.evaluation.figures import figures
    except ImportError as error:
        warn(f"no pictures: {error}")
        return written
    for name, figure in figures(comparison, played):
        with atomic_path(folder / name) as path:
            figure.savefig(path, dpi=150)
        written.append(folder / name)
    return written


def _policies_table(comparison: Comparison, environment: str, lines: Sequence[Summary]) -> Table:
    """Baselines, agents, statistics over the agents, and the best plan."""
    known, baselines = comparison.references(environment), comparison.baselines(environment)
    columns = ["policy", "training seed", "mean return", "std"]
    if not math.isnan(known.reward_scale):
        columns += ["value", "% of optimum", "score", "budget used"]
    if not math.isnan(known.policy_bound):
        columns.append("below bound, %")

    def row(kind: str, name: str, returns: Sequence[float], used: float = math.nan, score: Score | None = None) -> Row:
        """One line; ``returns`` holds one number or the ends of an interval. ``score`` if it is of a single policy."""
        seed = "" if score is None or score.training_seed is None else str(score.training_seed)
        std = "" if score is None or kind == "summary" else _span([score.std_return], "{:,.3f}")
        cells = [
            name,
            seed,
            _span(returns, "{:,.3f}"),
            std,
            _span([known.value(number) for number in returns], "{:,.0f}"),
            _span([known.percent(number) for number in returns], "{:.2f}"),
            _span([known.score(number) for number in returns], "{:.3f}"),
            _span([100.0 * used], "{:.1f} %"),
            "" if score is None else _below_bound(score),
        ]
        return Row(cells[: len(columns)], _STYLES[kind], kind)

    rows = [row("baseline", each.name, [each.mean_return], each.budget_used, each) for each in baselines]
    notes = [known.certificate]
    for line in lines:
        runs = comparison.of(line.setting, environment)
        if comparison.is_single or len(runs) == 1:
            rows += [row("agent", run.name, [run.mean_return], run.budget_used, run) for run in runs]
        if len(runs) > 1:
            worst = min(runs, key=lambda run: run.mean_return)
            used = float(np.mean([run.budget_used for run in runs]))
            rows += [
                row("summary", f"{line.setting}, IQM of {len(runs)} runs", [line.iqm], used),
                row("summary", "95 % bootstrap interval of the IQM", [line.iqm_low, line.iqm_high]),
                row("summary", f"{line.setting}, worst run", [line.worst], worst.budget_used, worst),
            ]
        notes.append(_lead(comparison, line.setting, environment))
    if any(line.seeds > 1 for line in lines):
        notes.insert(1, f"Interval: {INTERVAL}.")
    if not math.isnan(known.optimal_value):
        optimum = known.optimal_value / known.reward_scale
        rows.append(row("optimum", known.optimum_name, [optimum], known.optimal_budget_used))
    title = environment if comparison.is_single else f"{environment}: all policies"
    return Table(title, columns, rows, "\n".join(filter(None, notes)))


def _lead(comparison: Comparison, setting: str, environment: str) -> str:
    """How far a setting is ahead of the best baseline; empty without several runs, episodes and a baseline."""
    found, known = lead(comparison, setting, environment), comparison.references(environment)
    if found is None:
        return ""
    unit, scale = "", 1.0
    if known.optimal_value > 0.0:
        unit, scale = f" % of the {known.optimum_name}", known.percent(1.0)
    return (
        f"Lead of {setting} over the best baseline, {found.baseline}: {scale * found.gain:+.2f}{unit}, "
        f"95 % interval {scale * found.low:+.2f} to {scale * found.high:+.2f} (bootstrap over runs and episodes)."
    )


def _scores_table(
    comparison: Comparison, environment: str, lines: Sequence[Summary], pairs: Sequence[Improvement]
) -> Table:
    first = lines[0]
    form = number_format([line.iqm for line in lines])
    beats = {pair.setting: pair for pair in pairs if (pair.environment, pair.other) == (environment, first.setting)}
    columns = {
        "setting": [line.setting for line in lines],
        "seeds": [str(line.seeds) for line in lines],
        "IQM": [form.format(line.iqm) for line in lines],
        "95 % interval": [_span([line.iqm_low, line.iqm_high], form) for line in lines],
        "mean": [form.format(line.mean) for line in lines],
        "median": [form.format(line.median) for line in lines],
        "worst (seed)": [f"{form.format(line.worst)} ({line.worst_seed})" for line in lines],
        f"below {first.ceiling:g}": [_span([line.gap_to_ceiling], form) for line in lines],
        "normalized": [_span([line.normalized_iqm], "{:.3f}") for line in lines],
        f"P(beats {first.setting})": [_probability(beats.get(line.setting)) for line in lines],
    }
    env_kwargs = json.loads(comparison.of(first.setting, environment)[0].env_kwargs)
    notes = [unknown_with(environment, env_kwargs, first.threshold, first.ceiling)]
    if any(line.seeds > 1 for line in lines):
        notes.append(f"Interval of the IQM: {INTERVAL}.")
    if environment in CEILINGS and known_ceiling(environment, env_kwargs) == first.ceiling:
        notes.append(f"Ceiling: {CEILINGS[environment].source}.")
    if beats:
        notes.append("P: probability that a seed beats one of the first setting, with its 95 % interval.")
    return _table(environment, columns, notes)


def _effort_table(environment: str, lines: Sequence[Summary]) -> Table:
    threshold = lines[0].threshold
    columns = {
        "setting": [line.setting for line in lines],
        f"seeds >= {threshold:g}": ["" if line.solved is None else f"{line.solved} of {line.seeds}" for line in lines],
        f"episodes >= {threshold:g}": [_span([100.0 * line.episodes_at_threshold], "{:.1f} %") for line in lines],
        "steps until then": [_steps(line) for line in lines],
        "steps trained": [f"{line.training_steps:,.0f}" for line in lines],
        "frames": [_span([line.training_frames], "{:,.0f}") for line in lines],
        "training": [_span([line.training_seconds], "{:,.0f} s") for line in lines],
        "evaluation": [f"{line.evaluation_seconds:,.1f} s" for line in lines],
    }
    notes = ["Steps and seconds of training are medians over the seeds."]
    if any(line.observed for line in lines):
        notes.insert(0, f"Steps until an evaluation during training is at {threshold:g}, and the seeds that got there.")
    return _table(f"{environment}: success and effort", columns, notes)


def _table(title: str, columns: Mapping[str, Sequence[str]], notes: Sequence[str]) -> Table:
    """A table without the columns that nothing is known about."""
    kept = {name: cells for name, cells in columns.items() if any(cells)}
    rows = [Row(cells) for cells in zip(*kept.values(), strict=True)]
    return Table(title, list(kept), rows, "\n".join(filter(None, notes)))


def _steps(line: Summary) -> str:
    if line.observed is None:
        return ""
    steps = line.median_steps_to_threshold
    return f"{f'{steps:,.0f}' if math.isfinite(steps) else 'not by half'} ({line.reached} of {line.observed})"


def _probability(pair: Improvement | None) -> str:
    return "" if pair is None else _with_interval(pair.probability, pair.low, pair.high, "{:.2f}")


def _seeds_table(comparison: Comparison, environment: str) -> Table:
    """Settings in rows, seeds in columns; runs without a seed, or with that of another, go by their own name."""
    found: dict[str, dict[str, float]] = {}
    for setting in comparison.settings:
        returns = found.setdefault(setting, {})
        for run in comparison.of(setting, environment):
            returns[run.seed_name if run.seed_name not in returns else f"{run.seed_name}, {run.run}"] = run.mean_return
    names = list(dict.fromkeys(name for returns in found.values() for name in returns))
    form = number_format([number for returns in found.values() for number in returns.values()])
    rows = [
        Row([setting, *(form.format(returns[name]) if name in returns else "" for name in names)])
        for setting, returns in found.items()
    ]
    return Table(f"{environment}: mean return of every training seed", ["setting", *names], rows)


def _suite_table(comparison: Comparison, pairs: Sequence[Improvement]) -> Table:
    environments, first = comparison.environments, comparison.settings[0]
    overall = "" if len(environments) > 1 else environments[0]
    beats = {pair.setting: pair for pair in pairs if (pair.environment, pair.other) == (overall, first)}
    columns = {"setting": comparison.settings}
    for line in aggregates(comparison):
        cell = _with_interval(line.value, line.low, line.high, "{:.3f}")
        columns.setdefault(line.statistic, []).append(cell)
    columns[f"P(beats {first})"] = [_probability(beats.get(setting)) for setting in comparison.settings]
    where = f"{len(environments)} environments" if len(environments) > 1 else overall
    notes = ["0 is random actions in the same episodes, 1 the ceiling. Intervals: stratified bootstrap, 95 %."]
    return _table(f"Normalized scores over {where}", columns, notes)


def number_format(numbers: Sequence[float]) -> str:
    """A format with one decimal for hundreds, two for tens and three below."""
    largest = max((abs(number) for number in numbers), default=0.0)
    return "{:,.1f}" if largest >= 100.0 else "{:,.2f}" if largest >= 10.0 else "{:,.3f}"


def _span(numbers: Sequence[float], form: str) -> str:
    """A number, or the ends of an interval; empty where it is not known. No zero is negative."""
    if math.isnan(numbers[0]):
        return ""
    shown = (form.format(number) for number in numbers)
    return " to ".join(text[1:] if text.startswith("-") and not text.strip("-0. %") else text for text in shown)


def _below_bound(score: Score) -> str:
    """In percent of the clairvoyant's value."""
    gap, half_width = (
        score.references.percent(money / score.references.reward_scale)
        for money in (score.below_bound, score.below_bound_interval)
    )
    return _span([gap], "{:.2f}") + ("" if math.isnan(half_width) else f" ± {half_width:.2f}")


def _with_interval(value: float, low: float, high: float, form: str) -> str:
    return form.format(value) + ("" if math.isnan(low) else f" ({_span([low, high], form)})")


def document(comparison: Comparison) -> dict[str, Any]:
    """All numbers, for a script."""
    return {
        "caption": comparison.caption,
        "command": comparison.runs[0].command,
        "versions": dict(comparison.versions),
        "interval": INTERVAL,
        "runs": [run.record for run in comparison.runs],
        "baselines": [score.record for score in comparison.scores if score.kind == "baseline"],
        "summaries": [line._asdict() for line in summaries(comparison)],
        "improvements": [line._asdict() for line in improvements(comparison)],
        "aggregates": [line._asdict() for line in aggregates(comparison)] if comparison.normalized else [],
    }


def _write_statistics(comparison: Comparison, folder: Path) -> list[Path]:
    content = document(comparison)
    with atomic_path(folder / "results.json") as path:
        path.write_text(json_text(content) + "\n", encoding="utf-8")
    files = {"summary.csv": content["summaries"]}
    if content["improvements"]:
        files["improvement.csv"] = content["improvements"]
    for name, records in files.items():
        write_records(records, folder / name)
    return [folder / name for name in ("results.json", *files)]
