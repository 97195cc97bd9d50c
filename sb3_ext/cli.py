"""
The ``sb3-ext`` command: RL Zoo3's own commands, with the plugin's algorithms, environments and hyperparameters known.

The zoo parses its flags itself, so they are the zoo's, whatever its version. As in the zoo, ``--hyperparams``,
``--env-kwargs`` and strings in YAML files (``policy_kwargs: "dict(net_arch=[64])"``) are evaluated as Python: run only
files you trust. Agents are loaded without running code in their files, unless ``--no-safe`` is given.
"""

import argparse
import contextlib
import functools
import os
import pkgutil
import runpy
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

from sb3_ext import __version__
from sb3_ext.app.errors import DISK_ERRORS, UserError, did_you_mean, mistakes_explained, user_mistake
from sb3_ext.app.parser import Parser
from sb3_ext.common.wording import printable
from sb3_ext.zoo import ALGORITHMS, checks, interruption, patches

__all__ = ["main"]


class Command(NamedTuple):
    """One command of ``sb3-ext``."""

    summary: str
    target: str
    """``"module:function"``, or ``"module"`` for a zoo script that runs when executed."""
    examples: tuple[str, ...]
    check: Callable[[argparse.Namespace], None] | None = None
    """
    Called with the zoo's parsed arguments before the zoo acts on them; None for a command of our own, whose function
    takes the argument list and returns the exit code.
    """
    runs: str = "Values of --env-kwargs are evaluated as Python."
    """What it evaluates or unpickles, besides what --no-safe allows."""


COMMANDS: dict[str, Command] = {
    "train": Command(
        "train an agent, or search its hyperparameters with --optimize",
        "rl_zoo3.train:train",
        (
            "--algo ddpg_ext --env AdSpend-v0 --progress",
            "--algo ddpg_ext --env AdSpend-v0 -n 20000 --env-kwargs budget:50000 -params learning_rate:0.0005",
            "--algo ddpg_ext --env Pendulum-v1 -n 20000 --optimize --n-trials 50 --storage study.log --study-name ddpg",
            "--algo ppo --env CartPole-v1 --vec-env native -params n_envs:64",
            "--algo ddpg_ext --env AdSpend-v0 --checkpoint-freq 10000",
            "--resume logs/ddpg_ext/AdSpend-v0_1",
            "--algo ddpg_ext --env AdSpend-v0 -params gamma:0.99 --dry-run",
        ),
        checks.check_train,
        "Strings in hyperparameter files, -params and --env-kwargs are evaluated as Python, and a .py file of\n"
        "--conf-file is run: use only files you trust. --resume does the same with what the first command was given:\n"
        "resume only trainings that you trust. Nothing in the files of -i is run, unless --no-safe is given.",
    ),
    "enjoy": Command(
        "run a trained agent and print its returns",
        "rl_zoo3.enjoy:enjoy",
        (
            "--algo ddpg_ext --env AdSpend-v0 -f logs --no-render",
            "--algo ddpg_ext --env AdSpend-v0 -f logs --load-best",
        ),
        checks.check_enjoy,
    ),
    "record_video": Command(
        "record a video of a trained agent",
        "rl_zoo3.record_video",
        ("--algo ddpg_ext --env AdSpend-v0 -f logs -n 28 -o videos",),
        checks.check_agent,
    ),
    "record_training": Command(
        "record one video of every checkpoint of a run (needs ffmpeg)",
        "rl_zoo3.record_training",
        ("--algo ddpg_ext --env AdSpend-v0 -f logs -n 28",),
        checks.check_record_training,
        "",
    ),
    "plot_train": Command(
        "plot the training reward of runs",
        "rl_zoo3.plots.plot_train:plot_train",
        ("-a ddpg_ext -e AdSpend-v0 -f logs -w 20",),
        checks.check_plot,
        "",
    ),
    "all_plots": Command(
        "tabulate and plot the evaluations of several runs",
        "rl_zoo3.plots.all_plots:all_plots",
        ("-a ddpg_ext ddpg -e Pendulum-v1 -f logs -o results --no-display",),
        checks.check_plot,
        "",
    ),
    "plot_from_file": Command(
        "plot what all_plots saved, also with rliable",
        "rl_zoo3.plots.plot_from_file:plot_from_file",
        ("-i results.pkl -o results -r -iqm",),
        checks.check_plot,
        "The file of -i is unpickled, which can run any code: use only files you trust.",
    ),
    "benchmark": Command(
        "measure every trained agent of a folder",
        "rl_zoo3.benchmark",
        ("--log-dir logs --no-hub --benchmark-dir logs/benchmark -n 10000",),
        checks.check_benchmark,
        "",
    ),
    "plan": Command(
        "plan when to spend how much on which channel, from a media-mix model: a table, a CSV and a page",
        "sb3_ext.spend_plan.command:main",
        (
            "--market robyn.json --budget 2000000 --periods 26 --start 2027-01-04",
            "--market curves.csv --budget 500000 --periods 13 --carry-over tv=0.4",
        ),
    ),
    "replan": Command(
        "plan the rest of a campaign anew, from what was really spent and sold",
        "sb3_ext.spend_plan.replan_command:main",
        ("--plan plan --actuals actuals.csv", "--plan plan --actuals actuals.xlsx --budget 350000 --output monday"),
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
    "list": Command(
        "list algorithms, environments, search spaces or hyperparameter blocks",
        "sb3_ext.catalogue.list_command:main",
        ("algos", "envs --algo ddpg_ext", "blocks --algo dueling_dqn", "spaces --algo ppo --json"),
    ),
    "info": Command(
        "tell all about an environment: spaces, reward, best return known, hyperparameters, how to train",
        "sb3_ext.catalogue.info_command:main",
        ("AdSpendShock-v0", "CartPole-v1 --json"),
    ),
    "share": Command(
        "write a folder that shares a trained agent, with a model card, in the form of the Hugging Face Hub",
        "sb3_ext.sharing.command:main",
        (
            "--algo ddpg_ext --env AdSpend-v0 --output shared",
            "--algo ddpg_ext --env AdSpend-v0 --output shared --upload OWNER/NAME",
        ),
    ),
    "load_from_hub": Command(
        "download an agent from the Hugging Face Hub into a log folder",
        "rl_zoo3.load_from_hub",
        ("--algo ppo --env CartPole-v1 -f logs -orga sb3",),
        checks.check_download,
        "Nothing of what is downloaded is run; enjoy and evaluate run nothing of it either, unless --no-safe is given.",
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


LOADING = ("enjoy", "record_video", "record_training", "benchmark")
"""Commands of the zoo that load agents."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command: 0, 1 for a run that failed, 2 for wrong usage, 130 and 143 if Ctrl-C or SIGTERM ended it."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_help())
        return 0 if arguments else 2
    if arguments[0] == "--version":
        print(f"sb3-ext {__version__}")
        return 0
    name, *rest = arguments
    try:
        if name == "--print-completion":
            return _print_completion(" ".join(rest))
        if name not in COMMANDS:
            raise UserError(f"unknown command {name!r}.{did_you_mean(name, COMMANDS)} Commands: {', '.join(COMMANDS)}")
        if arguments[:2] == ["benchmark", "speed"]:
            raise UserError("`benchmark speed` is `python scripts/benchmark.py` now, in a checkout of the project")
        return _run(name, COMMANDS[name], rest)
    except UserError as error:
        if os.environ.get("SB3_EXT_DEBUG", "0") != "0":
            raise
        print(printable(f"sb3-ext {name}: error: {error}"), file=sys.stderr)
        return error.exit_code
    except OSError as error:
        if error.errno not in DISK_ERRORS or os.environ.get("SB3_EXT_DEBUG", "0") != "0":
            raise
        print(printable(f"sb3-ext {name}: error: cannot write: {user_mistake(error)}"), file=sys.stderr)
        return 1
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    except KeyboardInterrupt:
        return 130


def _run(name: str, command: Command, argv: list[str]) -> int:
    if command.check is None:
        code: int = pkgutil.resolve_name(command.target)(argv)
        return code
    examples = "\n".join(["examples:", *(f"  sb3-ext {name} {example}" for example in command.examples)])
    reading: Callable[[Parser, Sequence[str]], argparse.Namespace] = Parser.parse_args
    acting: list[contextlib.AbstractContextManager[None]] = [mistakes_explained("stopped")]
    if name == "train":
        from sb3_ext.zoo.dry_run import experiment_manager
        from sb3_ext.zoo.resuming import read_train_arguments

        reading = read_train_arguments
        # Only UserError is the user's here: what training itself raises keeps its traceback.
        acting = [interruption.handled(), patches.training(experiment_manager)]
    elif command.target.startswith("rl_zoo3.plots"):
        acting.append(patches.whole_figures())
    elif command.target == "rl_zoo3.record_video":
        acting.append(patches.whole_videos())
    with contextlib.ExitStack() as stack:
        program = f"sb3-ext {name}"
        if name in LOADING:
            reading = functools.partial(patches.read_playing_arguments, stack)
        about = f"{command.summary}\n\n{command.runs}".strip()
        stack.enter_context(patches.command_line(program, argv, about, examples, command.check, reading))
        for one in acting:
            stack.enter_context(one)
        if ":" in command.target:
            pkgutil.resolve_name(command.target)()
        else:
            # Some of these scripts are imported by their package, too, which does no harm.
            stack.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", "'rl_zoo3", RuntimeWarning, "runpy")
            runpy.run_module(command.target, {"open": patches.open_whole}, run_name="__main__")
    return 0


def _print_completion(shell: str) -> int:
    from sb3_ext.app.completion import check_shell, completion_script, parser_of

    check_shell(shell)
    parsers = {
        name: (command.summary, parser_of(functools.partial(_run, name, command, ["--help"])))
        for name, command in COMMANDS.items()
    }
    import gymnasium
    from rl_zoo3.utils import ALGOS

    # Of Atari's thousand names those that someone types are few.
    environments = [name for name, spec in gymnasium.registry.items() if "ale_py" not in str(spec)]
    print(completion_script(shell, parsers, ALGOS, environments))
    return 0


def _help() -> str:
    commands = "\n".join(f"  {name:<15}  {command.summary}" for name, command in COMMANDS.items())
    examples = "\n".join(f"  sb3-ext {name} {COMMANDS[name].examples[0]}" for name in ("train", "evaluate", "plan"))
    return f"""\
usage: sb3-ext COMMAND [FLAGS]     (the same as: python -m sb3_ext COMMAND [FLAGS])

RL Zoo3 with the algorithms, environments and hyperparameters of sb3_ext.

commands:
{commands}

examples:
{examples}

algorithms: {", ".join(ALGORITHMS)}, and all of the zoo's
`sb3-ext COMMAND --help` lists the flags of a command; `sb3-ext --version` prints the version.
`sb3-ext --print-completion bash` (zsh, tcsh) prints what the shell needs to complete commands and flags.
Wrong input is reported in one line; SB3_EXT_DEBUG=1 shows the traceback."""
