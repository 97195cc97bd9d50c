"""
Pages whose numbers come from raw results: tables of single folders, and templates inside Markdown files.

A template is a comment that names results and holds the text with placeholders; what follows it, up to the closing
comment, is written by :func:`fill`::

    <!-- results ours=Pendulum-v1 theirs=Pendulum-v1_sb3
    | DDPG | {ours.iqm:.1f} ({ours.interval:.1f}) | SB3's | {theirs.iqm:.1f} |
    -->
    | DDPG | -144.4 (-147.2 to -142.9) | SB3's | -146.7 |
    <!-- end of results -->
"""

from __future__ import annotations

import re
from pathlib import Path

from docs.figures import figures
from sb3_ext.app.errors import UserError

_TEMPLATE = re.compile(r"(<!-- results ([^\n]+)\n(.*?\n)-->\n)(.*?)(<!-- end of results -->)", re.DOTALL)


def fill(text: str, results: Path) -> str:
    """
    Fill in the templates of a page.

    :param text: The page.
    :param results: Folder of the results that its templates name.
    :return: The page with the numbers of the results.
    :raises UserError: If a template names what does not exist.
    """

    def filled(match: re.Match[str]) -> str:
        opening, names, template, _, end = match.groups()
        try:
            pairs = [name.split("=", 1) for name in names.split()]
            found = {name: figures(results / folder) for name, folder in pairs}
            return f"{opening}{template.format_map(found)}{end}"
        except (KeyError, ValueError, AttributeError, IndexError, OSError) as error:
            raise UserError(f"template of {names}: {type(error).__name__}: {error}") from error

    return _TEMPLATE.sub(filled, text)
