"""What a shell completes: commands, their flags, algorithms, environments, files and folders."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping

from sb3_ext.app.errors import UserError, need
from sb3_ext.app.parser import Parser

SHELLS = ("bash", "zsh", "tcsh")
_FOLDERS = {
    *("benchmark_dir", "exp_folder", "exp_folders", "folder", "log_dir", "log_folder", "optimization_log_path"),
    *("output", "output_folder", "plan", "resume", "tensorboard_log"),
}
_FILES = {
    *("actuals", "compare", "conf_file", "constraints", "groups", "input", "market", "model", "search_space"),
    *("storage", "trained_agent", "write_back"),
}


class _Shown(BaseException):
    """Ends a command where it would show its help."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser = parser


def check_shell(shell: str) -> None:
    """Refuse a shell that there is no script for, before the seconds that it takes to ask all commands."""
    if shell not in SHELLS:
        raise UserError(f"--print-completion: unknown shell {shell!r}: give one of {', '.join(SHELLS)}")
    need("--print-completion", "shtab")


def parser_of(show_help: Callable[[], object]) -> argparse.ArgumentParser | None:
    """The parser of a command, which is made when it runs; None where an extra is missing that it needs for that."""

    def caught(parser: argparse.ArgumentParser, file: object = None) -> None:
        raise _Shown(parser)

    Parser.print_help = caught  # type: ignore[method-assign, assignment]
    try:
        show_help()
    except _Shown as shown:
        return shown.parser
    except UserError:
        return None
    finally:
        del Parser.print_help  # argparse's own is inherited
    return None


def completion_script(
    shell: str,
    commands: Mapping[str, tuple[str, argparse.ArgumentParser | None]],
    algorithms: Iterable[str],
    environments: Iterable[str],
) -> str:
    """The script that a shell reads, for commands with their summaries and parsers."""
    import shtab

    choices = {"algo": list(algorithms), "env": list(environments)}
    choices |= {"algos": choices["algo"]}
    root = argparse.ArgumentParser("sb3-ext")
    root.add_argument("--version", action="store_true", help="print the version")
    root.add_argument("--print-completion", choices=SHELLS, help="print what the shell needs to complete commands")
    subparsers = root.add_subparsers()
    for name, (summary, parser) in commands.items():
        for action in parser._actions if parser else ():
            if action.dest in _FOLDERS | _FILES:
                action.complete = shtab.DIRECTORY if action.dest in _FOLDERS else shtab.FILE  # type: ignore[attr-defined]
            elif action.dest in choices and action.nargs != 0:
                action.choices = choices[action.dest]
        subparsers.add_parser(name, help=summary, parents=[parser] if parser else [], add_help=parser is None)
    script: str = shtab.complete(root, shell=shell)
    return script
