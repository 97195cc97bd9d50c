"""What SB3's classes offer their users, by inspection."""

import inspect
from collections.abc import Callable
from typing import Any

Calls = dict[str, Callable[..., None]]
"""What calls a method and looks at what it does, by the name of the method."""


def public(*classes: type[Any]) -> set[str]:
    """Names of the methods and properties that classes of SB3 define for their users."""
    kinds = (property, classmethod, staticmethod)
    return {
        method
        for one in classes
        for method, value in vars(one).items()
        if not method.startswith("_") and (inspect.isfunction(value) or isinstance(value, kinds))
    }
