"""Lean and compiled updates do what PyTorch's optimizers do."""

import copy
from typing import Any

import pytest
import torch as th
from algorithm_battery import assert_equal_state
from torch import nn

from sb3_ext.fast.gradient_step import GradientStep
from sb3_ext.fast.policy import lean_optimizer_kwargs


def network(dtype: th.dtype = th.float32) -> nn.Sequential:
    th.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2)).to(dtype)


def losses(net: nn.Module, n: int) -> list[th.Tensor]:
    generator = th.Generator().manual_seed(1)
    return [th.randn(5, 3, generator=generator).to(next(net.parameters()).dtype) for _ in range(n)]


OPTIMIZERS: list[tuple[type[th.optim.Optimizer], dict[str, Any]]] = [
    (th.optim.Adam, {}),
    (th.optim.Adam, {"weight_decay": 0.1, "betas": (0.8, 0.9), "eps": 1e-4}),
    (th.optim.AdamW, {"weight_decay": 0.1}),
]


@pytest.mark.parametrize("max_grad_norm", [None, 0.05, 1e6])
@pytest.mark.parametrize(("optimizer_class", "kwargs"), OPTIMIZERS)
def test_adam_step_is_that_of_the_optimizer_to_the_bit(
    optimizer_class: type[th.optim.Optimizer], kwargs: dict[str, Any], max_grad_norm: float | None
) -> None:
    ours, theirs = network(), network()
    make: Any = optimizer_class
    optimizers = [make(net.parameters(), lr=0.1, fused=True, **kwargs) for net in (ours, theirs)]
    step = GradientStep()
    for number, x in enumerate(losses(ours, 6)):
        if number == 3:  # a schedule, and a state that was read from a file
            for optimizer in optimizers:
                optimizer.param_groups[0]["lr"] = 0.01
                optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
        assert step.refresh(optimizers[0], max_grad_norm) == (number == 0) and step.lean
        step(ours(x).square().mean())
        optimizers[1].zero_grad()
        theirs(x).square().mean().backward()
        if max_grad_norm is not None:
            nn.utils.clip_grad_norm_(theirs.parameters(), max_grad_norm)
        optimizers[1].step()
    assert_equal_state(ours.state_dict(), theirs.state_dict())
    assert_equal_state(optimizers[0].state_dict(), optimizers[1].state_dict())


def test_the_optimizer_goes_on_by_itself() -> None:
    ours, theirs = network(), network()
    optimizers = [th.optim.Adam(net.parameters(), lr=0.1, fused=True) for net in (ours, theirs)]
    step = GradientStep()
    for number, x in enumerate(losses(ours, 6)):
        if number % 2:
            step.refresh(optimizers[0])
            step(ours(x).square().mean())
        else:
            optimizers[0].zero_grad()
            ours(x).square().mean().backward()
            optimizers[0].step()
        optimizers[1].zero_grad()
        theirs(x).square().mean().backward()
        optimizers[1].step()
    assert_equal_state(ours.state_dict(), theirs.state_dict())


@pytest.mark.parametrize(
    ("optimizer_class", "kwargs"),
    [
        (th.optim.SGD, {}),
        (th.optim.Adam, {"fused": False}),
        (th.optim.Adam, {"amsgrad": True}),
        (th.optim.Adam, {"maximize": True}),
    ],
)
def test_other_optimizers_take_their_own_steps(
    optimizer_class: type[th.optim.Optimizer], kwargs: dict[str, Any]
) -> None:
    ours, theirs = network(), network()
    make: Any = optimizer_class
    optimizers = [
        make(net.parameters(), lr=0.1, **lean_optimizer_kwargs(optimizer_class, kwargs)) for net in (ours, theirs)
    ]
    step = GradientStep()
    for x in losses(ours, 3):
        step.refresh(optimizers[0], 0.05)
        assert not step.lean
        step(ours(x).square().mean())
        optimizers[1].zero_grad()
        theirs(x).square().mean().backward()
        nn.utils.clip_grad_norm_(theirs.parameters(), 0.05)
        optimizers[1].step()
    assert_equal_state(ours.state_dict(), theirs.state_dict())


def test_parameters_the_loss_does_not_depend_on_stay() -> None:
    net = network()
    unused = nn.Linear(2, 2)
    before = copy.deepcopy(unused.state_dict())
    step = GradientStep()
    step.refresh(th.optim.Adam([*net.parameters(), *unused.parameters()], lr=0.1, fused=True), 1.0)
    for x in losses(net, 2):
        step(net(x).square().mean())
    assert_equal_state(unused.state_dict(), before)
