"""
Measure and draw what docs/tutorial_systems.md shows, apart from the results of trained agents.

Without arguments: plays the baselines, plans MountainCar and the grid worlds, and learns the three states, in about
two minutes. With --logs: draws the trainings and films the agents found in DIR/ROW (log folders of the rows).
Saved agents hold pickled Python objects: give log folders that you trust.

Example: python scripts/measure.py tutorials --logs results-logs -P
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.progress import Progress

from docs.tutorials import baselines, grid_worlds, mountain_car, pictures, three_states
from docs.tutorials.systems import IMAGES, System, read_chapters
from sb3_ext.app.errors import UserError
from sb3_ext.app.records import write_records
from sb3_ext.common.files import atomic_path
from sb3_ext.evaluation.runs import find_runs
from sb3_ext.q_learning.plots import q_values_over_training
from sb3_ext.zoo import register

ROOT = Path(__file__).resolve().parents[3]
COMMAND = "python scripts/measure.py tutorials"
SEEDS = range(10)
GRID_POINTS = 400


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.add_argument(
        "--logs", type=Path, nargs="+", metavar="DIR", help="log folders, the first one with a row counts"
    )
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository (default: this one)")
    parser.add_argument("-P", "--progress", action="store_true", help="show a progress bar")


def run(args: argparse.Namespace) -> None:
    """Measure or draw."""
    register()
    importlib.import_module("rl_zoo3.import_envs")  # Atari's ids
    with Progress(disable=not args.progress) as progress:
        if args.logs:
            systems = [system for chapter in read_chapters(args.root) for system in chapter.systems]
            for system in progress.track(systems, description="drawing"):
                try:
                    draw(args.root / "docs", system, args.logs)
                except UserError as error:
                    print(f"no new pictures of {system.row}: {error}", file=sys.stderr)
        else:
            measure(args.root / "docs", progress)


def measure(docs: Path, progress: Progress) -> None:
    """Measure and draw what needs no training, or hardly any."""
    total = len(baselines.BASELINES) + 2 + len(three_states.SETTINGS) * len(SEEDS)
    task = progress.add_task("measuring", total=total)
    plan = mountain_car.plan_mountain_car(GRID_POINTS)
    save(pictures.mountain_car_figure(plan), docs / IMAGES / "mountain_car_values.png")
    for env_id, figure in grid_worlds.draw_worlds():
        save(figure, docs / IMAGES / f"{env_id}_plan.png")
    lines = []
    for line in itertools.chain(baselines.measure_baselines(COMMAND), baselines.measure_plan(plan, COMMAND)):
        lines.append(line)
        progress.advance(task)
    write_records(lines, docs / "results" / "tutorial_baselines.csv")
    trainings = []
    for exploration in three_states.SETTINGS:
        for seed in SEEDS:
            trainings.append(run := three_states.learn(exploration, seed))
            progress.advance(task)
            if seed == 0:
                title = f"Three states, Q-learning with {exploration}, seed 0"
                figure = q_values_over_training(run.steps, run.q_values, three_states.exact_q_values(), title=title)
                save(figure, docs / IMAGES / f"three_states_{exploration.replace(' ', '_')}.png")
    write_records(list(three_states.records(trainings, COMMAND)), docs / "results" / "three_state_mdp.csv")


def draw(docs: Path, system: System, logs: Sequence[Path]) -> None:
    """
    Draw the training of a system, and film its first seed's agent if that is asked for.

    :param docs: folder of the pages
    :param system: the system
    :param logs: log folders, of which the first one with the system's row counts
    :raises UserError: if none has it, or its agents are not those of the results
    """
    folder = next((path / system.row for path in logs if (path / system.row).is_dir()), None)
    if folder is None:
        raise UserError(f"there is no folder of that name in {', '.join(map(str, logs))}")
    runs, _ = find_runs(system.training.algo, system.training.env_id, str(folder), None)
    seeds = sorted(run.training_seed for run in runs if run.training_seed is not None)
    if seeds != system.figures.training_seeds:
        raise UserError(f"{folder} has agents of the seeds {seeds}, the results are of {system.figures.training_seeds}")
    returns = [curve for run in runs if (curve := pictures.moving_average(run.folder)) is not None]
    losses = {name: curves for name in system.losses if (curves := pictures.logged(folder, name))}
    if returns:
        figure = pictures.training_figure(returns, losses, f"Training on {system.training.env_id}")
        save(figure, docs / IMAGES / f"{system.row}.png")
    if system.animation:
        first = min(runs, key=lambda run: run.training_seed or 0)
        width = 420 if system.training.env_id.startswith("AdSpend") else 240
        frames, milliseconds = pictures.record_episode(first, baselines.FIRST_SEED, width)
        pictures.save_gif(frames, milliseconds, docs / IMAGES / f"{system.row}.gif")


def save(figure: Any, path: Path) -> None:
    """Save a figure, whole or not at all."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)
