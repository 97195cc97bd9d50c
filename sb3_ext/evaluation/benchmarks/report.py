"""What was measured, as tables for the terminal and as a CSV."""

from __future__ import annotations

import contextlib
import csv
import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from rich.table import Table

from sb3_ext.common.files import atomic_path
from sb3_ext.evaluation.benchmarks.groups import Group, Missing, Result
from sb3_ext.evaluation.report import versions

_COMPARED = ("ale-py", "cpprb", "torchrl")


class Measured(NamedTuple):
    """A group and what was measured of it."""

    section: str
    group: Group
    results: list[Result]
    missing: list[Missing]

    @property
    def caption(self) -> str:
        """What the numbers are, in one line."""
        return f"{self.section}: {self.group.quantity} ({self.group.setting})"


def table(measured: Measured) -> Table:
    """
    Show a group.

    :param measured: the group
    :return: a rich table of medians, over the repeats, of values and of ratios
    """
    group = measured.group
    shown = Table()
    shown.add_column("", overflow="fold")
    for title in (f"median, {group.unit}", "ratio"):
        shown.add_column(title, justify="right", overflow="fold")
    shown.add_column("to", overflow="fold")
    for result in measured.results:
        ratio = "" if result.ratio is None else f"{result.ratio:.2f}"
        shown.add_row(result.name, _number(result.median), ratio, result.reference or "")
    for missing in measured.missing:
        shown.add_row(missing.name, "", "", missing.reason, style="dim")
    return shown


def write_csv(measured: Sequence[Measured], path: str | os.PathLike[str], command: str, threads: int) -> None:
    """
    Write every value: one line per case and repeat.

    :param measured: the groups, at least one with a result
    :param path: the file, written whole or not at all
    :param command: what measured them
    :param threads: threads of NumPy and PyTorch
    :raises OSError: if it cannot be written
    """
    found = {**versions(), **_versions_compared(), "python": platform.python_version()}
    machine = {"threads": threads, "cores": os.cpu_count()}
    tail = {f"version_{name.replace('-', '_')}": number for name, number in found.items()} | {"command": command}
    records: list[dict[str, Any]] = [
        {
            "quantity": group.quantity,
            "name": result.name,
            "round": index,
            "value": f"{value:.6g}",
            "unit": group.unit,
            "ratio": "" if result.ratios is None else f"{result.ratios[index]:.6g}",
            "reference": result.reference or "",
            "section": section,
            "setting": group.setting,
            "repeats": len(result.values),
            **machine,
            **tail,
        }
        for section, group, results, _ in measured
        for result in results
        for index, value in enumerate(result.values)
    ]
    with atomic_path(path) as temporary, Path(temporary).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(records[0]))
        writer.writeheader()
        writer.writerows(records)


def _versions_compared() -> dict[str, str]:
    found = {}
    for name in _COMPARED:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.4g}"
