"""What an evaluation leaves: a page, raw numbers and pictures."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sb3_ext.app.records import is_unknown, write_records
from sb3_ext.app.versions import versions_text
from sb3_ext.common.files import atomic_path
from sb3_ext.evaluation.scores import Comparison, write_comparison
from sb3_ext.evaluation.statistics import INTERVAL
from sb3_ext.evaluation.summaries import aggregates, improvements, summaries
from sb3_ext.evaluation.tables import tables

if TYPE_CHECKING:
    from sb3_ext.evaluation.evaluate import Played


def markdown(comparison: Comparison) -> str:
    """
    Write all tables with everything needed to repeat them.

    :param comparison: The scores.
    :return: A page.
    """
    lines = [
        f"# {', '.join(comparison.settings)} on {', '.join(comparison.environments)}",
        "",
        f"{comparison.caption}.",
    ]
    for table in tables(comparison):
        lines += ["", f"## {table.title}", "", table.markdown()]
        lines += ["", table.notes] if table.notes else []
    problems = {run.environment: run.env_kwargs for run in comparison.runs}
    arguments = ", ".join(f"{environment} `{kwargs}`" for environment, kwargs in problems.items())
    lines += ["", f"Environment arguments: {arguments}. Versions: {versions_text(comparison.versions)}."]
    return "\n".join([*lines, "", "```", comparison.command, "```"]) + "\n"


def write_results(comparison: Comparison, played: Sequence[Played], folder: Path) -> list[Path]:
    """
    Write the page, raw numbers and pictures; of a single setting without statistics of comparisons.

    :param comparison: The scores.
    :param played: The same policies, with what they did.
    :param folder: Where to.
    :return: The files.
    :raises OSError: If they cannot be written.
    """
    from sb3_ext.evaluation.figures import figures

    with atomic_path(folder / "results.md") as path:
        path.write_text(markdown(comparison), encoding="utf-8")
    written = [folder / "results.md", *write_comparison(comparison, folder)]
    if not comparison.is_single:
        written += _write_statistics(comparison, folder)
    for name, figure in figures(comparison, played):
        with atomic_path(folder / name) as path:
            figure.savefig(path, dpi=150)
        written.append(folder / name)
    return written


def _write_statistics(comparison: Comparison, folder: Path) -> list[Path]:
    found, pairs = ([line._asdict() for line in lines] for lines in (summaries(comparison), improvements(comparison)))
    content = {
        "caption": comparison.caption,
        "command": comparison.command,
        "versions": dict(comparison.versions),
        "interval": INTERVAL,
        "runs": [score.record for score in comparison.scores if score.kind == "agent"],
        "baselines": [score.record for score in comparison.scores if score.kind == "baseline"],
        "summaries": found,
        "improvements": pairs,
        "aggregates": [line._asdict() for line in aggregates(comparison)] if comparison.normalized else [],
    }
    with atomic_path(folder / "results.json") as path:
        path.write_text(json.dumps(_finite(content), indent=1) + "\n", encoding="utf-8")
    files = {"summary.csv": found} | ({"improvement.csv": pairs} if pairs else {})
    for name, records in files.items():
        write_records(records, folder / name)
    return [folder / name for name in ("results.json", *files)]


def _finite(content: Any) -> Any:
    """JSON knows neither NaN nor infinity."""
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_finite(value) for value in content]
    return None if is_unknown(content) or content == math.inf else content
