"""The trained systems of the tutorials: what they are, how they were trained, and what they earned."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from docs.figures import Figures, figures
from sb3_ext.app.errors import UserError

IMAGES = "images/tutorials"
"""Folder of the pictures, in docs/."""


class Training(NamedTuple):
    """A row of ``scripts/results.sh``."""

    algo: str
    env_id: str
    flags: str
    """Further flags of ``sb3-ext train``, without those that only log."""

    @property
    def command(self) -> str:
        """Trains one seed."""
        words = f"sb3-ext train --algo {self.algo} --env {self.env_id} {self.flags} --seed 0 -P".split()
        return " ".join(f'"{word}"' if set(word) & set("'()[]") else word for word in words)


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
    """Row of ``scripts/results.sh``, and folder of its results."""
    title: str
    idea: str
    """What it is, in a sentence or two."""
    differs: str
    """What differs from the tutorial."""
    chapter: str
    training: Training
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
        ``scripts/results.sh``, or a row has no results
    """
    path = root / "docs" / "templates" / "tutorial_systems.yml"
    trainings = read_trainings(root / "scripts" / "results.sh")
    try:
        return [
            Chapter(
                **{
                    **chapter,
                    "systems": [
                        _system(root / "docs", trainings, chapter=chapter["title"], **system)
                        for system in chapter["systems"]
                    ],
                }
            )
            for chapter in yaml.safe_load(path.read_text(encoding="utf-8"))
        ]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise UserError(f"{path}: no valid list of systems ({' '.join(str(error).split())})") from error


def _system(docs: Path, trainings: Mapping[str, Training], row: str, **entry: Any) -> System:
    if row not in trainings:
        raise UserError(f"tutorial_systems.yml: scripts/results.sh has no row {row!r}")
    if not (docs / "results" / row).is_dir():
        raise UserError(f"docs/results/{row} does not exist: bash scripts/results.sh {row}")
    training = trainings[row]
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


def read_trainings(path: Path) -> dict[str, Training]:
    """
    Read which commands train the rows of the results.

    :param path: ``scripts/results.sh``
    :return: trainings by the row's name
    :raises UserError: if it holds no rows
    """
    rows = re.findall(r"(?m)^([\w.-]+)\|(\w+)\|([\w.-]+)\|\d+\|\d+\|(.*)$", path.read_text(encoding="utf-8"))
    if not rows:
        raise UserError(f"{path}: no rows 'name|algorithm|environment|steps|episodes|flags'")
    return {
        name: Training(algo, env_id, re.sub(r"--tensorboard-log \S+", "", flags)) for name, algo, env_id, flags in rows
    }
