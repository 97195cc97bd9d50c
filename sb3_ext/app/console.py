"""Where the commands print."""

from __future__ import annotations

import sys

from rich.console import Console


def console() -> Console:
    """Standard output, for text as it is; where it is no terminal, tables are up to 160 wide, sentences a line."""
    in_terminal = sys.stdout.isatty()
    return Console(width=None if in_terminal else 160, soft_wrap=not in_terminal, markup=False, highlight=False)
