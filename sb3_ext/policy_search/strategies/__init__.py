"""How a policy search makes its generations."""

import inspect
from typing import Any

from sb3_ext.policy_search.strategies.cross_entropy import CrossEntropy
from sb3_ext.policy_search.strategies.genetic import Genetic
from sb3_ext.policy_search.strategies.hill_climbing import HillClimbing
from sb3_ext.policy_search.strategies.nelder_mead import NelderMead
from sb3_ext.policy_search.strategies.random_search import RandomSearch
from sb3_ext.policy_search.strategies.simulated_annealing import SimulatedAnnealing
from sb3_ext.policy_search.strategies.strategy import Strategy

STRATEGIES: dict[str, type[Strategy]] = {
    "genetic": Genetic,
    "hill_climbing": HillClimbing,
    "simulated_annealing": SimulatedAnnealing,
    "cross_entropy": CrossEntropy,
    "nelder_mead": NelderMead,
    "random": RandomSearch,
}
"""By the name that ``strategy`` has."""


def make_strategy(name: str, population_size: int, arguments: dict[str, Any]) -> Strategy:
    """
    Make a strategy.

    :param name: one of :data:`STRATEGIES`
    :param population_size: policies of a generation
    :param arguments: its own arguments
    :raises ValueError: if it has no such argument, or one is out of range
    """
    kind = STRATEGIES[name]
    known = [argument for argument in inspect.signature(kind).parameters if argument != "population_size"]
    unknown = next((argument for argument in arguments if argument not in known), None)
    if unknown is not None:
        allowed = f"arguments of {name}: {', '.join(known)}" if known else f"none, as {name} has no arguments"
        raise ValueError(f"{name}: {unknown}={arguments[unknown]!r} is not valid; pass {allowed}.")
    return kind(population_size, **arguments)
