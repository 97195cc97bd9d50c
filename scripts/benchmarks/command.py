"""The command that measures speed and memory."""

from __future__ import annotations

import argparse
import importlib
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import torch as th
from rich.console import Console
from rich.progress import Progress

from benchmarks.chart import Bar, write_chart
from benchmarks.groups import Group, measure_group
from benchmarks.records import read_csv
from benchmarks.report import Measured, machine, table, write_csv
from benchmarks.rivals import SBX_VARIABLE, sbx_versions
from sb3_ext.app.console import console
from sb3_ext.app.errors import UserError, mistakes_explained
from sb3_ext.app.files import check_writable

SECTIONS = {
    "updates": "gradient updates per second of DDPG and DuelingDQN, eager and compiled, beside SB3's and sbx's",
    "training": "steps per second of whole trainings, beside SB3, sbx and plain PyTorch loops",
    "on_policy": "steps per second of PPO, eager and compiled, beside SB3's",
    "images": "gradient updates per second on stacked images, on one and two threads, beside SB3's DQN",
    "memory": "peak memory of replaying Atari frames (takes 6 GB)",
    "environments": "steps per second of environments, one by one, thousands at once and as SB3's VecEnv",
    "replay": "prioritized replay beside SB3's uniform one, and beside cpprb's and torchrl's where they are installed",
    "frames": "memory and speed of FrameReplayBuffer beside SB3's ReplayBuffer (takes 4 GB)",
    "pacman": "steps per second of Ms. Pac-Man, preprocessed and stacked, beside SB3's Atari wrappers",
    "imports": "how long imports take",
}
"""What is measured, by module of this package: each has ``groups(quick)``."""

PROGRAM = "python scripts/benchmark.py"
THREADS = 1
"""Of NumPy, and of PyTorch unless a group says otherwise."""

_DESCRIPTION = f"""\
Measure speed and memory beside what others offer, on {THREADS} thread unless said. All sections take about twelve
minutes on two cores, five of them for `updates`; nothing else should run meanwhile.

What is compared is measured in turns, so that a slow moment of the machine hits all alike. Shown are medians over the
repeats; a ratio is taken within a repeat, value over value. With --output every value goes to a CSV, with a bar chart
beside it; sections that the CSV holds and that are not measured now stay in it.
"""
_EXAMPLES = (
    "--output docs/results/speed.csv",
    "--sections updates training --sbx-python ../sbx/bin/python",
    "--sections replay frames --repeats 9",
    "--sections pacman --quick",
)


def main(argv: Sequence[str] | None = None) -> None:
    """
    Measure what the command line asks for, print tables and, if asked, write every value as CSV.

    :param argv: arguments; those of the process by default
    :raises UserError: if an argument is wrong, or the CSV cannot be written
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    _measure(_parse(arguments), f"{PROGRAM} {shlex.join(arguments)}".rstrip())


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    width = max(map(len, SECTIONS))
    lines = [f"  {name:{width}}  {summary}" for name, summary in SECTIONS.items()]
    lines += ["", "examples:", *(f"  {PROGRAM} {example}" for example in _EXAMPLES)]
    parser = argparse.ArgumentParser(
        PROGRAM,
        description=_DESCRIPTION,
        epilog="\n".join(["sections:", *lines]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--sections", nargs="+", default=list(SECTIONS), choices=SECTIONS, metavar="NAME", help="default: everything"
    )
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="values of each measurement (default: 5)")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="small sizes, to see that it works: figures mean nothing, nothing is compiled",
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="CSV file, and a PNG of the same name")
    parser.add_argument(
        "--sbx-python",
        metavar="PATH",
        default=os.environ.get(SBX_VARIABLE),
        help=f"a Python that has sbx, to be measured too (default: ${SBX_VARIABLE})",
    )
    args = parser.parse_args(argv)
    args.sections = list(dict.fromkeys(args.sections))
    if args.repeats < 1:
        raise UserError(f"--repeats is {args.repeats}: give a number of at least 1")
    if args.output is not None:
        if args.output.is_dir():
            raise UserError(f"--output: {str(args.output)!r} is a folder: give a file, such as speed.csv")
        check_writable(str(args.output.parent), "--output")
        if args.output.exists():
            read_csv(args.output)
    if args.sbx_python:
        sbx_versions(args.sbx_python)
        os.environ[SBX_VARIABLE] = args.sbx_python
    return args


def _measure(args: argparse.Namespace, command: str) -> None:
    output = console()
    more_versions = sbx_versions(args.sbx_python) if args.sbx_python else {}
    here = machine(THREADS)
    output.print(", ".join(f"{name} {value}" for name, value in here.items()))
    groups: list[tuple[str, Group]] = [
        (name, group)
        for name in args.sections
        for group in importlib.import_module(f"benchmarks.{name}").groups(args.quick)
    ]
    measured: list[Measured] = []
    # A bar that redraws itself from a thread of its own would disturb what is measured.
    bar = Console(stderr=True)
    with Progress(
        console=bar,
        auto_refresh=False,
        disable=not bar.is_terminal,
        redirect_stdout=sys.stdout.isatty(),
        transient=True,
    ) as progress:
        task = progress.add_task("measuring", total=sum(1 if group.once else args.repeats for _, group in groups))

        def advance() -> None:
            progress.update(task, advance=1, refresh=True)

        for section, group in groups:
            progress.update(task, description=f"{section}: {group.quantity}", refresh=True)
            measured.append(Measured(section, group, *measure_group(group, args.repeats, advance)))
            output.print(table(measured[-1]))
    th.set_num_threads(THREADS)
    if args.output is not None:
        with mistakes_explained(f"cannot write {str(args.output)!r}"):
            write_csv(measured, args.output, command, here, more_versions)
        output.print(f"Written: {args.output}")
        picture = args.output.with_suffix(".png")
        with mistakes_explained(f"cannot draw {str(picture)!r}"):
            bars = [Bar.of(each.caption, each.group.unit, result) for each in measured for result in each.results]
            write_chart([bar for bar in bars if bar is not None], picture)
        output.print(f"Written: {picture}")
