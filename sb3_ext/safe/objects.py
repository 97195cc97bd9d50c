"""From what a pickle asks for to objects: each kind that models hold is made by a rule of its own, nothing else is."""

from __future__ import annotations

import functools
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch as th
from gymnasium import spaces
from stable_baselines3.common.noise import NormalActionNoise, OrnsteinUhlenbeckActionNoise, VectorizedActionNoise
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.type_aliases import TrainFreq, TrainFrequencyUnit
from stable_baselines3.common.utils import ConstantSchedule, FloatSchedule, LinearSchedule
from stable_baselines3.her.goal_selection_strategy import GoalSelectionStrategy

from sb3_ext.safe.classes import find_class
from sb3_ext.safe.pickles import Made, Name, Node, Pairs

Rule: TypeAlias = Callable[["Objects", Made], Any]

_DEEPEST = 60
_NODES_PER_BYTE = _BYTES_PER_BYTE = 20
"""What is written once may be used several times, but not so that a short file fills the memory."""
OF_ATTRIBUTES: tuple[type[Any], ...] = (
    *(spaces.Box, spaces.Dict, spaces.Discrete, spaces.MultiBinary, spaces.MultiDiscrete, spaces.Tuple),
    *(ConstantSchedule, FloatSchedule, LinearSchedule),
    *(NormalActionNoise, OrnsteinUhlenbeckActionNoise, VectorizedActionNoise, RunningMeanStd),
)
ENUMS: tuple[type[Any], ...] = (GoalSelectionStrategy, TrainFrequencyUnit)


class Objects:
    """
    Make objects from nodes.

    :param size: Size of the file in bytes, to which what is made is limited.
    :param rules: How to make what the rules of this module don't cover, by its name.
    """

    def __init__(self, size: int, rules: Mapping[str, Rule]) -> None:
        self._rules = {**_RULES, **rules}
        self._nodes_left = _NODES_PER_BYTE * (size + 1000)
        self._bytes_left = _BYTES_PER_BYTE * (size + 1000)
        self._depth = 0

    def make(self, node: Node) -> Any:
        """
        Make what a node stands for; a node that is met twice is made twice.

        :raises ValueError: If there is no rule for it, or there is too much of it.
        """
        self._nodes_left -= 1
        if self._nodes_left < 0 or self._depth > _DEEPEST:
            raise ValueError("holds too many objects, or objects in each other too deep")
        self._depth += 1
        try:
            return self._make(node)
        finally:
            self._depth -= 1

    def _make(self, node: Node) -> Any:
        match node:
            case Name():
                return find_class(node)
            case Made():
                return self._object(node)
            case bytes():
                self.count_bytes(len(node))
                return node
            case tuple():
                return tuple(map(self.make, node))
            case list():
                return list(map(self.make, node))
            case Pairs():
                return self.pairs(node)
            case None | bool() | int() | float() | str():
                return node
            case _:
                raise ValueError("is no pickle of a model")

    def pairs(self, node: Made | Pairs) -> dict[Any, Any]:
        """Make a dictionary."""
        found = {}
        for key_node, value_node in node.pairs:
            key = self.make(key_node)
            if not isinstance(key, (str, int, float, bool, type(None))):
                raise ValueError(f"holds a dictionary with a {type(key).__name__} for a key")
            found[key] = self.make(value_node)
        return found

    def count_bytes(self, number: int) -> None:
        """Refuse what needs much more memory than the file."""
        self._bytes_left -= number
        if self._bytes_left < 0:
            raise ValueError("needs much more memory than its size")

    def _object(self, made: Made) -> Any:
        if not isinstance(made.of, Name):
            raise ValueError("calls what it has made")
        name = str(made.of).replace("numpy.core.", "numpy._core.")
        if name not in self._rules:
            raise ValueError(_refusal(made.of))
        try:
            return self._rules[name](self, made)
        except (TypeError, AttributeError, IndexError, KeyError, OverflowError, MemoryError) as error:
            reason = " ".join(str(error).split())[:120]
            raise ValueError(f"holds a damaged {made.of.name} ({reason})") from error


def _refusal(name: Name) -> str:
    if name.module.startswith("cloudpickle"):
        return "holds the code of a function or class, which loading would run"
    return f"makes an object with {str(name)[:120]!r}, which is none of those that models of SB3 hold"


def with_attributes(cls: type[Any], state: Mapping[Any, Any]) -> Any:
    """Make an instance as pickles do, without its constructor, from attributes that hide no method."""
    for name in state:
        if not isinstance(name, str) or callable(getattr(cls, name, None)):
            raise ValueError(f"holds a {cls.__name__} with a foreign attribute {str(name)[:40]!r}")
    instance: Any = object.__new__(cls)
    getattr(instance, "__setstate__", instance.__dict__.update)(state)
    return instance


def attributes_rule(cls: type[Any]) -> Rule:
    """Make instances of a class from their attributes."""

    def make(objects: Objects, made: Made) -> Any:
        if made.args or made.kwargs or not isinstance(made.state, Pairs):
            raise ValueError(f"holds a damaged {cls.__name__}")
        return with_attributes(cls, objects.pairs(made.state))

    return make


def _calling(function: Callable[..., Any]) -> Rule:
    """Make it by a function that can do nothing but that."""

    def make(objects: Objects, made: Made) -> Any:
        if made.state is not None or made.items or made.pairs or made.kwargs is not None:
            raise ValueError(f"holds a damaged {made.of.name}")
        return function(*map(objects.make, made.args))

    return make


def _member(objects: Objects, made: Made) -> Any:
    """Make a member of an enumeration, which Python 3.11.0 to 3.11.3 asks for by its name: ``getattr(cls, name)``."""
    named = {class_name(cls): cls for cls in ENUMS}
    of, name = made.args
    if not isinstance(of, Name) or str(of) not in named or type(name) is not str or made.state is not None:
        raise ValueError("makes an object with 'builtins.getattr', which may only name members of enumerations")
    return named[str(of)].__members__[name]


def _deque(objects: Objects, made: Made) -> Any:
    items, *length = map(objects.make, made.args)
    return deque([*items, *map(objects.make, made.items)], *length)


def _ordered(objects: Objects, made: Made) -> Any:
    pairs = map(objects.make, made.args[0]) if made.args else ()
    return OrderedDict([*pairs, *objects.pairs(made).items()])


def _partial(objects: Objects, made: Made) -> Any:
    """Make ``functools.partial(nn.LeakyReLU, negative_slope=0.1)`` and its like."""
    function, args, kwargs, attributes = map(objects.make, made.state)
    if not isinstance(function, type) or attributes:
        raise ValueError("holds a partial function of what is no class")
    return functools.partial(function, *args, **(kwargs or {}))


def _zoo_schedule(objects: Objects, made: Made) -> LinearSchedule:
    """Make RL Zoo3's linear schedule without RL Zoo3: SB3's of the same course."""
    return LinearSchedule(float(objects.pairs(made.state)["initial_value"]), 0.0, 1.0)


def _set(kind: type[Any]) -> Rule:
    return lambda objects, made: kind(map(objects.make, [*(made.args[0] if made.args else ()), *made.items]))


def class_name(cls: type[Any]) -> str:
    """``"module.Class"``."""
    return f"{cls.__module__}.{cls.__qualname__}"


_RULES: dict[str, Rule] = {
    **{class_name(cls): attributes_rule(cls) for cls in OF_ATTRIBUTES},
    **{class_name(cls): _calling(cls) for cls in (*ENUMS, TrainFreq, th.Size)},
    "builtins.getattr": _member,
    "rl_zoo3.utils.SimpleLinearSchedule": _zoo_schedule,
    "torch.device": _calling(th.device),
    "collections.deque": _deque,
    "collections.OrderedDict": _ordered,
    "functools.partial": _partial,
    "builtins.set": _set(set),
    "builtins.frozenset": _set(frozenset),
}
