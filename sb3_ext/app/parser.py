"""What the commands' argument parsers have in common: wrong usage is told in one line."""

from __future__ import annotations

import argparse
import contextlib
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from sb3_ext.app.errors import UserError, did_you_mean


class Parser(argparse.ArgumentParser):
    """
    The parser of a command.

    :param command: Its name, e.g. ``"plan"``.
    :param description: What it does, as ``--help`` shows it.
    :param epilog: Examples, and what it writes.
    """

    def __init__(self, command: str, description: str, epilog: str) -> None:
        formatter = argparse.RawDescriptionHelpFormatter
        super().__init__(f"sb3-ext {command}", description=description, epilog=epilog, formatter_class=formatter)

    def error(self, message: str) -> NoReturn:
        """
        Report wrong usage.

        :param message: What argparse found.
        :raises UserError: Always.
        """
        usage_error(self.prog, message)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """
        Read the command line.

        :param args: The arguments; those of the process by default.
        :param namespace: Where to put them; a new one by default.
        :return: The namespace.
        :raises UserError: If the usage is wrong.
        """
        with reading_values():
            return super().parse_args(args, namespace)


def usage_error(program: str, message: str) -> NoReturn:
    """
    Report wrong usage, with the closest word that would have been understood.

    :param program: The command as it is typed.
    :param message: What argparse found.
    :raises UserError: Always.
    """
    choice = re.search(r"invalid choice: '?([^' ]*)'? \(choose from (.*)\)", message)
    if choice:
        allowed = re.findall(r"[\w.-]+", choice[2])
        unknown = f"{message[: choice.start()]}unknown value {choice[1]!r}."
        message = f"{unknown}{did_you_mean(choice[1], allowed)} Choose from {', '.join(allowed)}"
    raise UserError(f"{message} (see `{program} --help`)")


@contextlib.contextmanager
def reading_values() -> Iterator[None]:
    """
    Read arguments of the zoo's form NAME:VALUE, which it evaluates as Python.

    :raises UserError: If that fails.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"cannot read a NAME:VALUE argument ({error}): values are Python expressions, for instance budget:50000"
            " or \"obs_mode:'full'\""
        ) from error
