"""The page of the tutorials' systems, in Markdown. Importing this needs Jinja."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jinja2

from docs.tutorials.systems import (
    Chapter,
    Score,
    System,
    Training,
    optimal_seeds,
    q_value_table,
    read_csv,
    read_policies,
    read_score,
)
from docs.tutorials.three_states import GAMMA
from sb3_ext.app.errors import UserError

COMMAND = "python scripts/tutorial_systems.py --measure --logs results-logs -P"
"""Draws, films and writes everything again."""
IMAGES = "images/tutorials"


class Picture(NamedTuple):
    """A picture of a system."""

    path: str
    """Relative to the page."""
    text: str
    """For those who cannot see it."""
    width: int | None = None
    """Pixels; None for its own width."""


class Shown(NamedTuple):
    """A system with results."""

    system: System
    training: Training
    score: Score
    pictures: list[Picture]
    heading: str

    @property
    def anchor(self) -> str:
        """Where GitHub links to the heading."""
        return re.sub(r"[^\w\- ]", "", self.heading.lower()).replace(" ", "-")


def render_page(
    docs: Path,
    chapters: Sequence[Chapter],
    trainings: Mapping[str, Training],
    page_command: str,
    warn: Callable[[str], None],
) -> str:
    """
    Render the page from the results in ``docs``; systems without results are left out.

    :param docs: folder with the template, ``results/`` and ``images/tutorials/``
    :param chapters: all systems
    :param trainings: trainings by row
    :param page_command: what makes the page
    :param warn: called with a sentence about each system left out
    :return: Markdown
    :raises UserError: if a row is unknown, or a file of results is missing or damaged
    """
    baselines = _read(docs / "results" / "tutorial_baselines.csv")
    tables = q_value_table(three_states := _read(docs / "results" / "three_state_mdp.csv"))
    shown_chapters = []
    for chapter in chapters:
        shown = [found for system in chapter.systems if (found := _show(docs, chapter, system, trainings, warn))]
        if shown:
            known = read_policies(docs / "results" / shown[0].system.row)
            shown_chapters.append(
                {
                    "title": chapter.title,
                    "text": chapter.text,
                    "baselines": [line for line in baselines if line["environment"] in chapter.baselines],
                    "policies": {name: known[name] for name in chapter.policies},
                    "shown": shown,
                }
            )
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(docs),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    environment.filters |= {"number": number, "span": span, "wrapped": wrapped}
    return environment.get_template("tutorial_systems.md.j2").render(
        chapters=shown_chapters,
        page_command=page_command,
        gamma=GAMMA,
        exact=tables.pop("exact"),
        learned=tables,
        optimal_seeds=optimal_seeds(three_states),
        images=IMAGES,
    )


def number(value: float, two_digits: bool = False) -> str:
    """
    Write a figure.

    :param value: the figure
    :param two_digits: two digits after the point rather than one
    :return: e.g. ``"-129.0"``; no zero is negative
    """
    text = f"{value:.2f}" if two_digits else f"{value:.1f}"
    return text[1:] if text.startswith("-") and not text.strip("-0.") else text


def span(steps: Sequence[int]) -> str:
    """
    Write the steps of several trainings in thousands.

    :param steps: steps of each
    :return: one number, or the smallest and the largest
    """
    low, high = (f"{round(count, -3):,}".replace(",", " ") for count in (min(steps), max(steps)))
    return low if low == high else f"{low} to {high}"


def wrapped(text: str) -> str:
    """
    Break a paragraph into lines.

    :param text: the paragraph
    :return: lines of at most 120 characters
    """
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def _show(
    docs: Path, chapter: Chapter, system: System, trainings: Mapping[str, Training], warn: Callable[[str], None]
) -> Shown | None:
    if system.row not in trainings:
        raise UserError(f"tutorial_systems.yml: scripts/results.sh has no row {system.row!r}")
    score = read_score(docs / "results" / system.row)
    if score is None:
        warn(f"left out: docs/results/{system.row} has no results yet (bash scripts/results.sh {system.row})")
        return None
    where = trainings[system.row].env_id
    candidates = [
        Picture(f"{IMAGES}/{system.row}.gif", f"An episode on {where}"),
        Picture(f"results/{system.row}/learning_curve.png", f"Evaluations during training on {where}", 640),
        Picture(f"{IMAGES}/{system.row}.png", f"Training returns and losses on {where}"),
    ]
    pictures = [picture for picture in candidates if (docs / picture.path).is_file()]
    return Shown(system, trainings[system.row], score, pictures, f"{chapter.title}: {system.title}")


def _read(path: Path) -> list[dict[str, str]]:
    try:
        return read_csv(path)
    except OSError as error:
        raise UserError(f"cannot read {path} ({error.strerror}): write it with --measure") from error
