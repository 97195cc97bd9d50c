"""The best that is possible on environments where that is known, to measure gaps and normalise scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Ceiling(NamedTuple):
    """The return of the best policy, on average over starts."""

    value: float
    source: str
    """How it is known."""


CEILINGS: Mapping[str, Ceiling] = {
    "CartPole-v0": Ceiling(200.0, "the limit of steps, at a reward of 1 each"),
    "CartPole-v1": Ceiling(500.0, "the limit of steps, at a reward of 1 each"),
    "MountainCar-v0": Ceiling(-97.7, "value iteration on the true dynamics, docs/tutorial_systems.md"),
    "MountainCarContinuous-v0": Ceiling(99.6, "a numerical estimate, not certified; the best published agents earn 97"),
    "Pendulum-v1": Ceiling(-137.0, "a numerical estimate, not certified; the best published agents earn -146"),
}
"""For AdSpend the ceiling is the certified or clairvoyant plan of the environment at hand."""
