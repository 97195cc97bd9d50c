"""
Hyperparameters as a zoo YAML block has them.

What a search space returns are constructor arguments. A trial is trained from their YAML form, through the zoo, so that
the block that is written in the end trains the same model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import rl_zoo3.exp_manager
from stable_baselines3.common.noise import NormalActionNoise, OrnsteinUhlenbeckActionNoise
from torch import nn

from sb3_ext.app.errors import UserError

_EVALUATED_BY_THE_ZOO = ("policy_kwargs", "replay_buffer_kwargs")


def as_settings(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """
    Turn constructor arguments into settings of a zoo YAML block.

    Action noise becomes ``noise_type`` and ``noise_std``; ``policy_kwargs`` and ``replay_buffer_kwargs`` become the
    Python expressions that the zoo evaluates.
    """
    settings: dict[str, Any] = {}
    for name, value in arguments.items():
        if name == "action_noise":
            settings.update(_noise(value))
        elif name in _EVALUATED_BY_THE_ZOO and isinstance(value, Mapping):
            settings[name] = _expression(name, value)
        elif name == "replay_buffer_class" and isinstance(value, type):
            settings[name] = _expression(name, value)
        elif name == "policy" and isinstance(value, type):
            settings[name] = f"{value.__module__}.{value.__qualname__}"
        else:
            settings[name] = _plain(name, value)
    return settings


def _noise(noise: Any) -> dict[str, Any]:
    if noise is None:
        return {}
    names: dict[type, str] = {NormalActionNoise: "normal", OrnsteinUhlenbeckActionNoise: "ornstein-uhlenbeck"}
    sigma = np.atleast_1d(getattr(noise, "_sigma", math.nan))
    if type(noise) not in names or np.any(noise._mu) or len(set(sigma.tolist())) > 1:
        raise UserError(
            f"the search space returned action_noise={noise!r}: the zoo's YAML knows normal and Ornstein-Uhlenbeck"
            " noise with mean 0 and one standard deviation for all dimensions"
        )
    return {"noise_type": names[type(noise)], "noise_std": float(sigma[0])}


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(name, item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(name, item) for key, item in value.items()}
    raise UserError(f"hyperparameter {name} is {value!r}, a {type(value).__name__}: a YAML block cannot hold it")


def _expression(name: str, value: Any) -> str:
    """Write a value as Python that the zoo can evaluate; it knows ``nn`` and a few classes of SB3."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)) or (isinstance(value, float) and math.isfinite(value)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        items = ", ".join(_expression(name, item) for item in value)
        if isinstance(value, list):
            return f"[{items}]"
        return f"({items},)" if len(value) == 1 else f"({items})"
    if isinstance(value, Mapping) and all(isinstance(key, str) and key.isidentifier() for key in value):
        return f"dict({', '.join(f'{key}={_expression(name, item)}' for key, item in value.items())})"
    if isinstance(value, type):
        class_name = str(value.__name__)
        if getattr(nn, class_name, None) is value:
            return f"nn.{class_name}"
        if getattr(rl_zoo3.exp_manager, class_name, None) is value:
            return class_name
    raise UserError(f"hyperparameter {name} holds {value!r}, which the zoo cannot evaluate in a YAML block")
