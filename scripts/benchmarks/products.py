"""The products of matrices in an update, which every implementation has to do: a bound on its speed."""

import itertools
import time
from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch as th

Layers: TypeAlias = Sequence[tuple[int, int]]
"""Inputs and outputs of each linear layer."""
Product: TypeAlias = tuple[int, int, int]
"""An (m, k) matrix times a (k, n) matrix."""


def layers(*units: int) -> Layers:
    """
    List the layers of a network.

    :param units: inputs, units of the hidden layers, outputs
    :return: its linear layers
    """
    return list(itertools.pairwise(units))


def forward(network: Layers, batch: int) -> list[Product]:
    """List the products of a pass forward."""
    return [(batch, inputs, outputs) for inputs, outputs in network]


def to_weights(network: Layers, batch: int) -> list[Product]:
    """List the products that give the gradients of the weights."""
    return [(inputs, batch, outputs) for inputs, outputs in network]


def to_inputs(network: Layers, batch: int) -> list[Product]:
    """List the products that give the gradients of the layers' inputs."""
    return [(batch, outputs, inputs) for inputs, outputs in network]


def ddpg(hidden: tuple[int, ...], batch: int) -> list[Product]:
    """List the products of an update of DDPG on Pendulum: 3 numbers observed, 1 action."""
    actor, critic = layers(3, *hidden, 1), layers(4, *hidden, 1)
    target = forward(actor, batch) + forward(critic, batch)
    of_critic = forward(critic, batch) + to_weights(critic, batch) + to_inputs(critic[1:], batch)
    through_critic = forward(critic, batch) + to_inputs(critic, batch)
    of_actor = forward(actor, batch) + through_critic + to_weights(actor, batch) + to_inputs(actor[1:], batch)
    return target + of_critic + of_actor


def dqn(hidden: tuple[int, ...], batch: int) -> list[Product]:
    """List the products of an update of DQN on CartPole: 4 numbers observed, 2 actions."""
    network = layers(4, *hidden, 2)
    return 2 * forward(network, batch) + to_weights(network, batch) + to_inputs(network[1:], batch)


def updates_per_second(products: Sequence[Product], updates: int) -> Callable[[], float]:
    """
    Time the products alone, as PyTorch does them.

    :param products: those of an update
    :param updates: how often they are done in one measurement
    :return: measures the updates a second if there were nothing else to do
    """
    operands = [(th.randn(m, k), th.randn(k, n), th.empty(m, n)) for m, k, n in products]

    def measure() -> float:
        _multiply(operands)
        start = time.perf_counter()
        for _ in range(updates):
            _multiply(operands)
        return updates / (time.perf_counter() - start)

    return measure


def _multiply(operands: Sequence[tuple[th.Tensor, th.Tensor, th.Tensor]]) -> None:
    for left, right, product in operands:
        th.mm(left, right, out=product)
