"""How large networks may become while a stranger's model is made: no larger than the weights that fill them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch as th
from torch.nn.modules.module import register_module_parameter_registration_hook

_TIMES, _MORE_BYTES, _MORE_TENSORS = 2, 2**26, 1000
"""Some policies make a network twice, or one whose weights are not saved."""


@contextlib.contextmanager
def networks_within(parameters: Mapping[str, Any]) -> Iterator[None]:
    """
    Refuse to make networks of many more weights than there are, before memory is filled with them.

    It counts all that this process makes meanwhile.

    :param parameters: State dictionaries of networks, by name.
    :raises ValueError: In the block, when a weight is made that is one too many.
    """
    groups = [group for group in parameters.values() if isinstance(group, dict)]
    stored = [value for group in groups for value in group.values() if isinstance(value, th.Tensor)]
    bytes_left = _TIMES * sum(value.nbytes for value in stored) + _MORE_BYTES
    tensors_left = _TIMES * len(stored) + _MORE_TENSORS

    def count(module: th.nn.Module, name: str, weight: Any) -> None:
        nonlocal bytes_left, tensors_left
        bytes_left -= 0 if weight is None else weight.nbytes
        tensors_left -= 1
        if min(bytes_left, tensors_left) < 0:
            raise ValueError("its arguments make networks that are larger than the weights it holds")

    handle = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        handle.remove()
