"""Rules for NumPy's arrays, numbers and generators in a pickle."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import numpy.typing as npt

from sb3_ext.safe.objects import Objects, Rule
from sb3_ext.safe.pickles import Made, Name

_CODE = re.compile(r"[biufc]\d{1,2}")
_BIT_GENERATORS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (np.random.MT19937, np.random.PCG64, np.random.PCG64DXSM, np.random.Philox, np.random.SFC64)
}
_MT_LENGTH, _PHILOX_LENGTH = 624, 4


def _dtype(objects: Objects, made: Made) -> np.dtype[Any]:
    code = made.args[0]
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        raise ValueError(f"holds an array of {str(code)[:40]!r}, not of numbers")
    order: Any = made.state[1] if made.state is not None else "="
    found: np.dtype[Any] = np.dtype(code).newbyteorder("=" if order == "|" else order)
    return found


def _array(content: Any, dtype: Any, shape: Any, order: Any) -> npt.NDArray[Any]:
    if not isinstance(dtype, np.dtype) or not isinstance(content, bytes) or order not in ("C", "F"):
        raise ValueError("holds a damaged array")
    if not all(type(length) is int and length >= 0 for length in shape):
        raise ValueError("holds an array of a damaged shape")
    if math.prod(shape) * dtype.itemsize != len(content):
        raise ValueError("holds an array whose content does not fit its shape")
    found: npt.NDArray[Any] = np.frombuffer(content, dtype).reshape(shape, order=order).copy(order="K")
    return found


def _of_objects(content: list[Any], shape: Any, order: Any) -> npt.NDArray[Any]:
    found: npt.NDArray[Any] = np.empty(len(content), dtype=object)
    for index, item in enumerate(content):  # NumPy would unpack sequences
        found[index] = item
    shaped: npt.NDArray[Any] = found.reshape(shape, order=order)
    return shaped


def _from_buffer(objects: Objects, made: Made) -> npt.NDArray[Any]:
    content, dtype, shape, order, *axes = map(objects.make, made.args)
    if order != "K":
        return _array(content, dtype, shape, order)
    # Since 2.3 NumPy keeps the order of the axes in memory, e.g. of images with their channels moved to the front.
    return np.transpose(_array(content, dtype, shape, "C"), *axes)


def _reconstructed(objects: Objects, made: Made) -> npt.NDArray[Any]:
    _, shape_node, dtype_node, is_fortran, content_node = made.state
    shape, content = objects.make(shape_node), objects.make(content_node)
    if isinstance(content, list):
        return _of_objects(content, shape, "F" if is_fortran else "C")
    dtype = objects.make(dtype_node)
    return _array(content, dtype, shape, "F" if is_fortran else "C")


def _scalar(objects: Objects, made: Made) -> Any:
    dtype, content = map(objects.make, made.args)
    return _array(content, dtype, (), "C")[()]


def _bit_generator(objects: Objects, made: Made) -> Any:
    name = made.args[0].name if isinstance(made.args[0], Name) else made.args[0]
    state = made.state[0] if isinstance(made.state, tuple) else made.state
    return generator_with(name, objects.make(state))


def _generator(objects: Objects, made: Made) -> np.random.Generator:
    if isinstance(made.args[0], str):
        return np.random.Generator(generator_with(made.args[0], objects.make(made.state)))
    if made.state is not None:
        raise ValueError("holds a damaged generator")
    found = objects.make(made.args[0])
    if not isinstance(found, np.random.BitGenerator):
        raise ValueError("holds a damaged generator")
    return np.random.Generator(found)


def generator_with(name: Any, state: Any) -> Any:
    """Make NumPy's source of random numbers of a kind in a state; ValueError if it would read foreign memory."""
    if name not in _BIT_GENERATORS:
        raise ValueError(f"holds a generator of the kind {str(name)[:40]!r}")
    # NumPy does not look whether the position is inside of its numbers.
    if name == "MT19937":
        position, length, numbers = state["state"]["pos"], _MT_LENGTH, state["state"]["key"]
    elif name == "Philox":
        position, length, numbers = state["buffer_pos"], _PHILOX_LENGTH, state["buffer"]
    else:
        position, length, numbers = 0, 0, ()
    if not (type(position) is int and 0 <= position <= length and np.shape(numbers) == (length,)):
        raise ValueError("holds a damaged generator")
    generator = _BIT_GENERATORS[name](0)
    generator.state = state
    return generator


ARRAY_RULES: dict[str, Rule] = {
    "numpy.dtype": _dtype,
    "numpy._core.numeric._frombuffer": _from_buffer,
    "numpy._core.multiarray._reconstruct": _reconstructed,
    "numpy._core.multiarray.scalar": _scalar,
    "numpy.random._pickle.__bit_generator_ctor": _bit_generator,
    "numpy.random._pickle.__generator_ctor": _generator,
}
