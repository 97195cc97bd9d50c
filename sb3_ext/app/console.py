"""Where the commands print."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from sb3_ext.common.wording import printable


class TextConsole(Console):
    """A console that shows text as it is: what looks like markup is none, and nothing in it controls the terminal."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Render text."""
        return super().render_str(printable(text), **options)


def console(stderr: bool = False) -> Console:
    """Standard output, for text as it is; where it is no terminal, tables are up to 160 wide, sentences a line."""
    in_terminal = (sys.stderr if stderr else sys.stdout).isatty()
    width = None if in_terminal else 160
    return TextConsole(width=width, soft_wrap=not in_terminal, markup=False, highlight=False, stderr=stderr)
