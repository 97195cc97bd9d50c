"""What a strategy of a policy search is."""

import abc
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, TypeAlias

import numpy as np
import torch as th

from sb3_ext.common.arrays import IntArray
from sb3_ext.common.hyperparameters import Rule, is_integer
from sb3_ext.policy_search.population import Population

Fresh: TypeAlias = Callable[[int], th.Tensor]
"""Draws the parameters of some new policies as their networks are initialized, shape (count, n_parameters)."""


class Proposal(NamedTuple):
    """A generation to be played."""

    kept: th.Tensor
    """Numbers of the members of the last generation that stay, shape (k,)."""
    newcomers: th.Tensor
    """Parameters of new policies, shape (m, n_parameters)."""


class Strategy(abc.ABC):
    """
    Makes a generation of policies from what the one before returned.

    The first generation are ``population_size`` policies with the random parameters of their networks. In every later
    one come first the members that the strategy keeps, in its order; then, unless they are among them, the policy that
    is believed to be the best and the one with the highest mean return; then the newcomers.

    :param population_size: policies of a generation, at least 2
    """

    most_parameters: ClassVar[int | None] = None
    """Parameters of the largest policies that it is for."""
    moving: ClassVar[tuple[str, ...]] = ()
    """Names of the attributes that change from one generation to the next."""

    def __init__(self, population_size: int) -> None:
        self.population_size = population_size

    @abc.abstractmethod
    def propose(self, population: Population, fresh: Fresh, progress: float) -> Proposal:
        """
        Say who stays and who comes.

        :param population: the last generation, of which every member has played
        :param fresh: draws the parameters of new policies
        :param progress: remaining progress of the training, 1 at the start and 0 at the end
        """

    def players(self, population: Population) -> IntArray:
        """Say which members play again in a generation although they have played before."""
        return np.arange(len(population))

    def logged(self) -> dict[str, float]:
        """Name what moves, for the log."""
        return {}

    def state_dict(self) -> dict[str, th.Tensor]:
        """Everything to save."""
        return {name: th.as_tensor(np.asarray(getattr(self, name))) for name in self.moving}

    def load_state_dict(self, state: dict[str, Any], strict: bool = True) -> None:
        """Restore what :meth:`state_dict` returned; what another strategy has saved is passed over."""
        for name in state.keys() & set(self.moving):
            saved, present = th.as_tensor(state[name]), getattr(self, name)
            setattr(self, name, saved.clone() if isinstance(present, th.Tensor) else type(present)(saved.item()))


def fewer_than(population_size: int) -> Rule:
    """Allow to keep some policies of a generation, but not all."""
    return (
        lambda value: is_integer(value, 1) and value < population_size,
        f"an integer >= 1 and less than population_size={population_size}",
    )


def mutated(genomes: th.Tensor, std: float) -> th.Tensor:
    """Add Gaussian noise to every parameter."""
    return genomes + std * th.randn_like(genomes)
