"""Every replacement in a network is noticed, and nothing else."""

from collections.abc import Callable
from typing import Any

import pytest
import torch as th
from torch import nn

from sb3_ext.fast.structure import Structure


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Sequential(), nn.Linear(3, 1, bias=False))


CHANGES: dict[str, Callable[[Any], object]] = {
    "layer": lambda net: net.__setitem__(0, nn.Linear(2, 3)),
    "parameter": lambda net: setattr(net[3], "weight", nn.Parameter(th.zeros(1, 3))),
    "buffer": lambda net: setattr(net[1], "running_mean", th.ones(3)),
    "buffers by a conversion": lambda net: net.double(),
    "new layer where none was": lambda net: net[2].append(nn.ReLU()),
    "new parameter where none was": lambda net: net[2].register_parameter("scale", nn.Parameter(th.ones(1))),
    "fewer layers": lambda net: net.__delitem__(3),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_replacements_are_noticed(change: Callable[[Any], object]) -> None:
    first, second = network(), network()
    structure = Structure([first, second])
    change(second)
    assert not structure.fits([first, second])
    assert Structure([first, second]).fits([first, second])


def test_other_values_and_modes_are_no_replacement() -> None:
    net = network()
    structure = Structure([net])
    net.load_state_dict(network().state_dict())
    net.eval().requires_grad_(False)
    assert structure.fits([net])
    assert not structure.fits([network()]) and not structure.fits([]) and not structure.fits([net, net])
