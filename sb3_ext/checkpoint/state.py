"""
The state of live objects as data.

A training in progress is a graph of objects: model, environments, wrappers, callbacks. What moves in it are numbers,
arrays, containers of these and generators of random numbers; what does not are functions, classes and open files.
:class:`~sb3_ext.checkpoint.capture.Capture` keeps the first kind alone, so nothing that could be executed enters a
checkpoint. :class:`~sb3_ext.checkpoint.restoration.Restoration` writes it, in place, into a second graph that was made
in the same way, so that what was shared stays shared.
"""

from __future__ import annotations

import pkgutil
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy.typing as npt

Node = Any
"""What JSON can hold. Arrays stand in it by their index."""
Array = npt.NDArray[Any]

TRUSTED = ("sb3_ext.", "stable_baselines3.", "sb3_contrib.", "gymnasium.")
"""Packages whose plain objects may be made anew, without calling anything of theirs."""
SEQUENCES: dict[str, type[Any]] = {"deque": deque, "frozenset": frozenset, "list": list, "set": set, "tuple": tuple}
MAPPINGS: dict[str, type[Any]] = {"OrderedDict": OrderedDict, "defaultdict": defaultdict, "dict": dict}


class Special(NamedTuple):
    """How to capture objects whose state is not, or not all, in their attributes."""

    kind: type[Any]
    """The class, its subclasses too."""
    get: Callable[[Any, list[str]], Any]
    """Returns the state of an object: anything that can be captured, its attributes for instance; and lists what is
    opaque."""
    put: Callable[[Any, Any], None] | None = None
    """Writes the state into another object; None where the state is a selection of the attributes."""


def attributes_of(value: Any) -> dict[str, Any] | None:
    """List the attributes of an object, those in slots too; None if it has neither slots nor a dictionary."""
    declared = [vars(base).get("__slots__", ()) for base in type(value).__mro__]
    names = [name for slots in declared for name in ([slots] if isinstance(slots, str) else slots)]
    slots = [name for name in names if not name.startswith("__") and hasattr(value, name)]
    if not slots and not hasattr(value, "__dict__"):
        return None
    return {**{name: getattr(value, name) for name in slots}, **getattr(value, "__dict__", {})}


def class_name(kind: type[Any]) -> str:
    """``"module.Class"``."""
    return f"{kind.__module__}.{kind.__qualname__}"


def find_class(name: str, path: str) -> Any:
    """Find a class of the packages whose objects may be made anew."""
    if not name.startswith(TRUSTED):
        raise ValueError(f"{path}: an object of {name} is part of the state and missing in what it is restored into")
    found = pkgutil.resolve_name(name)
    if not isinstance(found, type):
        raise ValueError(f"{path}: {name} is no class")
    return found
