"""Policies that follow a rule, with the interface of Stable-Baselines3's agents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces


class Rule:
    """
    A rule with SB3's ``predict``.

    :param choose: from observations, shape (n, ...), to n actions
    """

    def __init__(self, choose: Callable[[npt.NDArray[Any]], npt.ArrayLike]) -> None:
        self._choose = choose

    def predict(self, observation: Any, *_: Any, **__: Any) -> tuple[npt.NDArray[Any], None]:
        """
        Choose actions.

        :param observation: shape (n, ...)
        :return: n actions, and no state
        """
        return np.asarray(self._choose(np.asarray(observation))), None


def random_actions(space: spaces.Space[Any], seed: int) -> Rule:
    """
    Act at random, whatever is observed.

    :param space: the actions; its generator is seeded
    :param seed: seed of the actions
    :return: the policy
    """
    space.seed(seed)
    return Rule(lambda observations: [space.sample() for _ in observations])
