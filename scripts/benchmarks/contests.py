"""Algorithms that enter a contest with the same task."""

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from benchmarks.contenders import Contender
from benchmarks.groups import Missing
from benchmarks.rivals import SBX_VARIABLE, Rival


class Contestant(NamedTuple):
    """An algorithm that enters."""

    name: str
    algorithm: str
    """``"module:class"``; the module ``sbx`` stands for a process where sbx is."""
    arguments: dict[str, Any]


_PLAIN = {"dueling": False, "double_q": False}
DDPG = (
    Contestant("SB3 DDPG", "stable_baselines3:DDPG", {}),
    Contestant("DDPG", "sb3_ext:DDPG", {}),
    Contestant("DDPG, compiled", "sb3_ext:DDPG", {"compile": True}),
    Contestant("sbx DDPG", "sbx:DDPG", {}),
)
DQN = (
    Contestant("SB3 DQN", "stable_baselines3:DQN", {}),
    Contestant("DuelingDQN as DQN", "sb3_ext:DuelingDQN", _PLAIN),
    Contestant("DuelingDQN as DQN, compiled", "sb3_ext:DuelingDQN", {**_PLAIN, "compile": True}),
    Contestant("DuelingDQN", "sb3_ext:DuelingDQN", {}),
    Contestant("DuelingDQN, compiled", "sb3_ext:DuelingDQN", {"compile": True}),
    Contestant("sbx DQN", "sbx:DQN", {}),
)
"""``DuelingDQN as DQN`` has neither dueling head nor double Q-learning, so it computes what SB3's DQN computes."""


def eager(contestants: Sequence[Contestant]) -> list[Contestant]:
    """
    Leave out those that take half a minute to compile.

    :param contestants: the algorithms
    :return: the others
    """
    return [contestant for contestant in contestants if "compile" not in contestant.arguments]


def enter(
    contestants: Sequence[Contestant], warm_up: Callable[[Contender | Rival], Any], **build: Any
) -> Iterator[tuple[str, Contender | Rival] | Missing]:
    """
    Build the algorithms, those of sbx in its own process.

    :param contestants: the algorithms
    :param warm_up: what each does before it is measured; what is compiled or jitted, is then
    :param build: arguments that all have in common, see :class:`Contender`
    :return: name and contender, or why there is none
    """
    for name, algorithm, arguments in contestants:
        contender: Contender | Rival
        if algorithm.startswith("sbx:"):
            python = os.environ.get(SBX_VARIABLE)
            if not python:
                yield Missing(name, "not installed: pip install sbx-rl, elsewhere, and --sbx-python PATH")
                continue
            contender = Rival(python, algorithm=algorithm, **build, **arguments)
            warm_up(contender)
        else:
            contender = Contender(algorithm, **build, **arguments)
            try:
                with warnings.catch_warnings():
                    # An update that cannot be compiled goes on without, which is not what is measured
                    warnings.filterwarnings("error", message="compile=")
                    warm_up(contender)
            except UserWarning as warning:
                yield Missing(name, f"cannot be used: {warning}"[:120])
                continue
        yield name, contender
