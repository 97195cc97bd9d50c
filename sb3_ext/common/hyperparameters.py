"""Checks of hyperparameters at the door, and learning rates as schedules."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.type_aliases import Schedule
from stable_baselines3.common.utils import FloatSchedule, LinearSchedule


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


def check_hyperparameters(owner: str, values: Mapping[str, object], rules: Mapping[str, tuple[bool, str]]) -> None:
    """
    Raise on the first rule that does not hold.

    :param owner: name of the class whose arguments are checked
    :param values: the arguments given, by name
    :param rules: for each name whether its value is valid, and what is allowed
    :raises ValueError: one line with what was given and what is allowed
    """
    for name, (valid, allowed) in rules.items():
        if not valid:
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
