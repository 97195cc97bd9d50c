"""From live objects to data."""

from __future__ import annotations

import base64
import enum
import random
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch as th

from sb3_ext.checkpoint.state import MAPPINGS, SEQUENCES, Array, Node, Special, attributes_of, class_name, is_fixed

_CONTAINERS: tuple[type[Any], ...] = (dict, *SEQUENCES.values())
_LONG = 32


class Capture:
    """Walk through objects and keep what moves."""

    def __init__(self, specials: Sequence[Special] = ()) -> None:
        self.arrays: list[Array] = []
        """Not copied: to be written before the objects go on."""
        self.opaque: list[str] = []
        """Where objects were met that hide their state, with their types."""
        self._specials = specials
        self._seen: dict[int, int] = {}
        self._alive: list[Any] = []

    def node(self, value: Any, path: str = "") -> Node:
        """Capture a value and what it refers to; what was met before becomes a reference."""
        if value is None or (isinstance(value, (bool, str)) and not isinstance(value, enum.Enum)):
            return value
        if type(value) in (int, float):
            return value
        if isinstance(value, enum.Enum):
            return {"enum": class_name(type(value)), "name": value.name}
        if isinstance(value, bytes):
            return {"bytes": base64.b64encode(value).decode("ascii")}
        if isinstance(value, np.generic):
            return {"number": self._put(np.asarray(value))}
        special = next((special for special in self._specials if isinstance(value, special.kind)), None)
        if special is None and not isinstance(value, _CONTAINERS) and is_fixed(value):
            return {"fixed": class_name(type(value))}
        if id(value) in self._seen:
            return {"seen": self._seen[id(value)]}
        number = self._seen[id(value)] = len(self._seen)
        self._alive.append(value)  # else another object could get its id
        return {**self._of_object(value, special, path), "id": number}

    def _of_object(self, value: Any, special: Special | None, path: str) -> dict[str, Node]:
        if isinstance(value, np.ndarray):
            if value.dtype == object:
                return {"objects": list(value.shape), "items": self._items(value.ravel(), path)}
            return {"array": self._put(value)}
        if isinstance(value, th.Tensor):
            if value.is_floating_point() and value.dtype.itemsize < 4:  # NumPy has no bfloat16
                value, dtype = value.float(), str(value.dtype)
            else:
                dtype = str(value.dtype)
            return {"tensor": self._put(value.detach().cpu().numpy()), "dtype": dtype, "device": str(value.device)}
        if isinstance(value, np.random.Generator):
            return {"generator": self.node(value.bit_generator.state)}
        if isinstance(value, np.random.RandomState):
            return {"generator": self.node(value.get_state(legacy=False))}
        if isinstance(value, random.Random):
            return {"random": self.node(value.getstate())}
        if isinstance(value, th.Generator):
            return {"torch_generator": self._put(value.get_state().numpy())}
        if isinstance(value, dict):
            kind = next(name for name, base in MAPPINGS.items() if isinstance(value, base))
            pairs = [[self.node(key, path), self.node(item, f"{path}[{key!r}]")] for key, item in value.items()]
            return {"mapping": kind, "pairs": pairs}
        if isinstance(value, _CONTAINERS):
            return self._of_sequence(value, path)
        if special is not None and special.put is not None:
            return {"special": class_name(special.kind), "state": self.node(special.get(value, self.opaque), path)}
        attributes = attributes_of(value) if special is None else special.get(value, self.opaque)
        if attributes is None:
            self.opaque.append(f"{path} ({class_name(type(value))})")
            return {"fixed": class_name(type(value))}
        state = {name: self.node(item, f"{path}.{name}") for name, item in attributes.items()}
        return {"object": class_name(type(value)), "state": state}

    def _of_sequence(self, value: Any, path: str) -> dict[str, Node]:
        node: dict[str, Node] = {"sequence": next(n for n, base in SEQUENCES.items() if isinstance(value, base))}
        numbers = _numbers(value)
        if numbers is not None:
            node["numbers"] = self._put(numbers)
        else:
            node["items"] = self._items(value, path)
        if isinstance(value, deque):
            node["maxlen"] = value.maxlen
        if isinstance(value, tuple) and type(value) is not tuple:
            node["class"] = class_name(type(value))
        return node

    def _items(self, values: Any, path: str) -> list[Node]:
        return [self.node(item, f"{path}[{i}]") for i, item in enumerate(values)]

    def _put(self, array: Array) -> int:
        self.arrays.append(array)
        return len(self.arrays) - 1


def _numbers(values: Any) -> Array | None:
    """A long list of numbers as an array, which takes a fraction of the time and space."""
    if isinstance(values, (list, deque)) and len(values) > _LONG:
        if all(type(item) is float for item in values):
            return np.array(values, np.float64)
        if all(type(item) is int and abs(item) < 2**63 for item in values):
            return np.array(values, np.int64)
    return None
