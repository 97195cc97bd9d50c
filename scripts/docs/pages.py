"""
Every page of docs/ whose numbers come from raw results, and what it should say.

A page is a template in docs/templates/, in Jinja, which names its results at the front and has placeholders::

    {% set ours = results("Pendulum-v1") %}
    | DDPG | {{ ours | iqm(1) }} | {{ ours.worst | fixed(1) }} |
"""

from __future__ import annotations

import functools
import statistics
from collections.abc import Iterator
from pathlib import Path

import jinja2

from benchmarks.report import short
from docs import formats
from docs.figures import Coverages, Figures, figures, folder_page
from docs.remedies import read_remedies
from docs.seeds import Drawn, read_seeds
from docs.speed import Speed
from docs.tutorials.q_values import QValues
from docs.tutorials.systems import read_chapters
from sb3_ext.app.errors import UserError
from sb3_ext.app.records import read_records


def pages(root: Path) -> Iterator[tuple[Path, str]]:
    """
    Render every page: the table of each folder of results, and the templates.

    :param root: The repository.
    :return: Paths and what they should say.
    :raises UserError: If results are damaged, or a template names what does not exist.
    """
    for raw in sorted((root / "docs" / "results").glob("*/results.csv")):
        yield raw.with_name("results.md"), folder_page(raw.parent)
    templates = environment(root)
    for name in templates.list_templates(extensions=["j2"]):
        yield root / "docs" / name.removesuffix(".j2"), render(templates, name)


def draw_speed(root: Path) -> None:
    """
    Draw the chart of docs/speed.md.

    :param root: The repository.
    :raises UserError: If the measurements are damaged.
    """
    docs = root / "docs"
    Speed(docs / "results" / "speed.csv", docs / "templates" / "speed.yml").draw(docs / "images" / "speed.png")


def environment(root: Path) -> jinja2.Environment:
    """
    What templates can use: names of results, and how numbers are written.

    :param root: The repository.
    :return: Jinja's environment.
    """
    templates, raw = root / "docs" / "templates", root / "docs" / "results"
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    for written in (formats.fixed, short, formats.iqm, formats.spread, formats.wrapped, statistics.median):
        found.filters[written.__name__] = written
    found.globals |= {
        "results": functools.cache(lambda folder: figures(raw / folder)),
        "lines": lambda file: read_records(raw / file),
        "coverages": lambda file: Coverages(raw / file),
        "remedies": lambda file: read_remedies(raw / file),
        "q_values": lambda file: QValues(raw / file),
        "speed": lambda file, aims: Speed(raw / file, templates / aims),
        "tutorials": lambda: read_chapters(root),
        "reported": lambda: _reported(root),
    }
    return found


def _reported(root: Path) -> Iterator[tuple[Drawn, Figures]]:
    """Rows with seeds by the protocol, and their figures, in percent of the best plan where one is known."""
    for line in read_seeds(root).values():
        if (root / "docs" / "results" / line.row).is_dir():
            found = figures(root / "docs" / "results" / line.row)
            yield line, found.percent if found.knows_a_plan else found


def render(templates: jinja2.Environment, name: str) -> str:
    """
    Fill in a template.

    :param templates: What :func:`environment` returns.
    :param name: File name of the template.
    :return: The page.
    :raises UserError: If it is no template, or names what does not exist.
    """
    try:
        return templates.get_template(name).render()
    except (jinja2.TemplateError, OSError, LookupError, ValueError, TypeError) as error:
        raise UserError(f"{name}: {type(error).__name__}: {error}") from error
    except UserError as error:
        raise UserError(f"{name}: {error}", error.exit_code) from error
