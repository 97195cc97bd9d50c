"""
Count what policy searches needed until they stopped: steps, episodes and generations, as their saved models say.

    bash scripts/results.sh CartPole-v1_hill_climbing CartPole-v1_annealing CartPole-v1_cross_entropy
    python scripts/measure.py searches results-logs/CartPole-v1_{hill_climbing,annealing,cross_entropy}

Writes docs/results/CartPole-v1_searches.csv. Strategies that are not among the folders keep their lines.
"""

import argparse
import json
import zipfile
from pathlib import Path
from typing import Any

from sb3_ext.app.errors import UserError
from sb3_ext.app.records import read_records, write_records

PATH = Path(__file__).resolve().parents[2] / "docs" / "results" / "CartPole-v1_searches.csv"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.add_argument("logs", type=Path, nargs="+", metavar="DIR", help="log folders of searches on CartPole-v1")


def run(args: argparse.Namespace) -> None:
    """Count."""
    lines = [count(model) for folder in args.logs for model in folder.glob("policy_search/*/CartPole-v1.zip")]
    if not lines:
        raise UserError(f"there are no trained searches on CartPole-v1 in {', '.join(map(str, args.logs))}")
    counted = {line["strategy"] for line in lines}
    kept = [line for line in read_records(PATH) if line["strategy"] not in counted]
    write_records(sorted([*kept, *lines], key=lambda line: (line["strategy"], int(line["training_seed"]))), PATH)


def count(model: Path) -> dict[str, Any]:
    """Read a line off a saved model."""
    saved = json.loads(zipfile.ZipFile(model).read("data"))
    return {
        "strategy": saved["strategy"],
        "training_seed": saved["seed"],
        "steps": saved["num_timesteps"],
        "episodes": saved["_episode_num"],
        "generations": saved["_n_updates"],
    }
