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
import types
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm

Node = Any
"""What JSON can hold. Arrays stand in it by their index."""
Array = npt.NDArray[Any]

TRUSTED = ("sb3_ext.", "stable_baselines3.", "sb3_contrib.", "gymnasium.", "rl_zoo3.utils.SimpleLinearSchedule")
"""Packages, and a class, whose plain objects may be made anew, without calling anything of theirs."""
SEQUENCES: dict[str, type[Any]] = {"deque": deque, "frozenset": frozenset, "list": list, "set": set, "tuple": tuple}
MAPPINGS: dict[str, type[Any]] = {"OrderedDict": OrderedDict, "defaultdict": defaultdict, "dict": dict}

_FIXED_TYPES = (
    *(type, types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.ModuleType, types.UnionType),
    *(BaseException, complex, property, range, slice, np.dtype, th.device, th.dtype),
)
_FIXED_PACKAGES = frozenset(
    "_abc _io _thread abc ctypes functools io logging matplotlib multiprocessing pygame rich subprocess tensorboard "
    "threading tqdm types typing weakref".split()
)
# torch.distributions are made anew for every batch; sb3_ext.fast, but for its algorithm, derives all it has from
# networks and optimizers
_FIXED_MODULES = ("torch.distributions.", "sb3_ext.fast.")


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


def is_fixed(value: Any) -> bool:
    """Whether a value is none that moves: it is neither captured nor changed."""
    module = type(value).__module__
    named = module.partition(".")[0] in _FIXED_PACKAGES or module.startswith(_FIXED_MODULES)
    return (named and not isinstance(value, BaseAlgorithm)) or isinstance(value, _FIXED_TYPES) or type(value) is object


def find_class(name: str, path: str, base: type[Any] = object) -> Any:
    """Find a class of the packages whose objects may be made anew."""
    if not name.startswith(TRUSTED):
        raise ValueError(f"{path}: an object of {name} is part of the state and missing in what it is restored into")
    found = pkgutil.resolve_name(name)
    # A module of theirs also holds what it imports. RL Zoo3 puts a TimeLimit of its own into Gymnasium's place.
    if not (
        isinstance(found, type) and issubclass(found, base) and class_name(found).startswith((*TRUSTED, "rl_zoo3."))
    ):
        raise ValueError(f"{path}: {name} is no {'class' if base is object else base.__name__}")
    return found
