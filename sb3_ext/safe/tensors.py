"""PyTorch's files, read without its unpickler: tensors are made from their bytes."""

from __future__ import annotations

import functools
import io
import math
import struct
from collections.abc import Callable
from typing import Any

import torch as th

from sb3_ext.safe.archive import Archive
from sb3_ext.safe.arrays import ARRAY_RULES
from sb3_ext.safe.objects import Objects, Rule
from sb3_ext.safe.pickles import PERSISTENT, Made, Name, Node, read_pickle

_DTYPES = {
    "BFloat16Storage": th.bfloat16,
    "BoolStorage": th.bool,
    "ByteStorage": th.uint8,
    "CharStorage": th.int8,
    "DoubleStorage": th.float64,
    "FloatStorage": th.float32,
    "HalfStorage": th.float16,
    "IntStorage": th.int32,
    "LongStorage": th.int64,
    "ShortStorage": th.int16,
}
_PICKLES_BEFORE = 3
"""In PyTorch's format of one stream: magic number, protocol and system."""


def read_tensors(content: bytes) -> Any:
    """
    Read what ``torch.save`` wrote: dictionaries, lists and numbers with tensors among them, on the CPU.

    :raises ValueError: If it is damaged or holds anything else.
    """
    archive = Archive(io.BytesIO(content))
    folder = next((name.removesuffix("data.pkl") for name in archive.names if name.endswith("/data.pkl")), "")

    @functools.cache  # else short pickles would read one many times, and keep each
    def content_of(key: str) -> bytearray:
        return bytearray(archive.read(f"{folder}data/{key}"))

    def stored(objects: Objects, made: Made) -> th.Tensor:
        return _storage(made, content_of)

    rules = {**ARRAY_RULES, **TENSOR_RULES, str(PERSISTENT): stored}
    return Objects(len(content), rules).make(read_pickle(archive.read(f"{folder}data.pkl")))


def _from_stream(objects: Objects, made: Made) -> th.Tensor:
    """Read a storage that was pickled with other objects, which PyTorch writes as a stream."""
    stream = io.BytesIO(objects.make(made.args[0]))
    for _ in range(_PICKLES_BEFORE):
        read_pickle(stream)
    node, keys = read_pickle(stream), read_pickle(stream)
    if not isinstance(keys, list) or len(keys) != 1:
        raise ValueError("holds a damaged tensor")
    (length,) = struct.unpack("<q", stream.read(8))
    found = _storage(node, lambda _: bytearray(stream.read()))
    if len(found) != length:
        raise ValueError("holds a damaged tensor")
    return found


def _storage(node: Node, read: Callable[[str], bytearray]) -> th.Tensor:
    """All elements that tensors share."""
    _, kind, key, _, number, *_ = node.args[0]
    if not isinstance(kind, Name) or kind.module != "torch" or kind.name not in _DTYPES or not isinstance(key, str):
        raise ValueError("holds a tensor of an unknown kind")
    content, dtype = read(key), _DTYPES[kind.name]
    if type(number) is not int or number * dtype.itemsize != len(content):
        raise ValueError("holds a damaged tensor")
    return th.frombuffer(content, dtype=dtype) if content else th.empty(0, dtype=dtype)


def _tensor(objects: Objects, made: Made) -> th.Tensor:
    storage_node, offset, size, stride, *_ = made.args
    storage = objects.make(storage_node)
    if not all(type(number) is int and number >= 0 for number in (offset, *size, *stride)) or len(size) != len(stride):
        raise ValueError("holds a damaged tensor")
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    number = math.prod(size)
    if not isinstance(storage, th.Tensor) or (number and last >= len(storage)) or number > len(storage):
        raise ValueError("holds a tensor that is larger than its content")
    objects.count_bytes(number * storage.element_size())
    return storage.as_strided(size, stride, offset).clone()


def _parameter(objects: Objects, made: Made) -> Any:
    found = objects.make(made.args[0])
    if not isinstance(found, th.Tensor):
        raise ValueError("holds a damaged tensor")
    return found


TENSOR_RULES: dict[str, Rule] = {
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch.storage._load_from_bytes": _from_stream,
}
