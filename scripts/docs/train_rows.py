"""
Train and evaluate rows of the pages of results: what `bash scripts/results.sh` runs.

    python scripts/measure.py rows CartPole-v1_reinforce
    python scripts/measure.py rows CartPole-v1_reinforce --seeds 100 101    # to try something
"""

import argparse
import multiprocessing
import os
import time
from pathlib import Path

from docs.rows import Row, read_rows
from docs.seeds import reporting_seeds
from sb3_ext.app.errors import UserError, did_you_mean
from sb3_ext.cli import main

ROOT = Path(__file__).resolve().parents[2]
LOGS = Path("results-logs")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.add_argument("rows", nargs="*", metavar="ROW", help="rows of scripts/docs/rows.txt, all by default")
    parser.add_argument("--new-seeds", action="store_true", help="draw new seeds for rows that have some")
    parser.add_argument("--count", type=int, metavar="N", help="how many seeds to draw (default: 10, Ms. Pac-Man 5)")
    parser.add_argument(
        "--seeds", type=int, nargs="+", metavar="SEED", help="others than those drawn; the table goes to results-logs/"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="processes, by default the cores")


def run(args: argparse.Namespace) -> None:
    """Train and evaluate."""
    known = read_rows(ROOT)
    for name in args.rows:
        if name not in known:
            raise UserError(f"there is no row {name!r}.{did_you_mean(name, known)} See scripts/docs/rows.txt")
    rows = [known[name] for name in args.rows or known]
    for row in rows:
        if (LOGS / row.name).exists():
            raise UserError(f"{LOGS / row.name} exists: repeated seeds would count twice, move it away first")
    if any(row.name == "Robyn_ppo" for row in rows) and not Path("market.json").is_file():
        raise UserError("Robyn_ppo reads market.json: docs/planning.md has the command that makes it")
    drawn = {} if args.seeds else reporting_seeds(ROOT, rows, args.count, args.new_seeds)
    LOGS.mkdir(exist_ok=True)
    tasks = [(row, drawn.get(row.name, args.seeds), not args.seeds) for row in rows]
    with multiprocessing.get_context("spawn").Pool(args.jobs, maxtasksperchild=1) as pool:
        for line in pool.imap_unordered(_run_row, tasks, chunksize=1):
            print(line, flush=True)


def _run_row(task: tuple[Row, list[int], bool]) -> str:
    """Train and evaluate a row in a process of its own, whose output goes to a log."""
    (row, seeds, report), start = task, time.monotonic()
    with (LOGS / f"{row.name}.log").open("w") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    agents = ["--algo", row.algo, "--env", row.env_id, "-f", f"{LOGS / row.name}"]
    quiet = ["--num-threads", "1", "--verbose", "0"]
    evaluated = ["--eval-freq", f"{row.eval_freq}", "--eval-episodes", "5" if row.episodes > 1 else "1"]
    for seed in seeds:
        _run_cli("train", *agents, "--seed", f"{seed}", *quiet, *evaluated, *row.flags.split())
    command = ["evaluate", *agents, "--exp-id", "all", "-n", f"{row.episodes}"]
    if row.env_id.startswith("MsPacman"):
        command.append("--stochastic")  # the little exploration that is left, as is usual on Atari
    output = "docs/results/{}" if report else f"{LOGS}/{{}}/results"
    _run_cli(*command, "--output", output.format(row.name))
    if row.env_id.startswith("AdSpend") and row.episodes == 1:
        _run_cli(*command, "--load-best", "--output", output.format(f"{row.name}_best"))
    return f"{row.name} took {time.monotonic() - start:.0f} s"


def _run_cli(*arguments: str) -> None:
    if main(list(arguments)) != 0:
        raise UserError(f"sb3-ext {' '.join(arguments)} failed: see its log in {LOGS}/", 1)
