"""The command ``sb3-ext evaluate``: trained agents against every baseline and the certified optimum."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, cast

import gymnasium as gym

from sb3_ext.envs.ad_spend import AdSpendEnv
from sb3_ext.errors import UserError, did_you_mean, mistakes_explained
from sb3_ext.evaluation.measure import Measurement, ad_spend_env, measure, references
from sb3_ext.evaluation.report import Agent, Evaluation, terminal_table, write_csv, write_episodes_csv, write_markdown
from sb3_ext.evaluation.runs import Run, find_runs, read_run

# More episodes at once pay off little and, on Atari, cost memory.
_PARALLEL_EPISODES = 16

_DESCRIPTION = """\
Evaluate trained agents. On an AdSpend environment the table holds every baseline and the certified optimum too.

All policies face the same episodes: episode k is seeded with SEED + k. Returns are those of the environment itself,
without reward normalization or shaping. Several runs count as several training seeds: the table ends with their
interquartile mean (IQM), its 95 % bootstrap interval and the worst run.

Saved models and run folders hold pickled Python objects: load only those you trust.
"""
_EXAMPLES = """\
examples:
  sb3-ext evaluate --algo ddpg_ext --env AdSpend-v0 -f logs --output results
  sb3-ext evaluate --algo ddpg_ext --env AdSpend-v0 -f logs --exp-id all -n 5 --output results
  sb3-ext evaluate --algo ddpg_ext --env Pendulum-v1 -f logs --exp-id 1 2 3 --load-best
  sb3-ext evaluate --algo ddpg_ext --env AdSpend-v0 --model mine.zip --env-kwargs budget:50000

output files (--output DIR): results.csv (raw), episodes.csv (every return), results.md, learning_curve.png,
and for AdSpend spend_plan.png
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message} (see `sb3-ext evaluate --help`)")


def main(argv: Sequence[str] | None = None) -> int:
    """
    Evaluate agents as the command line says.

    :param argv: Arguments; those of the process by default.
    :return: Exit code 0.
    :raises UserError: If an argument is wrong, or an agent or its environment cannot be loaded.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    args = _parse(arguments)
    runs = _runs(args)
    seeds = range(args.seed, args.seed + args.n_eval_episodes)
    for run in runs:
        if run.training_seed in seeds:
            _warn(f"{run.name} was trained with seed {run.training_seed}, which is also an evaluation seed: set --seed")
    command = f"sb3-ext evaluate {shlex.join(arguments)}"
    evaluation, campaign = _evaluate(args, runs, seeds, command)

    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(terminal_table(evaluation), highlight=False)
    for sentence in (evaluation.certificate, evaluation.lead):
        if sentence:
            console.print(sentence, highlight=False)
    if args.output is not None:
        with mistakes_explained(f"cannot write to {args.output!r}"):
            written = _write(evaluation, campaign, Path(args.output))
        console.print(f"Written: {', '.join(map(str, written))}", highlight=False, soft_wrap=True)
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    from rl_zoo3.utils import ALGOS, StoreDict

    from sb3_ext.cli_checks import check_environment, check_writable
    from sb3_ext.zoo import register

    register()
    parser = _Parser(
        "sb3-ext evaluate",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--algo", required=True, help="algorithm key, e.g. ddpg_ext")
    add("--env", required=True, help="environment id, e.g. AdSpend-v0")
    add("-f", "--folder", default="logs", help="log folder of the training (default: logs)")
    add("--exp-id", nargs="+", metavar="ID", help="runs: numbers, 0 for the latest (default), or all")
    add("--model", nargs="+", metavar="ZIP", help="saved models to evaluate in place of runs of the log folder")
    add("--load-best", action="store_true", help="take the best model of each run's evaluations, not the last")
    add("-n", "--n-eval-episodes", type=int, default=20, metavar="N", help="episodes per policy (default: 20)")
    add("--seed", type=int, default=10_000, help="seed of the first episode (default: 10000)")
    add("--stochastic", action="store_true", help="sample the agent's actions")
    add(
        "--env-kwargs",
        nargs="+",
        action=StoreDict,
        metavar="NAME:VALUE",
        help="environment arguments, over those of training",
    )
    add("--gym-packages", nargs="+", default=[], metavar="PACKAGE", help="packages that register environments")
    add("--output", metavar="DIR", help="folder for tables and figures")
    add("-P", "--progress", action="store_true", help="show a progress bar")
    try:
        args = parser.parse_args(argv)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"--env-kwargs: cannot read a value ({error}): give NAME:VALUE in Python, e.g. budget:50000"
        ) from error
    if args.algo not in ALGOS:
        raise UserError(
            f"--algo: unknown algorithm {args.algo!r}.{did_you_mean(args.algo, ALGOS)} Choose from {', '.join(ALGOS)}"
        )
    if args.n_eval_episodes < 1:
        raise UserError(f"--n-eval-episodes is {args.n_eval_episodes}: give a number >= 1")
    if not 0 <= args.seed <= 2**32 - 1 - args.n_eval_episodes:
        raise UserError(f"--seed is {args.seed}: give a number from 0 to {2**32 - 1 - args.n_eval_episodes}")
    if args.model and (args.exp_id or args.load_best):
        raise UserError("--model names the files to load: leave out --exp-id and --load-best")
    if args.output is not None:
        check_writable(args.output, "--output")
    if args.output is not None:
        _need_matplotlib()
    check_environment(args)
    return args


def _need_matplotlib() -> None:
    try:
        import sb3_ext.common.charts  # noqa: F401
    except ImportError as error:
        raise UserError(f"--output: {error}", exit_code=1) from error


def _runs(args: argparse.Namespace) -> list[Run]:
    """The agents to evaluate, all on the same environment."""
    if args.model:
        names = _short_names([Path(path) for path in args.model])
        runs = [read_run(name, args.algo, args.env, path) for name, path in zip(names, args.model, strict=True)]
    else:
        runs, unfinished = find_runs(args.algo, args.env, args.folder, _exp_ids(args.exp_id), args.load_best)
        if unfinished:
            _warn(f"skipped without a model: {', '.join(unfinished)}")
    runs = [replace(run, env_kwargs={**run.env_kwargs, **(args.env_kwargs or {})}) for run in runs]
    for run in runs:
        if run.env_kwargs != runs[0].env_kwargs:
            raise UserError(
                f"{runs[0].name} and {run.name} were trained on different problems ({runs[0].env_kwargs} and "
                f"{run.env_kwargs}): evaluate them one by one, or give --env-kwargs"
            )
    seeds = [run.training_seed for run in runs if run.training_seed is not None]
    if len(set(seeds)) < len(seeds):
        _warn(f"runs share training seeds ({seeds}): they are not independent, the interval is too narrow")
    if any(run.hyperparams != runs[0].hyperparams for run in runs):
        _warn("the runs differ in their hyperparameters: their mean is not that of one setting")
    return runs


def _exp_ids(given: list[str] | None) -> list[int] | None:
    if given == ["all"]:
        return None
    try:
        numbers = [int(text) for text in given or ["0"]]
    except ValueError:
        numbers = [-1]
    if min(numbers) < 0:
        raise UserError(f"--exp-id is {' '.join(given or [])!r}: give numbers of runs, 0 for the latest, or all")
    return numbers


def _short_names(paths: list[Path]) -> list[str]:
    """File names where they tell the models apart, else the whole paths."""
    names = [path.name for path in paths]
    return names if len(set(names)) == len(names) else [path.as_posix() for path in paths]


def _evaluate(
    args: argparse.Namespace, runs: list[Run], seeds: range, command: str
) -> tuple[Evaluation, AdSpendEnv | None]:
    from rich.progress import Progress
    from stable_baselines3.common.monitor import Monitor
    from stable_baselines3.common.vec_env import DummyVecEnv

    from sb3_ext.envs.ad_spend.baselines import all_baselines

    env_kwargs = runs[0].env_kwargs
    agents: list[Agent] = []
    measured: dict[str, Measurement] = {}
    with mistakes_explained(f"cannot build {args.env}"):
        plain_env = ad_spend_env(args.env, env_kwargs)
        baselines = {} if plain_env is None else all_baselines(plain_env, seed=seeds[0])
        campaign = None if plain_env is None else plain_env.unwrapped
        assert campaign is None or isinstance(campaign, AdSpendEnv)
        known = None if campaign is None else references(campaign, seeds)
    with Progress(disable=not args.progress) as progress:
        task = progress.add_task("evaluating", total=len(runs) + len(baselines))
        for run in runs:
            env = run.make_env(seeds[0], min(len(seeds), _PARALLEL_EPISODES))
            model = run.load(env, seeds[0])
            agents.append(Agent(run, model.num_timesteps, measure(model, env, seeds, not args.stochastic)))
            env.close()
            progress.advance(task)
        if plain_env is not None:
            makers = [
                lambda: cast(Any, Monitor(gym.make(args.env, **env_kwargs)))
                for _ in range(min(len(seeds), _PARALLEL_EPISODES))
            ]
            vec_env = DummyVecEnv(makers)
            for name, policy in baselines.items():
                measured[name] = measure(policy, vec_env, seeds)
                progress.advance(task)
    evaluation = Evaluation(
        args.env, env_kwargs, args.algo, seeds, not args.stochastic, command, agents, measured, known
    )
    return evaluation, campaign


def _write(evaluation: Evaluation, campaign: AdSpendEnv | None, folder: Path) -> list[Path]:
    from sb3_ext.common.files import atomic_path
    from sb3_ext.evaluation.figures import learning_curve_figure, spend_plan_figure

    table, raw = folder / "results.md", folder / "results.csv"
    write_markdown(evaluation, table)
    write_csv(evaluation, raw)
    written = [table, raw]
    if len(evaluation.seeds) > 1:
        write_episodes_csv(evaluation, folder / "episodes.csv")
        written.append(folder / "episodes.csv")
    figures = {"spend_plan.png": None if campaign is None else spend_plan_figure(evaluation, campaign)}
    try:
        figures["learning_curve.png"] = learning_curve_figure(evaluation)
    except ValueError as error:
        _warn(f"no learning curve: {error}")
    for name, figure in figures.items():
        if figure is not None:
            with atomic_path(folder / name) as path:
                figure.savefig(path, dpi=150)
            written.append(folder / name)
    return written


def _warn(message: str) -> None:
    print(f"sb3-ext evaluate: warning: {message}", file=sys.stderr)
