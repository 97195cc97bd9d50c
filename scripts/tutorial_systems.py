"""
Write docs/tutorial_systems.md: every system of the tutorials, from the results in docs/results/.

--measure    plays the baselines, plans MountainCar and learns the three states first (about two minutes)
--logs DIR   draws the trainings and films the agents found in DIR/ROW (log folders of scripts/results.sh)

Without them the page is rendered from what was measured and drawn before. Saved agents hold pickled Python objects:
give log folders that you trust.

Example: python scripts/tutorial_systems.py --measure --logs results-logs -P
"""

from __future__ import annotations

import argparse
import csv
import importlib
import itertools
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

# Before NumPy starts its threads; pygame draws without a screen.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")

from rich.progress import Progress

from docs.tutorials import baselines, mountain_car, pictures, three_states
from docs.tutorials.page import COMMAND, IMAGES, render_page
from docs.tutorials.systems import (
    Chapter,
    Score,
    System,
    Training,
    read_score,
    read_systems,
    read_trainings,
)
from sb3_ext.app.errors import UserError
from sb3_ext.common.files import atomic_path
from sb3_ext.evaluation.runs import find_runs
from sb3_ext.q_learning.plots import q_values_over_training
from sb3_ext.zoo import register

ROOT = Path(__file__).resolve().parent.parent
SEEDS = range(10)
GRID_POINTS = 400


def measure(docs: Path, progress: Progress) -> None:
    """Measure and draw what needs no training, or hardly any."""
    total = len(baselines.BASELINES) + 2 + len(three_states.SETTINGS) * len(SEEDS)
    task = progress.add_task("measuring", total=total)
    plan = mountain_car.plan_mountain_car(GRID_POINTS)
    save(pictures.mountain_car_figure(plan), docs / IMAGES / "mountain_car_values.png")
    lines = []
    for line in itertools.chain(baselines.measure_baselines(COMMAND), baselines.measure_plan(plan, COMMAND)):
        lines.append(line)
        progress.advance(task)
    write_csv(lines, docs / "results" / "tutorial_baselines.csv")
    trainings = []
    for exploration in three_states.SETTINGS:
        for seed in SEEDS:
            trainings.append(run := three_states.learn(exploration, seed))
            progress.advance(task)
            if seed == 0:
                title = f"Three states, Q-learning with {exploration}, seed 0"
                figure = q_values_over_training(run.steps, run.q_values, three_states.exact_q_values(), title=title)
                save(figure, docs / IMAGES / f"three_states_{exploration.replace(' ', '_')}.png")
    write_csv(three_states.records(trainings, COMMAND), docs / "results" / "three_state_mdp.csv")


def draw(docs: Path, system: System, training: Training, score: Score, logs: Sequence[Path]) -> None:
    """Draw the training of a system, and film its first seed's agent if that is asked for."""
    folder = next((path / system.row for path in logs if (path / system.row).is_dir()), None)
    if folder is None:
        raise UserError(f"there is no folder of that name in {', '.join(map(str, logs))}")
    runs, _ = find_runs(training.algo, training.env_id, str(folder), None)
    seeds = sorted(run.training_seed for run in runs if run.training_seed is not None)
    if seeds != sorted(score.seeds):
        raise UserError(f"{folder} has agents of the seeds {seeds}, the results are of {sorted(score.seeds)}")
    returns = [curve for run in runs if (curve := pictures.moving_average(run.folder)) is not None]
    losses = {name: curves for name in system.losses if (curves := pictures.logged(folder, name))}
    if returns:
        figure = pictures.training_figure(returns, losses, f"Training on {training.env_id}")
        save(figure, docs / IMAGES / f"{system.row}.png")
    if system.animation:
        first = min(runs, key=lambda run: run.training_seed or 0)
        width = 420 if training.env_id.startswith("AdSpend") else 240
        frames, milliseconds = pictures.record_episode(first, baselines.FIRST_SEED, width)
        pictures.save_gif(frames, milliseconds, docs / IMAGES / f"{system.row}.gif")


def draw_all(
    docs: Path, chapters: Sequence[Chapter], trainings: dict[str, Training], logs: Sequence[Path], progress: Progress
) -> None:
    """Draw all systems that have results."""
    systems = [system for chapter in chapters for system in chapter.systems if system.row in trainings]
    for system in progress.track(systems, description="drawing"):
        score = read_score(docs / "results" / system.row)
        if score is not None:
            try:
                draw(docs, system, trainings[system.row], score, logs)
            except UserError as error:
                warn(f"no new pictures of {system.row}: {error}")


def save(figure: Any, path: Path) -> None:
    """Save a figure, whole or not at all."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)


def write_csv(lines: Iterable[dict[str, Any]], path: Path) -> None:
    """Write records, whole or not at all."""
    records = list(lines)
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(records[0]))
        writer.writeheader()
        writer.writerows(records)


def warn(message: str) -> None:
    """Tell what is missing."""
    print(f"tutorial_systems: {message}", file=sys.stderr)


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true", help="measure what needs no training")
    parser.add_argument(
        "--logs", type=Path, nargs="+", metavar="DIR", help="log folders, the first one with a row counts"
    )
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="folder of the page (default: docs)")
    parser.add_argument("-P", "--progress", action="store_true", help="show a progress bar")
    args = parser.parse_args()
    register()
    importlib.import_module("rl_zoo3.import_envs")  # Atari's ids
    try:
        chapters = read_systems(args.docs / "tutorial_systems.yml")
        trainings = read_trainings(ROOT / "scripts" / "results.sh")
        with Progress(disable=not args.progress) as progress:
            if args.measure:
                measure(args.docs, progress)
            if args.logs:
                draw_all(args.docs, chapters, trainings, args.logs, progress)
        page = render_page(args.docs, chapters, trainings, COMMAND, warn)
        with atomic_path(args.docs / "tutorial_systems.md") as path:
            path.write_text(page, encoding="utf-8")
    except UserError as error:
        print(f"tutorial_systems: error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
