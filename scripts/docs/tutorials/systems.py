"""The trained systems of the tutorials: what they are, how they were trained, and what they earned."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from docs.figures import Figures, figures
from docs.rows import Row, read_rows
from sb3_ext.app.errors import UserError

IMAGES = "images/tutorials"
"""Folder of the pictures, in docs/."""


class Picture(NamedTuple):
    """A picture of a system."""

    path: str
    """Relative to the page."""
    text: str
    """For those who cannot see it."""
    width: int | None = None
    """Pixels; None for its own width."""


@dataclass(frozen=True)
class System:
    """An entry of ``docs/templates/tutorial_systems.yml``, with its training and what it earned."""

    row: str
    """Name of its row, and folder of its results."""
    title: str
    idea: str
    """What it is, in a sentence or two."""
    differs: str
    """What differs from the tutorial."""
    chapter: str
    training: Row
    figures: Figures
    """In percent of the best plan where one is known."""
    percent: bool
    """Whether one is known."""
    pictures: list[Picture]
    animation: bool = False
    """Whether an episode of the first seed's agent is shown."""
    losses: tuple[str, ...] = ()
    """What to draw beside the returns of the training: names in its TensorBoard log."""

    @property
    def heading(self) -> str:
        """Its heading on the page."""
        return f"{self.chapter}: {self.title}"

    @property
    def anchor(self) -> str:
        """Where GitHub links to the heading."""
        return re.sub(r"[^\w\- ]", "", self.heading.lower()).replace(" ", "-")

    @property
    def digits(self) -> int:
        """Digits after the point of its figures."""
        return 2 if self.percent else 1


@dataclass(frozen=True)
class Chapter:
    """Systems on the same problem."""

    title: str
    text: str
    systems: list[System]
    baselines: tuple[str, ...] = ()
    """Environments whose baselines are shown."""
    policies: tuple[str, ...] = ()
    """Policies shown from the results of the first system."""


def read_chapters(root: Path) -> list[Chapter]:
    """
    Read the systems, and what they earned.

    :param root: the repository
    :return: chapters with their systems
    :raises UserError: if the list cannot be read, an entry lacks or misspells a field or names no row of
        ``scripts/docs/rows.txt``, or a row has no results
    """
    path = root / "docs" / "templates" / "tutorial_systems.yml"
    rows = read_rows(root)
    try:
        return [
            Chapter(
                **{
                    **chapter,
                    "systems": [
                        _system(root / "docs", rows, chapter=chapter["title"], **system)
                        for system in chapter["systems"]
                    ],
                }
            )
            for chapter in yaml.safe_load(path.read_text(encoding="utf-8"))
        ]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise UserError(f"{path}: no valid list of systems ({' '.join(str(error).split())})") from error


def _system(docs: Path, rows: Mapping[str, Row], row: str, **entry: Any) -> System:
    if row not in rows:
        raise UserError(f"tutorial_systems.yml: scripts/docs/rows.txt has no row {row!r}")
    if not (docs / "results" / row).is_dir():
        raise UserError(f"docs/results/{row} does not exist: bash scripts/results.sh {row}")
    training = rows[row]
    found = figures(docs / "results" / row)
    candidates = [
        Picture(f"{IMAGES}/{row}.gif", f"An episode on {training.env_id}"),
        Picture(f"results/{row}/learning_curve.png", f"Evaluations during training on {training.env_id}", 640),
        Picture(f"{IMAGES}/{row}.png", f"Training returns and losses on {training.env_id}"),
    ]
    return System(
        row,
        training=training,
        figures=found.percent if found.knows_a_plan else found,
        percent=found.knows_a_plan,
        pictures=[picture for picture in candidates if (docs / picture.path).is_file()],
        **entry,
    )
