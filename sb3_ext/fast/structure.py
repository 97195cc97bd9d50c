"""What networks consist of, so that a change of the user's is noticed for a few microseconds."""

import itertools
import operator
from collections.abc import Sequence
from typing import Any

from torch import nn


def are_same(first: Sequence[object], second: Sequence[object]) -> bool:
    """Tell whether two lists hold the same objects, by identity, in the same order."""
    return len(first) == len(second) and all(map(operator.is_, first, second))


class Structure:
    """
    The modules of some networks, with all layers, parameters and buffers that stand in them now.

    :param networks: the networks
    """

    def __init__(self, networks: Sequence[nn.Module] = ()) -> None:
        self.networks = list(networks)
        self.modules = [module for network in networks for module in network.modules()]
        tables: list[dict[str, Any]] = [
            table for module in self.modules for table in (module._modules, module._parameters, module._buffers)
        ]
        self._filled = [table for table in tables if table]
        self._empty = [table for table in tables if not table]  # most of them, and sooner looked at
        self._parts = self._list_parts()

    def _list_parts(self) -> list[Any]:
        return list(itertools.chain.from_iterable(map(dict.values, self._filled)))

    def fits(self, networks: Sequence[nn.Module]) -> bool:
        """Tell whether networks are those given before, with nothing in them replaced, added or removed."""
        same = are_same(networks, self.networks) and not any(self._empty)
        return same and are_same(self._list_parts(), self._parts)
