"""
The ``sb3-ext`` command: RL Zoo3's own commands, with the plugin's algorithms, environments and hyperparameters known.

The zoo parses its flags itself, so they are the zoo's, whatever its version. As in the zoo, ``--hyperparams``,
``--env-kwargs`` and strings in YAML files (``policy_kwargs: "dict(net_arch=[64])"``) are evaluated as Python: run only
files you trust.
"""

import argparse
import contextlib
import functools
import importlib
import os
import pkgutil
import re
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple, NoReturn

from sb3_ext import __version__
from sb3_ext.app.errors import UserError, did_you_mean, mistakes_explained
from sb3_ext.zoo import ALGORITHMS, register
from sb3_ext.zoo import checks as cli_checks

DEBUG_VARIABLE = "SB3_EXT_DEBUG"


class Command(NamedTuple):
    """
    One command of ``sb3-ext``.

    :param summary: one line for ``--help``
    :param target: ``"module:function"``, or ``"module"`` for a zoo script that runs when executed
    :param examples: argument lists for ``--help``
    :param check: called with the zoo's parsed arguments before the zoo acts on them; None for a command of our own,
        whose function takes the argument list and returns the exit code
    """

    summary: str
    target: str
    examples: tuple[str, ...]
    check: Callable[[argparse.Namespace], None] | None = None


COMMANDS: dict[str, Command] = {
    "train": Command(
        "train an agent, or search its hyperparameters with --optimize",
        "rl_zoo3.train:train",
        (
            "--algo ddpg_ext --env AdSpend-v0 --progress",
            "--algo ddpg_ext --env AdSpend-v0 -n 20000 --env-kwargs budget:50000 -params learning_rate:0.0005",
            "--algo ddpg_ext --env Pendulum-v1 -n 20000 --optimize --n-trials 50 --storage study.log --study-name ddpg",
            "--algo ppo --env CartPole-v1 --vec-env native -params n_envs:64",
        ),
        cli_checks.check_train,
    ),
    "enjoy": Command(
        "run a trained agent and print its returns",
        "rl_zoo3.enjoy:enjoy",
        (
            "--algo ddpg_ext --env AdSpend-v0 -f logs --no-render",
            "--algo ddpg_ext --env AdSpend-v0 -f logs --load-best",
        ),
        cli_checks.check_enjoy,
    ),
    "record_video": Command(
        "record a video of a trained agent",
        "rl_zoo3.record_video",
        ("--algo ddpg_ext --env AdSpend-v0 -f logs -n 28 -o videos",),
        cli_checks.check_record_video,
    ),
    "record_training": Command(
        "record one video of every checkpoint of a run (needs ffmpeg)",
        "rl_zoo3.record_training",
        ("--algo ddpg_ext --env AdSpend-v0 -f logs -n 28",),
        cli_checks.check_record_training,
    ),
    "plot_train": Command(
        "plot the training reward of runs",
        "rl_zoo3.plots.plot_train:plot_train",
        ("-a ddpg_ext -e AdSpend-v0 -f logs -w 20",),
        cli_checks.check_plot,
    ),
    "all_plots": Command(
        "tabulate and plot the evaluations of several runs",
        "rl_zoo3.plots.all_plots:all_plots",
        ("-a ddpg_ext ddpg -e Pendulum-v1 -f logs -o results --no-display",),
        cli_checks.check_plot,
    ),
    "plot_from_file": Command(
        "plot what all_plots saved, also with rliable",
        "rl_zoo3.plots.plot_from_file:plot_from_file",
        ("-i results.pkl -o results -r -iqm",),
        cli_checks.check_plot,
    ),
    "benchmark": Command(
        "measure every trained agent of a folder",
        "rl_zoo3.benchmark",
        ("--log-dir logs --no-hub --benchmark-dir logs/benchmark -n 10000",),
        cli_checks.check_benchmark,
    ),
    "plan": Command(
        "plan when to spend how much on which channel, from a media-mix model: a table, a CSV and a page",
        "sb3_ext.spend_plan.command:main",
        (
            "--market robyn.json --budget 2000000 --periods 26 --start 2027-01-04",
            "--market curves.csv --budget 500000 --periods 13 --carry-over tv=0.4",
        ),
    ),
    "tune": Command(
        "search hyperparameters in worker processes, and write the best ones as a YAML block",
        "sb3_ext.tuning.command:main",
        (
            "--algo ddpg_ext --env Pendulum-v1 -n 10000 --n-trials 30 -P",
            "--algo ppo --env AdSpendShock-v0 --vec-env native --n-workers 4",
        ),
    ),
    "storage-server": Command(
        "serve a database of studies to hundreds of workers (Optuna's gRPC proxy)",
        "sb3_ext.tuning.storage_server:main",
        ("--storage postgresql+psycopg://sb3:PASSWORD@10.0.0.1/sb3 --host 10.0.0.1",),
    ),
    "evaluate": Command(
        "compare trained agents with baselines, the certified optimum of their ad-budget problem or each other",
        "sb3_ext.evaluation.command:main",
        (
            "--algo ddpg_ext --env AdSpend-v0 -f logs --output results",
            "--algo dqn dueling_dqn --env CartPole-v1 MountainCar-v0 -f logs --normalize --output results",
        ),
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run one command.

    :param argv: the arguments after the program's name, those of the process by default
    :return: the exit code: 0, 1 for a run that failed, 2 for wrong usage
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_help())
        return 0 if arguments else 2
    if arguments[0] == "--version":
        print(f"sb3-ext {__version__}")
        return 0
    name, *rest = arguments
    if rest and f"{name} {rest[0]}" in COMMANDS:
        name, rest = f"{name} {rest[0]}", rest[1:]
    try:
        if name not in COMMANDS:
            raise UserError(f"unknown command {name!r}.{did_you_mean(name, COMMANDS)} Commands: {', '.join(COMMANDS)}")
        return _run(name, COMMANDS[name], rest)
    except UserError as error:
        if os.environ.get(DEBUG_VARIABLE, "0") != "0":
            raise
        print(f"sb3-ext {name}: error: {error}", file=sys.stderr)
        return error.exit_code
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    except KeyboardInterrupt:
        return 130


def _run(name: str, command: Command, argv: list[str]) -> int:
    if command.check is None:
        code: int = pkgutil.resolve_name(command.target)(argv)
        return code
    with contextlib.ExitStack() as stack:
        stack.enter_context(_replaced(sys, "argv", [f"sb3-ext {name}", *argv]))
        stack.enter_context(_checked_arguments(name, command))
        stack.enter_context(_replaced(subprocess, "call", functools.partial(_call_ours, subprocess.call)))
        register()
        if name == "train":
            from sb3_ext.zoo.experiment import CheckedExperimentManager

            train_module = importlib.import_module("rl_zoo3.train")
            stack.enter_context(_replaced(train_module, "ExperimentManager", CheckedExperimentManager))
            # From here on only UserError is the user's: what training itself raises keeps its traceback.
        else:
            stack.enter_context(mistakes_explained("stopped"))
            stack.enter_context(_loading_without_replay_memory())
        if ":" in command.target:
            pkgutil.resolve_name(command.target)()
        else:
            runpy.run_module(command.target, run_name="__main__")
    return 0


@contextlib.contextmanager
def _replaced(owner: object, name: str, value: object) -> Iterator[None]:
    original = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, original)


@contextlib.contextmanager
def _checked_arguments(name: str, command: Command) -> Iterator[None]:
    """Let the zoo's own parser show our examples and report errors in one line, and check what it returns."""
    original = argparse.ArgumentParser.parse_args

    def parse_args(parser: argparse.ArgumentParser, args: Any = None, namespace: Any = None) -> argparse.Namespace:
        argparse.ArgumentParser.parse_args = original  # type: ignore[method-assign]
        parser.prog = f"sb3-ext {name}"
        parser.description = command.summary
        parser.epilog = _examples(name, command)
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.error = functools.partial(_usage_error, name)  # type: ignore[method-assign]
        _offer_native(parser)
        try:
            parsed: argparse.Namespace = original(parser, args, namespace)
        except UserError:
            raise
        except Exception as error:
            raise UserError(
                f"cannot read a NAME:VALUE argument ({error}): values are Python expressions, for instance budget:50000"
                " or \"obs_mode:'full'\""
            ) from error
        assert command.check is not None
        command.check(parsed)
        return parsed

    with _replaced(argparse.ArgumentParser, "parse_args", parse_args):
        yield


def _offer_native(parser: argparse.ArgumentParser) -> None:
    for action in parser._actions:
        if action.dest == "vec_env" and action.choices is not None:
            action.choices = [*action.choices, "native"]
            action.help = "how environments run together; native: as the environment's own vectorised form"


def _usage_error(name: str, message: str) -> NoReturn:
    choice = re.search(r"invalid choice: '?([^' ]*)'? \(choose from (.*)\)", message)
    if choice:
        allowed = re.findall(r"[\w.-]+", choice[2])
        unknown = f"{message[: choice.start()]}unknown value {choice[1]!r}."
        message = f"{unknown}{did_you_mean(choice[1], allowed)} Choose from {', '.join(allowed)}"
    raise UserError(f"{message} (see `sb3-ext {name} --help`)")


@contextlib.contextmanager
def _loading_without_replay_memory() -> Iterator[None]:
    """
    Load our off-policy agents with a replay buffer of one transition, as the zoo's ``enjoy`` and ``record_video`` do
    for a fixed list of upstream keys.
    """
    from rl_zoo3.utils import ALGOS
    from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

    algos: dict[str, Any] = ALGOS
    ours = {key: algos[key] for key in ALGORITHMS if issubclass(algos[key], OffPolicyAlgorithm)}
    for key, algorithm in ours.items():
        load = functools.partial(algorithm.load, buffer_size=1, optimize_memory_usage=False)
        algos[key] = SimpleNamespace(load=load)
    try:
        yield
    finally:
        algos.update(ours)


def _call_ours(call: Callable[..., int], command: list[str], *args: Any, **kwargs: Any) -> int:
    """``benchmark`` and ``record_training`` start the zoo's scripts, which don't know our algorithms: start ours."""
    match command:
        case ["python", "enjoy.py", *rest]:
            command = [sys.executable, "-m", "sb3_ext", "enjoy", *rest]
        case ["python", "-m", "rl_zoo3.record_video", *rest]:
            command = [sys.executable, "-m", "sb3_ext", "record_video", *rest]
    return call(command, *args, **kwargs)


def _examples(name: str, command: Command) -> str:
    return "\n".join(["examples:", *(f"  sb3-ext {name} {example}" for example in command.examples)])


def _help() -> str:
    width = max(map(len, COMMANDS))
    return "\n".join(
        [
            "usage: sb3-ext COMMAND [FLAGS]     (the same as: python -m sb3_ext COMMAND [FLAGS])",
            "",
            "RL Zoo3 with the algorithms, environments and hyperparameters of sb3_ext.",
            "",
            "commands:",
            *(f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items()),
            "",
            "examples:",
            *(f"  sb3-ext {name} {COMMANDS[name].examples[0]}" for name in ("train", "evaluate", "plan")),
            "",
            f"algorithms: {', '.join(ALGORITHMS)}, and all of the zoo's",
            "`sb3-ext COMMAND --help` lists the flags of a command; `sb3-ext --version` prints the version.",
            f"Wrong input is reported in one line; {DEBUG_VARIABLE}=1 shows the traceback.",
        ]
    )
