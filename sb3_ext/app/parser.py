"""What the commands' argument parsers have in common: wrong usage is told in one line."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Callable
from typing import Any, NoReturn

from sb3_ext.app.errors import UserError, did_you_mean

NO_SAFE_ADVICE = "--no-safe loads what needs code, if you trust it"


def add_safe_argument(add: Callable[..., Any]) -> None:
    """Ask whether files of agents may run code."""
    add(
        "--safe",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="load agents and run folders without running code in them (default), and refuse those that need it; "
        "--no-safe unpickles and evaluates what they hold, which can run any code: only for files you trust",
    )


class Parser(argparse.ArgumentParser):
    """The parser of a command, e.g. ``"plan"``, whose help ends with examples and what it writes."""

    def __init__(self, command: str, description: str, epilog: str) -> None:
        formatter = argparse.RawDescriptionHelpFormatter
        super().__init__(f"sb3-ext {command}", description=description, epilog=epilog, formatter_class=formatter)

    def error(self, message: str) -> NoReturn:
        """Report wrong usage, with the closest word that would have been understood."""
        choice = re.search(r"invalid choice: '?([^' ]*)'? \(choose from (.*)\)", message)
        if choice:
            allowed = re.findall(r"[\w.-]+", choice[2])
            unknown = f"{message[: choice.start()]}unknown value {choice[1]!r}."
            message = f"{unknown}{did_you_mean(choice[1], allowed)} Choose from {', '.join(allowed)}"
        if message.startswith("unrecognized arguments: "):
            message += self._similar_flags(message.split()[2:])
        message = re.sub(r"(\S{80})\S{80,}", r"\1...", " ".join(message.split()))
        raise UserError(f"{message} (see `{self.prog} --help`)")

    def _similar_flags(self, arguments: list[str]) -> str:
        """Suggest for the first argument that looks like a flag, if one of ours is close to it."""
        flags = {flag.lstrip("-"): flag for flag in self._option_string_actions}
        for argument in arguments:
            close = difflib.get_close_matches(argument.lstrip("-").partition("=")[0], flags, n=1)
            if argument.startswith("-") and close:
                return f". Did you mean {flags[close[0]]!r}?"
        return ""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Read the command line; arguments of the zoo's form NAME:VALUE are evaluated as Python, as it does."""
        try:
            return super().parse_args(args, namespace)
        except UserError:
            raise
        except Exception as error:
            raise UserError(
                f"cannot read a NAME:VALUE argument ({error}): values are Python expressions, for instance budget:50000"
                " or \"obs_mode:'full'\""
            ) from error
