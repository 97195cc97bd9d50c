"""What was measured, as tables for the terminal and as a CSV."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.groups import Group, Missing, Result
from benchmarks.records import merge_csv
from sb3_ext.app.table import Row, Table
from sb3_ext.app.versions import version_columns, versions

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
        threads = "" if self.group.threads == 1 else f", {self.group.threads} threads"
        return f"{self.section}: {self.group.quantity} ({self.group.setting}{threads})"


def table(measured: Measured) -> Table:
    """
    Show a group.

    :param measured: the group
    :return: a table of medians, over the repeats, of values and of ratios
    """
    rows = [
        Row([case.name, short(case.median), "" if case.ratio is None else f"{case.ratio:.2f}", case.reference or ""])
        for case in measured.results
    ]
    rows += [Row([missing.name, "", "", missing.reason], "dim") for missing in measured.missing]
    return Table(measured.caption, ["", f"median, {measured.group.unit}", "ratio", "to"], rows)


def short(value: float) -> str:
    """
    Write a number with three digits, or with all before the point.

    :param value: the number
    :return: such as ``"12 345"``, ``"123"``, ``"1.23"``
    """
    return f"{value:,.0f}".replace(",", " ") if abs(value) >= 100 else f"{value:.3g}"


def machine(threads: int) -> dict[str, Any]:
    """
    Describe where figures come from.

    :param threads: threads of NumPy, and of PyTorch unless a group has its own
    :return: threads, cores, the processor, and how busy the machine is: the load of the last minute
    """
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    load = f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else ""
    return {"threads": threads, "cores": os.cpu_count(), "cpu": names[0] if names else platform.machine(), "load": load}


def write_csv(
    measured: Sequence[Measured],
    path: str | os.PathLike[str],
    command: str,
    machine: Mapping[str, Any],
    more_versions: Mapping[str, str],
) -> None:
    """
    Write every value: one line per case and repeat. Other sections that the file holds stay.

    :param measured: the groups, at least one with a result
    :param path: the file, written whole or not at all
    :param command: what measured them
    :param machine: see :func:`machine`
    :param more_versions: versions of what was measured in other processes, by name
    :raises OSError: if it cannot be written
    :raises UserError: if it exists and is no such file
    """
    found = {**versions(), **_versions_compared(), **more_versions, "python": platform.python_version()}
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
            "threads": group.threads,
            **version_columns(found),
            "command": command,
        }
        for section, group, results, _ in measured
        for result in results
        for index, value in enumerate(result.values)
    ]
    merge_csv(records, path)


def _versions_compared() -> dict[str, str]:
    found = {}
    for name in _COMPARED:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
