"""Checks of hyperparameters at the door, and learning rates as schedules."""

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.type_aliases import Schedule
from stable_baselines3.common.utils import FloatSchedule, LinearSchedule

Rule: TypeAlias = tuple[Callable[[Any], bool], str]
"""Whether a value is valid, and what is allowed in words."""
Rules: TypeAlias = Mapping[str, Rule | tuple[bool, str]]
"""Rules by the name of the argument. One that depends on other arguments may say at once whether it holds."""


def is_integer(value: object, minimum: int) -> bool:
    """Tell whether ``value`` is an integer (not a bool) of at least ``minimum``."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and bool(value >= minimum)


def is_real(value: object, low: float = -math.inf, high: float = math.inf) -> bool:
    """Tell whether ``value`` is a finite number (not a bool) in ``[low, high]``."""
    if not isinstance(value, (int, float, np.integer, np.floating)) or isinstance(value, bool):
        return False
    return math.isfinite(value) and bool(low <= value <= high)


def is_positive(value: object, high: float = math.inf) -> bool:
    """Tell whether ``value`` is a finite number (not a bool) in ``(0, high]``."""
    return is_real(value, 0.0, high) and value != 0


def is_float_box(space: spaces.Space[Any]) -> bool:
    """Tell whether scaled actions survive the replay buffer, which stores them in the dtype of the space."""
    if not isinstance(space, spaces.Box) or not np.issubdtype(space.dtype, np.floating):
        return False
    return bool((space.low < space.high).all())


def integer(minimum: int) -> Rule:
    """Allow integers of at least ``minimum``."""
    return lambda value: is_integer(value, minimum), f"an integer >= {minimum}"


def number(low: float = -math.inf, high: float = math.inf) -> Rule:
    """Allow finite numbers in ``[low, high]``."""
    bounds = f" >= {low:g}" if low > -math.inf else ""
    allowed = f"a number in [{low:g}, {high:g}]" if high < math.inf else f"a finite number{bounds}"
    return lambda value: is_real(value, low, high), allowed


def positive(high: float = math.inf) -> Rule:
    """Allow finite numbers in ``(0, high]``."""
    allowed = f"a number in (0, {high:g}]" if high < math.inf else "a finite number > 0"
    return lambda value: is_positive(value, high), allowed


def one_of(*choices: object) -> Rule:
    """Allow a few values."""
    *others, last = map(repr, choices)
    return lambda value: value in choices, f"{', '.join(others)} or {last}"


def flag() -> Rule:
    """Allow True and False, not 0 and 1."""
    return lambda value: isinstance(value, bool), "True or False"


def optional(rule: Rule) -> Rule:
    """Allow ``None`` beside what another rule allows."""
    valid, allowed = rule
    return lambda value: value is None or valid(value), f"None or {allowed}"


def check_hyperparameters(owner: str, values: Mapping[str, object], rules: Rules) -> None:
    """
    Raise on the first rule that does not hold.

    :param owner: name of the class whose arguments are checked
    :param values: the arguments given, by name
    :param rules: the rule of each name
    :raises ValueError: one line with what was given and what is allowed
    """
    for name, (valid, allowed) in rules.items():
        if not (valid(values[name]) if callable(valid) else valid):
            raise ValueError(f"{owner}: {name}={values[name]!r} is not valid; pass {allowed}.")


def make_schedule(name: str, value: float | str | Schedule) -> FloatSchedule:
    """
    Turn a learning rate into a schedule of the remaining progress (1 at the start, 0 at the end).

    :param name: argument name for error messages
    :param value: a number, a callable, or ``"lin_<number>"`` as in the zoo's YAML files: linear from the number to 0
    :return: the schedule
    :raises ValueError: if the value has another form, or is negative or not finite at the start or at the end
    """
    allowed = f"{name}={value!r} is not valid; pass a finite number >= 0 such as 0.001, a callable, or 'lin_0.001'."
    schedule: float | Schedule
    if callable(value):
        schedule = value
    elif isinstance(value, str):
        prefix, _, number = value.partition("_")
        try:
            start = float(number)
        except ValueError:
            raise ValueError(allowed) from None
        if prefix != "lin":
            raise ValueError(allowed)
        schedule = LinearSchedule(start, 0.0, 1.0)
    elif is_real(value):
        schedule = float(value)
    else:
        raise ValueError(allowed)
    result = FloatSchedule(schedule)
    if not all(is_real(result(progress), 0.0) for progress in (1.0, 0.0)):
        raise ValueError(allowed)
    return result
