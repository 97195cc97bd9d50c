"""The help texts of all commands as a page, with every flag."""

from __future__ import annotations

import contextlib
import io
import textwrap
from unittest.mock import patch

from sb3_ext.cli import COMMANDS, main

COLUMNS = "110"


def commands_page() -> str:
    """The page, in reStructuredText."""
    lines = ["Commands", "=" * len("Commands"), "", "What ``sb3-ext COMMAND --help`` prints."]
    lines += ["``sb3-ext --help`` lists the commands, and :doc:`/guide/command-line` introduces them."]
    for name, command in COMMANDS.items():
        lines += ["", name, "-" * len(name), "", f"{command.summary[0].upper()}{command.summary[1:]}.", ""]
        lines += [".. code-block:: text", "", textwrap.indent(help_of(name), "    ")]
    return "\n".join(lines) + "\n"


def help_of(name: str) -> str:
    """The help of a command, as wide as the page."""
    with patch.dict("os.environ", COLUMNS=COLUMNS), contextlib.redirect_stdout(io.StringIO()) as printed:
        code = main([name, "--help"])
    if code:
        raise RuntimeError(f"sb3-ext {name} --help ends with {code}")
    return printed.getvalue().rstrip()
