"""Objects of models as JSON and named tensors, and back: the kinds that :mod:`sb3_ext.safe.objects` can make."""

from __future__ import annotations

import functools
import math
import re
from collections import OrderedDict, deque
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import torch as th
from stable_baselines3.common.type_aliases import TrainFreq, TrainFrequencyUnit

from sb3_ext.safe.arrays import generator_with
from sb3_ext.safe.classes import find_class
from sb3_ext.safe.objects import ENUMS, OF_ATTRIBUTES, class_name, with_attributes
from sb3_ext.safe.pickles import Name

Json: TypeAlias = Any
Tensors: TypeAlias = dict[str, th.Tensor]

_LARGEST = 2**53
"""Integers above are text: other languages read numbers of JSON as doubles."""


def encode(value: Any, path: str, tensors: Tensors) -> Json:
    """
    Describe an object.

    :param value: The object.
    :param path: Its place, after which its tensors are named.
    :param tensors: Arrays and tensors found in it are put here.
    :return: What JSON can hold.
    :raises ValueError: If it can't be described.
    """
    if value is None or type(value) in (bool, str):
        return value
    if type(value) is int:
        return value if abs(value) < _LARGEST else {"int": str(value)}
    if type(value) is float:
        return value if math.isfinite(value) else {"float": str(value)}
    if type(value) is list:
        return [encode(item, f"{path}/{i}", tensors) for i, item in enumerate(value)]
    if isinstance(value, type) or isinstance(value, th.dtype):
        return {"class": _name_of(value)}
    for kind, describe in _DESCRIPTIONS.items():
        if isinstance(value, kind):
            return describe(value, path, tensors)
    raise ValueError(f"holds a {type(value).__name__}, which can't be described")


def decode(node: Json, tensors: Mapping[str, th.Tensor]) -> Any:
    """
    Make the object that a description is of.

    :param node: What :func:`encode` returned.
    :param tensors: The tensors, by name.
    :raises ValueError: If it describes nothing that models hold.
    """
    if isinstance(node, list):
        return [decode(item, tensors) for item in node]
    if not isinstance(node, dict):
        return node
    kind, *_ = [*node, None]
    if kind not in _READERS:
        raise ValueError(f"describes an unknown kind of object, {str(kind)[:40]!r}")
    try:
        return _READERS[kind](node, lambda part: decode(part, tensors), tensors)
    except (KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
        raise ValueError(f"holds a damaged {kind} ({str(error)[:120]})") from error


def _name_of(value: Any) -> str:
    name = Name("torch", str(value).removeprefix("torch.")) if isinstance(value, th.dtype) else None
    name = name or Name(value.__module__, value.__qualname__)
    if find_class(name) is not value:
        raise ValueError(f"names {str(name)!r}, which is another class by that name")
    return str(name)


def _class(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    return find_class(Name(module, attribute))


def _tensor(value: th.Tensor, path: str, tensors: Tensors) -> Json:
    tensors[path] = value.detach().cpu().clone().contiguous()
    return {"tensor": path}


def _array(value: np.ndarray[Any, Any], path: str, tensors: Tensors) -> Json:
    if value.dtype.kind not in "biuf":
        raise ValueError(f"holds an array of {value.dtype}, not of numbers")
    tensors[path] = th.from_numpy(np.array(value, value.dtype.newbyteorder("="), order="C"))
    return {"array": path}


def _number(value: np.generic, path: str, tensors: Tensors) -> Json:
    if value.dtype.kind not in "biuf":
        raise ValueError(f"holds a number of the kind {value.dtype}")
    return {"number": encode(value.item(), path, tensors), "dtype": value.dtype.name}


def _mapping(value: dict[Any, Any], path: str, tensors: Tensors) -> Json:
    ordered = {"ordered": True} if isinstance(value, OrderedDict) else {}
    if all(type(key) is str for key in value):
        return {"dict": {key: encode(item, f"{path}/{key}", tensors) for key, item in value.items()}, **ordered}
    pairs = [[encode(key, path, tensors), encode(item, f"{path}/{key}", tensors)] for key, item in value.items()]
    return {"pairs": pairs, **ordered}


def _items(kind: str, value: Any, path: str, tensors: Tensors) -> Json:
    return {kind: encode(list(value), path, tensors)}


def _object(value: Any, path: str, tensors: Tensors) -> Json:
    if type(value) not in OF_ATTRIBUTES:
        raise ValueError(f"holds a {type(value).__name__}, which can't be described")
    attributes = {name: encode(item, f"{path}/{name}", tensors) for name, item in vars(value).items()}
    return {"object": class_name(type(value)), "attributes": attributes}


_DESCRIPTIONS: dict[Any, Any] = {
    th.Tensor: _tensor,
    np.ndarray: _array,
    np.generic: _number,
    dict: _mapping,
    TrainFreq: lambda value, path, tensors: {"train_freq": [value.frequency, value.unit.value]},
    tuple: functools.partial(_items, "tuple"),
    set: functools.partial(_items, "set"),
    frozenset: functools.partial(_items, "frozenset"),
    deque: lambda value, path, tensors: {**_items("deque", value, path, tensors), "maxlen": value.maxlen},
    np.dtype: lambda value, path, tensors: {"dtype": value.name},
    np.random.Generator: lambda value, path, tensors: {"generator": encode(value.bit_generator.state, path, tensors)},
    th.device: lambda value, path, tensors: {"device": str(value)},
    ENUMS: lambda value, path, tensors: {"enum": class_name(type(value)), "value": value.value},
    functools.partial: lambda value, path, tensors: {
        "partial": _name_of(value.func),
        "args": encode(list(value.args), path, tensors),
        "kwargs": encode(value.keywords, path, tensors),
    },
    OF_ATTRIBUTES: _object,
}


def _dtype(name: Any) -> np.dtype[Any]:
    if not isinstance(name, str) or not re.fullmatch(r"(bool|u?int\d+|float\d+)", name):
        raise ValueError(f"holds numbers of the kind {str(name)[:40]!r}")
    return np.dtype(name)


def _read_mapping(pairs: Any, node: Json) -> dict[Any, Any]:
    return OrderedDict(pairs) if node.get("ordered") else dict(pairs)


def _read_generator(node: Json, read: Any, tensors: Mapping[str, th.Tensor]) -> Any:
    state = read(node["generator"])
    return np.random.Generator(generator_with(state["bit_generator"], state))


_READERS: dict[Any, Any] = {
    "int": lambda node, read, tensors: int(node["int"]),
    "float": lambda node, read, tensors: float(node["float"]),
    "class": lambda node, read, tensors: _class(node["class"]),
    "tensor": lambda node, read, tensors: tensors[node["tensor"]],
    "array": lambda node, read, tensors: tensors[node["array"]].numpy(),
    "number": lambda node, read, tensors: _dtype(node["dtype"]).type(read(node["number"])),
    "dict": lambda node, read, tensors: _read_mapping(((key, read(it)) for key, it in node["dict"].items()), node),
    "pairs": lambda node, read, tensors: _read_mapping(((read(key), read(it)) for key, it in node["pairs"]), node),
    "train_freq": lambda node, read, tensors: TrainFreq(
        node["train_freq"][0], TrainFrequencyUnit(node["train_freq"][1])
    ),
    "tuple": lambda node, read, tensors: tuple(read(node["tuple"])),
    "set": lambda node, read, tensors: set(read(node["set"])),
    "frozenset": lambda node, read, tensors: frozenset(read(node["frozenset"])),
    "deque": lambda node, read, tensors: deque(read(node["deque"]), node["maxlen"]),
    "dtype": lambda node, read, tensors: _dtype(node["dtype"]),
    "generator": _read_generator,
    "device": lambda node, read, tensors: th.device(node["device"]),
    "enum": lambda node, read, tensors: {class_name(cls): cls for cls in ENUMS}[node["enum"]](node["value"]),
    "partial": lambda node, read, tensors: functools.partial(
        _class(node["partial"]), *read(node["args"]), **read(node["kwargs"])
    ),
    "object": lambda node, read, tensors: with_attributes(
        {class_name(cls): cls for cls in OF_ATTRIBUTES}[node["object"]],
        {name: read(item) for name, item in node["attributes"].items()},
    ),
}
