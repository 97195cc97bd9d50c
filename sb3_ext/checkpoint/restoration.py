"""From data into live objects."""

from __future__ import annotations

import base64
import enum
import random
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch as th

from sb3_ext.checkpoint.state import (
    MAPPINGS,
    SEQUENCES,
    Array,
    Node,
    Special,
    attributes_of,
    class_name,
    find_class,
    is_fixed,
)
from sb3_ext.safe.arrays import generator_with

_MISSING: Any = object()


class Restoration:
    """
    Write a captured state into objects of the same kind.

    A state may be a stranger's: nothing is called by a name that stands in it, no method is hidden by an attribute, and
    of what does not move (functions, classes, modules, open files) nothing gets to another place.
    """

    def __init__(self, arrays: Sequence[Array], specials: Sequence[Special] = ()) -> None:
        self._arrays = arrays
        self._specials = specials
        self._known: dict[int, Any] = {}

    def value(self, node: Node, target: Any = _MISSING, path: str = "") -> Any:
        """Return what belongs where ``target`` was: the target itself, changed, wherever that is possible."""
        if not isinstance(node, dict):
            return node
        if "seen" in node:
            found = self._known.get(node["seen"], target)
            if found is _MISSING:
                raise ValueError(f"{path}: a part of the state is missing in what it is restored into")
            return found
        if "fixed" in node:
            return self._fixed(node, target, path)
        if "enum" in node:
            same = isinstance(target, enum.Enum) and class_name(type(target)) == node["enum"]
            return (type(target) if same else find_class(node["enum"], path, enum.Enum))[node["name"]]
        if "bytes" in node:
            return base64.b64decode(node["bytes"])
        if "number" in node:
            return self._arrays[node["number"]][()]
        # Known before it is complete: it may refer to itself.
        if target is not _MISSING and not is_fixed(target):
            self._known[node["id"]] = target
        value = self._known[node["id"]] = self._object(node, target, path)
        return value

    def _fixed(self, node: Node, target: Any, path: str) -> Any:
        if target is _MISSING:
            raise ValueError(f"{path}: a {node['fixed']} is part of the state and missing in what it is restored into")
        return target

    def _object(self, node: Node, target: Any, path: str) -> Any:
        if "array" in node:
            return _into_array(self._arrays[node["array"]], target)
        if "tensor" in node:
            return self._tensor(node, target)
        if "objects" in node:
            return self._object_array(node, target, path)
        if "generator" in node:
            return _into_generator(self.value(node["generator"]), target)
        if "random" in node:
            target = target if isinstance(target, random.Random) else random.Random()
            target.setstate(self.value(node["random"]))
            return target
        if "torch_generator" in node:
            target = target if isinstance(target, th.Generator) else th.Generator()
            target.set_state(th.from_numpy(np.array(self._arrays[node["torch_generator"]])))
            return target
        if "mapping" in node:
            return self._mapping(node, target, path)
        if "sequence" in node:
            return self._sequence(node, target, path)
        if "special" in node:
            if target is _MISSING:
                raise ValueError(f"{path}: a {node['special']} is missing in what the state is restored into")
            special = next(one for one in self._specials if class_name(one.kind) == node["special"])
            if special.put is None or not isinstance(target, special.kind):
                raise ValueError(f"{path}: the state of a {node['special']} does not fit a {class_name(type(target))}")
            special.put(target, self.value(node["state"], path=path))
            return target
        return self._attributes(node, target, path)

    def _tensor(self, node: Node, target: Any) -> Any:
        dtype = getattr(th, node["dtype"].removeprefix("torch."))
        stored = th.as_tensor(np.asarray(self._arrays[node["tensor"]])).to(dtype)
        if isinstance(target, th.Tensor) and target.shape == stored.shape and target.dtype == dtype:
            with th.no_grad():
                target.copy_(stored)
            return target
        device = node["device"] if not node["device"].startswith("cuda") or th.cuda.is_available() else "cpu"
        return stored.clone().to(device)

    def _object_array(self, node: Node, target: Any, path: str) -> Any:
        array = np.empty(node["objects"], dtype=object)
        old = target.ravel() if isinstance(target, np.ndarray) and target.dtype == object else ()
        array.ravel()[:] = self._each(node["items"], old, path)
        return _into_array(array, target)

    def _mapping(self, node: Node, target: Any, path: str) -> Any:
        if not isinstance(target, dict):
            target = MAPPINGS[node["mapping"]]()
        restored = {}
        for key_node, item in node["pairs"]:
            key = self.value(key_node, path=path)
            restored[key] = self.value(item, target.get(key, _MISSING), f"{path}[{key!r}]")
        for key in [key for key in target if key not in restored]:
            del target[key]
        for key, item in restored.items():
            if key not in target or target[key] is not item:
                target[key] = item
        return target

    def _sequence(self, node: Node, target: Any, path: str) -> Any:
        kind = SEQUENCES[node["sequence"]]
        if "numbers" in node:
            items = self._arrays[node["numbers"]].tolist()
        else:
            ordered = isinstance(target, (list, tuple, deque))
            items = self._each(node["items"], target if ordered else (), path)
        if kind is tuple:
            if "class" not in node:
                return tuple(items)
            fits = isinstance(target, tuple) and class_name(type(target)) == node["class"]
            same = type(target) if fits else find_class(node["class"], path, tuple)
            return same(*items) if hasattr(same, "_fields") else same(items)
        if kind is frozenset:
            return frozenset(items)
        if not isinstance(target, kind) or (kind is deque and target.maxlen != node["maxlen"]):
            return deque(items, node["maxlen"]) if kind is deque else kind(items)
        target.clear()
        target.update(items) if kind is set else target.extend(items)
        return target

    def _each(self, nodes: Sequence[Node], targets: Any, path: str) -> list[Any]:
        old = list(targets)
        return [self.value(node, old[i] if i < len(old) else _MISSING, f"{path}[{i}]") for i, node in enumerate(nodes)]

    def _attributes(self, node: Node, target: Any, path: str) -> Any:
        if target is _MISSING or is_fixed(target) or class_name(type(target)) != node["object"]:
            target = object.__new__(find_class(node["object"], path))
            self._known[node["id"]] = target
        current = attributes_of(target) or {}
        special = next((one for one in self._specials if isinstance(target, one.kind) and one.put is None), None)
        kept = current.keys() - special.get(target, []).keys() if special else ()
        for name, item in node["state"].items():
            old = current.get(name, _MISSING)
            if name in kept or (old is _MISSING and isinstance(item, dict) and "fixed" in item):
                continue
            new = self.value(item, old, f"{path}.{name}")
            if new is not old:
                if name.startswith("__") or callable(getattr(type(target), name, None)):
                    raise ValueError(f"{path}: {name[:80]!r} is no attribute of a {class_name(type(target))}")
                object.__setattr__(target, name, new)
        return target


def _into_array(stored: Array, target: Any) -> Array:
    fits = isinstance(target, np.ndarray) and target.shape == stored.shape and target.dtype == stored.dtype
    if fits and target.flags.writeable:
        np.copyto(target, stored)
        return np.asarray(target)
    if fits and target.dtype != object and np.array_equal(target, stored):
        return np.asarray(target)
    return np.array(stored)


def _into_generator(state: Any, target: Any) -> Any:
    made = generator_with(state["bit_generator"], state)
    if isinstance(target, np.random.RandomState):
        target.set_state(state)
        return target
    if not isinstance(target, np.random.Generator) or type(target.bit_generator) is not type(made):
        return np.random.Generator(made)
    target.bit_generator.state = state
    return target
