"""The page about speed, in Markdown, and its chart, from a CSV of measurements. Importing this needs Jinja."""

from __future__ import annotations

import os
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import yaml

from benchmarks.chart import Bar, write_chart
from benchmarks.groups import advantage
from benchmarks.records import read_csv
from sb3_ext.app.errors import UserError
from sb3_ext.common.files import atomic_path

Line = Mapping[str, str]
CSV, AIMS, TEMPLATE, PAGE, CHART = (
    Path(name) for name in ("results/speed.csv", "speed.yml", "speed.md.j2", "speed.md", "images/speed.png")
)
"""In the folder of the page."""


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
    name: str
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


def read_series(path: str | os.PathLike[str]) -> list[Series]:
    """
    Read measurements.

    :param path: CSV file
    :return: the cases in the order of the file
    :raises UserError: if it cannot be read, or holds something else
    """
    found: dict[tuple[str, ...], Series] = {}
    for line in read_csv(path):
        texts = {name: line[name] for name in _KEY}
        series = found.setdefault(tuple(texts.values()), Series(**texts, values=[], ratios=[]))
        series.values.append(float(line["value"]))
        if line["ratio"]:
            series.ratios.append(float(line["ratio"]))
    return list(found.values())


def read_aims(path: str | os.PathLike[str], measured: Sequence[Series]) -> list[Aim]:
    """
    Read the aims, and see what was reached.

    :param path: YAML file
    :param measured: the cases
    :return: the aims
    """
    by_case = {(each.section, each.quantity, each.setting, each.threads, each.name): each for each in measured}
    aims = []
    for block in yaml.safe_load(Path(path).read_text(encoding="utf-8")):
        for aim in block["aims"]:
            group = (block["section"], block["quantity"], aim["setting"], str(aim.get("threads", 1)))
            own, other = by_case.get((*group, aim["name"])), by_case.get((*group, aim["to"]))
            aims.append(
                Aim(
                    block["title"],
                    aim["what"],
                    aim["setting"] + (f", {aim['threads']} threads" if "threads" in aim else ""),
                    aim["name"],
                    aim["to"],
                    aim.get("at_most", aim.get("at_least")),
                    "at_most" in aim,
                    [a / b for a, b in zip(own.values, other.values, strict=True)] if own and other else [],
                )
            )
    return aims


def write_page(docs: Path) -> None:
    """
    Write the page and its chart.

    :param docs: folder with the template, the aims and the measurements
    :raises UserError: if one of them is missing or damaged
    :raises OSError: if the page cannot be written
    """
    with atomic_path(docs / PAGE) as temporary:
        temporary.write_text(render_page(docs), encoding="utf-8")
    aims = read_aims(docs / AIMS, read_series(docs / CSV))
    write_chart([_bar(aim) for aim in aims if aim.ratios], docs / CHART)


def render_page(docs: Path) -> str:
    """
    Render the page.

    :param docs: folder with the template, the aims and the measurements
    :return: Markdown
    :raises UserError: if one of them is missing or damaged
    """
    lines = read_csv(docs / CSV)
    series = read_series(docs / CSV)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(docs),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters.update(number=number, span=span, median=statistics.median)

    def tables(section: str) -> list[list[Series]]:
        """Tell the cases of a section, by group."""
        groups: dict[tuple[str, ...], list[Series]] = {}
        for each in series:
            if each.section == section:
                groups.setdefault((each.quantity, each.setting, each.threads), []).append(each)
        return list(groups.values())

    try:
        template = environment.get_template(str(TEMPLATE))
    except jinja2.TemplateNotFound as error:
        raise UserError(f"there is no {docs / TEMPLATE}") from error
    return template.render(
        aims=read_aims(docs / AIMS, series),
        tables=tables,
        runs=_runs(lines),
        chart=CHART.as_posix(),
        csv=CSV.as_posix(),
    )


def number(value: float) -> str:
    """
    Write a value with three or four digits.

    :param value: any number
    :return: such as ``12 345``, ``123``, ``1.23``
    """
    return f"{value:,.0f}".replace(",", " ") if abs(value) >= 100 else f"{value:.3g}"


def span(ratios: Sequence[float]) -> str:
    """
    Write ratios of repeats.

    :param ratios: at least one
    :return: the median, and the lowest and the highest if there are several
    """
    median = f"{statistics.median(ratios):.2f}"
    return median if len(ratios) == 1 else f"{median} ({min(ratios):.2f} to {max(ratios):.2f})"


def _runs(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Where figures come from: one entry for each command, with its sections, its machine and its versions."""
    runs: dict[tuple[str, ...], dict[str, Any]] = {}
    for line in lines:
        names = [name for name in line if name.startswith("version_") and line[name]]
        machine = {name: line.get(name, "") for name in ("command", "cpu", "cores", "load")}
        versions = {name.removeprefix("version_").replace("_", "-"): line[name] for name in names}
        run = runs.setdefault(
            (*machine.values(), *versions.values()), {**machine, "versions": versions, "sections": {}}
        )
        run["sections"][line["section"]] = None
    return [{**run, "sections": list(run["sections"])} for run in runs.values()]


def _bar(aim: Aim) -> Bar:
    unit = "" if aim.at_most else "/s"
    ratios = [advantage(unit, ratio) for ratio in aim.ratios]
    return Bar(aim.title, aim.what, aim.to, ratios, advantage(unit, aim.bound))
