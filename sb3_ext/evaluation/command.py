"""The command ``sb3-ext evaluate``: trained agents against baselines and the certified optimum, or each other."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sb3_ext.app.console import console
from sb3_ext.app.document import add_json_argument, print_json
from sb3_ext.app.errors import UserError, mistakes_explained
from sb3_ext.app.files import check_writable
from sb3_ext.app.parser import Parser, add_safe_argument
from sb3_ext.app.ray import add_ray_arguments, ray_options
from sb3_ext.evaluation.evaluate import evaluate
from sb3_ext.evaluation.report import document, tables, write_results
from sb3_ext.evaluation.runs import Reading
from sb3_ext.evaluation.settings import arguments_by_environment, chosen_settings, numbers_by_environment, runs_of

_DESCRIPTION = """\
Evaluate trained agents. On an AdSpend environment the table holds every baseline and the certified optimum too.

All policies face the same episodes: episode k is seeded with SEED + k. The environment is that of the evaluations
during training. Returns are its own, without reward normalization or shaping. Several runs count as several training
seeds: the table ends with their interquartile mean (IQM), its 95 % bootstrap interval and the worst run.

Several algorithms, environments or groups, and any of --threshold, --ceiling and --normalize, make a comparison:
statistics of every setting on every environment, success, steps to the threshold, gap to the ceiling, and how likely a
run of one setting beats a run of another. docs/evaluation.md says what every number is.

Saved models and run folders are loaded without running code in them; --no-safe unpickles them as Stable-Baselines3
does. Values of --env-kwargs are evaluated as Python.
"""
_EXAMPLES = """\
examples:
  sb3-ext evaluate --algo ddpg_ext --env AdSpend-v0 -f logs --output results
  sb3-ext evaluate --algo ddpg_ext --env AdSpend-v0 -f logs --exp-id all -n 5 --output results
  sb3-ext evaluate --algo ddpg_ext --env Pendulum-v1 -f logs --exp-id 1 2 3 --load-best
  sb3-ext evaluate --algo ddpg_ext --env AdSpend-v0 --model mine.zip --env-kwargs budget:50000
  sb3-ext evaluate --algo dqn dueling_dqn --env CartPole-v1 MountainCar-v0 -f logs --normalize --output results
  sb3-ext evaluate --algo dqn --env CartPole-v1 MountainCar-v0 --env-kwargs MountainCar-v0=max_episode_steps:500
  sb3-ext evaluate --algo dueling_dqn --env MountainCar-v0 --group plain=logs/plain double=logs/double --threshold -110

output files (--output DIR): results.csv (raw), episodes.csv (every return), results.md, learning_curve.png,
and for AdSpend spend_plan.png; of a comparison summary.csv, improvement.csv, results.json, and pictures of scores,
learning curves over steps and seconds, and performance profiles
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Evaluate agents as the command line says."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    args = _parse(arguments)
    settings = chosen_settings(args)
    compares = any((args.group, args.threshold, args.ceiling, args.normalize, settings[1:], args.env[1:]))
    exp_ids = _exp_ids(args.exp_id or (["all"] if compares else ["0"]))
    runs = [
        replace(run, setting=setting.name, env_kwargs=run.env_kwargs | args.env_kwargs[env_id])
        for env_id in args.env
        for setting in settings
        for run in runs_of(setting, env_id, exp_ids, args.load_best, Reading(args.safe, args.gym_packages))
    ]
    seeds = range(args.seed, args.seed + args.n_eval_episodes)
    command = f"sb3-ext evaluate {shlex.join(arguments)}"
    with contextlib.redirect_stdout(sys.stderr) if args.json else contextlib.nullcontext():
        comparison, played = evaluate(args, runs, seeds, command, compares)
    screen = console()
    if not args.json:
        screen.print(f"{comparison.caption}.")
        for table in tables(comparison):
            screen.print()
            screen.print(table)
    written: list[Path] = []
    if args.output is not None:
        with mistakes_explained(f"cannot write to {args.output!r}"):
            written = write_results(comparison, played, Path(args.output))
    if args.json:
        print_json({**document(comparison), "written": [str(path) for path in written]})
    elif written:
        screen.print(f"Written: {', '.join(map(str, written))}")
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    from sb3_ext.zoo.checks import check_algorithm, check_environment
    from sb3_ext.zoo.names import check_environment_arguments

    parser = Parser("evaluate", _DESCRIPTION, _EXAMPLES)
    add = parser.add_argument
    add("--algo", nargs="+", required=True, help="algorithm keys, e.g. ddpg_ext")
    add("--env", nargs="+", required=True, help="environment ids, e.g. AdSpend-v0")
    add("-f", "--folder", nargs="+", help="log folders of the training, whose runs count together (default: logs)")
    add(
        "--group",
        nargs="+",
        metavar="NAME=FOLDER",
        help="log folders (or saved models) to compare under names of their own; several of one name, or that match a "
        "pattern such as 'double=logs/double/seed_*', count together",
    )
    add(
        "--exp-id",
        nargs="+",
        metavar="ID",
        help="runs: numbers, 0 for the latest (default), or all (default in a comparison)",
    )
    add("--model", nargs="+", metavar="ZIP", help="saved models to evaluate in place of runs of the log folder")
    add("--load-best", action="store_true", help="take the best model of each run's evaluations, not the last")
    add("-n", "--n-eval-episodes", type=int, default=20, metavar="N", help="episodes per policy (default: 20)")
    add("--seed", type=int, default=10_000, help="seed of the first episode (default: 10000)")
    add("--stochastic", action="store_true", help="sample the agent's actions")
    add(
        "--threshold",
        nargs="+",
        metavar="[ENV=]NUMBER",
        help="mean return of a successful run (default: the environment's reward threshold, if its arguments leave it)",
    )
    add("--ceiling", nargs="+", metavar="[ENV=]NUMBER", help="the best that is possible (default: where it is known)")
    add("--normalize", action="store_true", help="scores from 0, random actions, to 1, the ceiling, over environments")
    add("--n-jobs", type=int, default=1, metavar="N", help="processes that evaluate runs (default: 1)")
    add_ray_arguments(add)
    add(
        "--env-kwargs",
        nargs="+",
        metavar="[ENV=]NAME:VALUE",
        help="environment arguments, over those of the evaluations during training: --eval-env-kwargs of `train`, or "
        "else the arguments of the training itself",
    )
    add("--gym-packages", nargs="+", default=[], metavar="PACKAGE", help="packages that register environments")
    add("--output", metavar="DIR", help="folder for tables and figures")
    add_safe_argument(add)
    add_json_argument(add)
    add("-P", "--progress", action="store_true", help="show a progress bar")
    args: argparse.Namespace = parser.parse_args(argv)
    args.algo, args.env = list(dict.fromkeys(args.algo)), list(dict.fromkeys(args.env))
    for algo in args.algo:
        check_algorithm(algo)
    if args.n_eval_episodes < 1:
        raise UserError(f"--n-eval-episodes is {args.n_eval_episodes}: give a number >= 1")
    if not 0 <= args.seed <= 2**32 - 1 - args.n_eval_episodes:
        raise UserError(f"--seed is {args.seed}: give a number from 0 to {2**32 - 1 - args.n_eval_episodes}")
    if args.n_jobs < 1:
        raise UserError(f"--n-jobs is {args.n_jobs}: give a number >= 1")
    if ray_options(args) is not None and args.n_jobs > 1:
        raise UserError("--n-jobs counts processes of this machine: leave it out with --ray-address")
    if args.model and (args.exp_id or args.load_best):
        raise UserError("--model names the files to load: leave out --exp-id and --load-best")
    if args.model and (args.group or len(args.algo) > 1 or len(args.env) > 1):
        raise UserError("--model goes with one --algo and one --env: compare saved models as --group NAME=ZIP ...")
    if args.group and args.folder:
        raise UserError("-f and --group both name folders: give one of them")
    if args.output is not None:
        check_writable(args.output, "--output")
    for index, env_id in enumerate(args.env):
        checked = argparse.Namespace(env=env_id, gym_packages=args.gym_packages)
        check_environment(checked)
        args.env[index], args.gym_packages = checked.env, checked.gym_packages
    args.threshold = numbers_by_environment("--threshold", args.threshold, args.env)
    args.ceiling = numbers_by_environment("--ceiling", args.ceiling, args.env)
    args.env_kwargs = arguments_by_environment(args.env_kwargs, args.env)
    for env_id, env_kwargs in args.env_kwargs.items():
        check_environment_arguments(env_id, env_kwargs, "--env-kwargs")
    return args


def _exp_ids(given: list[str]) -> list[int] | None:
    if given == ["all"]:
        return None
    try:
        numbers = [int(text) for text in given]
    except ValueError:
        numbers = [-1]
    if min(numbers) < 0:
        raise UserError(f"--exp-id is {' '.join(given)!r}: give numbers of runs, 0 for the latest, or all")
    return numbers
