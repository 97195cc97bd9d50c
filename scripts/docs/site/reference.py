"""
The API reference: a page for each package, with every public name.

A name is public if ``__all__`` of a package or module lists it, or if it is a class or function whose docstring
describes its parameters. Each object has one entry, under the shortest path that leads to it.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections import defaultdict
from functools import cache
from types import ModuleType
from typing import NamedTuple

PACKAGE = "sb3_ext"


class Entry(NamedTuple):
    """One public object."""

    page: str
    kind: str
    names: tuple[str, ...]


@cache
def modules() -> list[ModuleType]:
    """All modules of the package, but for the one that runs it."""
    package = importlib.import_module(PACKAGE)
    found = [each.name for each in pkgutil.walk_packages(package.__path__, f"{PACKAGE}.")]
    return [package, *(importlib.import_module(name) for name in found if not name.endswith("__main__"))]


def public_entries() -> list[Entry]:
    """Every public object of the package, by page and name."""
    paths: dict[tuple[str, str], set[str]] = defaultdict(set)
    kinds: dict[tuple[str, str], str] = {}
    for module in modules():
        for name in sorted({*getattr(module, "__all__", ()), *described(module)}):
            value = getattr(module, name)
            if inspect.ismodule(value):
                continue
            if inspect.isclass(value) or inspect.isfunction(value):
                key, kind = (value.__module__, value.__qualname__), "class" if inspect.isclass(value) else "function"
            else:
                key, kind = (assigned_in(name, value), name), "data"
            paths[key].add(f"{module.__name__}.{name}")
            kinds[key] = kind
            if kind == "data":
                paths[key].add(".".join(key))
    entries = [
        Entry(page_of(home), kinds[home, name], by_length(found, f"{home}.{name}", kinds[home, name]))
        for (home, name), found in paths.items()
    ]
    return sorted(entries, key=lambda entry: (entry.page, entry.kind, entry.names))


def described(module: ModuleType) -> list[str]:
    """The classes and functions that a module defines and whose docstrings describe their parameters."""
    own = [
        (name, value)
        for name, value in vars(module).items()
        if not name.startswith("_") and (inspect.isclass(value) or inspect.isfunction(value))
    ]
    return [
        name
        for name, value in own
        if value.__module__ == module.__name__ and value.__name__ == name and ":param" in (value.__doc__ or "")
    ]


def page_of(module: str) -> str:
    """The package that a module belongs to; the package's own names and files have the page ``sb3_ext``."""
    is_package = hasattr(importlib.import_module(module), "__path__")
    return module if is_package else module.rpartition(".")[0]


def assigned_in(name: str, value: object) -> str:
    """The module that assigns a constant, where its docstring stands."""
    for module in modules():
        if vars(module).get(name) is value and re.search(
            rf"^{name}\b[^=\n]*=", inspect.getsource(module), re.MULTILINE
        ):
            return module.__name__
    raise LookupError(f"no module assigns {name}")


def by_length(names: set[str], defined: str, kind: str) -> tuple[str, ...]:
    """Names of one object, the shortest first; of a constant the one whose module holds its docstring."""
    return tuple(sorted(names, key=lambda name: (kind == "data" and name != defined, name.count("."), name)))


def reference_pages() -> dict[str, str]:
    """The reStructuredText of every page, by its name."""
    pages: dict[str, list[Entry]] = defaultdict(list)
    for entry in public_entries():
        pages[entry.page].append(entry)
    return {page: page_text(page, entries) for page, entries in pages.items()}


def page_text(page: str, entries: list[Entry]) -> str:
    summary = inspect.getdoc(importlib.import_module(page)) or ""
    title = f"``{page}``"
    parts = [f"{title}\n{'=' * len(title)}", summary]
    for entry in entries:
        first, *others = entry.names
        directive = f".. auto{entry.kind}:: {first}"
        if entry.kind == "class":
            directive += "\n   :members:\n   :show-inheritance:"
        parts.append(directive)
        if others:
            parts.append("Also imported as " + ", ".join(f"``{name}``" for name in others) + ".")
    return "\n\n".join(parts) + "\n"
