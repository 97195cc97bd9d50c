"""The documentation site: ``bash scripts/docs.sh`` builds it into build/docs."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "scripts")]

from pygments.lexers.special import TextLexer  # noqa: E402
from sphinx.highlighting import lexers  # noqa: E402

import sb3_ext  # noqa: E402

lexers["mermaid"] = TextLexer()

project = "sb3_ext"
author = copyright = "sb3_ext contributors"
version = release = sb3_ext.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.viewcode", "sphinx_copybutton", "sphinx_design"]
exclude_patterns = ["templates"]

myst_enable_extensions = ["colon_fence", "html_image"]
myst_heading_anchors = 4
nb_execution_mode = "cache"
nb_execution_cache_path = str(HERE.parent / "build" / "notebooks")
nb_execution_raise_on_error = True
nb_execution_timeout = 1800
nb_merge_streams = True
nb_code_prompt_show = "Show the {type}"
nb_code_prompt_hide = "Hide the {type}"

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_class_signature = "mixed"
python_maximum_signature_line_length = 88
viewcode_follow_imported_members = False

html_theme = "furo"
html_title = f"sb3_ext {release}"
html_static_path: list[str] = []
html_copy_source = False
html_show_sphinx = False
copybutton_exclude = ".linenos, .gp, .go"


def write_generated(_app: Any) -> None:
    """Pages that the package itself dictates: its public names, its commands and its environments."""
    from docs.site.commands import commands_page
    from docs.site.environments import environment_pages
    from docs.site.reference import reference_pages

    written = {HERE / "reference" / f"{name}.rst": text for name, text in reference_pages().items()}
    written[HERE / "reference" / "commands.rst"] = commands_page()
    written |= {HERE / "environments" / f"{name}.md": text for name, text in environment_pages().items()}
    for path, text in written.items():
        path.parent.mkdir(exist_ok=True)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    for folder, suffix in {(path.parent, path.suffix) for path in written}:
        for gone in {*folder.glob(f"*{suffix}")} - written.keys():
            gone.unlink()


def within_the_site(_app: Any, _page: str, source: list[str]) -> None:
    """Files beside docs/ that are pages of the site."""
    source[0] = source[0].replace("](../SECURITY.md", "](security.md")


def arguments_of_environments(_app: Any, _what: str, _name: str, _obj: Any, _options: Any, lines: list[str]) -> None:
    """Docstrings of environments are Markdown in Gymnasium's form; the reference has the arguments, pages the rest."""
    text = "\n".join(lines)
    if "## Description" not in text:
        return
    sections = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    link = "The whole description: :doc:`/environments`."
    shown = [sections["Description"].strip(), link, sections["Arguments"].strip()]
    lines[:] = "\n\n".join(shown).splitlines()


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("builder-inited", write_generated)
    app.connect("source-read", within_the_site)
    app.connect("autodoc-process-docstring", arguments_of_environments)
