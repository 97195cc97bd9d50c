"""What was measured of speed and memory beside what should be reached: the figures of docs/speed.md and its chart."""

from __future__ import annotations

import functools
import statistics
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from benchmarks.groups import advantage
from benchmarks.records import read_csv


class Series(NamedTuple):
    """The values of a case, one per repeat."""

    section: str
    quantity: str
    setting: str
    threads: str
    unit: str
    name: str
    reference: str
    values: list[float]
    ratios: list[float]
    """Over the reference's values; empty without a reference."""


_KEY = ("section", "quantity", "setting", "threads", "unit", "name", "reference")


class Aim(NamedTuple):
    """What should be reached."""

    title: str
    what: str
    setting: str
    to: str
    bound: float
    at_most: bool
    """Whether smaller is better, as for time and memory."""
    ratios: list[float]
    """What was reached, one per repeat; empty if it was not measured."""

    @property
    def ratio(self) -> float:
        """What was reached, median of the repeats."""
        return statistics.median(self.ratios)

    @property
    def reached(self) -> bool:
        """Whether the median reaches the aim."""
        return self.ratio <= self.bound if self.at_most else self.ratio >= self.bound


class Speed:
    """
    The measurements, for placeholders.

    :param raw: CSV file of the measurements
    :param aims: YAML file of the aims
    :raises UserError: if the measurements cannot be read, or are something else
    """

    def __init__(self, raw: Path, aims: Path) -> None:
        self._lines = read_csv(raw)
        self._aims = aims

    @functools.cached_property
    def series(self) -> list[Series]:
        """The cases in the order of the file."""
        found: dict[tuple[str, ...], Series] = {}
        for line in self._lines:
            texts = {name: line[name] for name in _KEY}
            series = found.setdefault(tuple(texts.values()), Series(**texts, values=[], ratios=[]))
            series.values.append(float(line["value"]))
            if line["ratio"]:
                series.ratios.append(float(line["ratio"]))
        return list(found.values())

    def tables(self, section: str) -> list[list[Series]]:
        """
        Find the cases of a section.

        :param section: its name
        :return: the cases of each group
        """
        groups: dict[tuple[str, ...], list[Series]] = {}
        for each in self.series:
            if each.section == section:
                groups.setdefault((each.quantity, each.setting, each.threads), []).append(each)
        return list(groups.values())

    @functools.cached_property
    def aims(self) -> list[Aim]:
        """The aims, and what was reached."""
        by_case = {(each.section, each.quantity, each.setting, each.threads, each.name): each for each in self.series}
        aims = []
        for block in yaml.safe_load(self._aims.read_text(encoding="utf-8")):
            for aim in block["aims"]:
                group = (block["section"], block["quantity"], aim["setting"], str(aim.get("threads", 1)))
                own, other = by_case.get((*group, aim["name"])), by_case.get((*group, aim["to"]))
                aims.append(
                    Aim(
                        block["title"],
                        aim["what"],
                        aim["setting"] + (f", {aim['threads']} threads" if "threads" in aim else ""),
                        aim["to"],
                        aim.get("at_most", aim.get("at_least")),
                        "at_most" in aim,
                        [a / b for a, b in zip(own.values, other.values, strict=True)] if own and other else [],
                    )
                )
        return aims

    @property
    def runs(self) -> list[dict[str, Any]]:
        """Where figures come from: one entry for each command, with its sections, its machine and its versions."""
        runs: dict[tuple[str, ...], dict[str, Any]] = {}
        for line in self._lines:
            names = [name for name in line if name.startswith("version_") and line[name]]
            machine = {name: line.get(name, "") for name in ("command", "cpu", "cores", "load")}
            versions = {name.removeprefix("version_").replace("_", "-"): line[name] for name in names}
            run = runs.setdefault(
                (*machine.values(), *versions.values()), {**machine, "versions": versions, "sections": {}}
            )
            run["sections"][line["section"]] = None
        return [{**run, "sections": list(run["sections"])} for run in runs.values()]

    def draw(self, path: Path) -> None:
        """
        Draw what was reached, and the aims.

        :param path: PNG file
        """
        from benchmarks.chart import Bar, write_chart

        bars = []
        for aim in self.aims:
            unit = "" if aim.at_most else "/s"
            ratios = [advantage(unit, ratio) for ratio in aim.ratios]
            bars += [Bar(aim.title, aim.what, aim.to, ratios, advantage(unit, aim.bound))] if ratios else []
        write_chart(bars, path)
