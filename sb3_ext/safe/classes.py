"""Classes that a model's file may name: those of PyTorch, SB3, sb3-contrib and this package that models are made of."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import torch as th
from stable_baselines3.common.buffers import BaseBuffer
from stable_baselines3.common.policies import BaseModel
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from sb3_ext.safe.pickles import Name

_KINDS = (BaseModel, BaseFeaturesExtractor, BaseBuffer)
_MODULES = frozenset(
    """
    stable_baselines3.common.buffers stable_baselines3.common.policies stable_baselines3.common.torch_layers
    stable_baselines3.dqn.policies stable_baselines3.her.her_replay_buffer stable_baselines3.sac.policies
    stable_baselines3.td3.policies
    sb3_contrib.ars.policies sb3_contrib.common.maskable.buffers sb3_contrib.common.maskable.policies
    sb3_contrib.common.recurrent.buffers sb3_contrib.common.recurrent.policies sb3_contrib.crossq.policies
    sb3_contrib.qrdqn.policies sb3_contrib.tqc.policies
    sb3_ext.ddpg.policies sb3_ext.dueling_dqn.policies sb3_ext.q_learning.policies sb3_ext.replay.frames
    sb3_ext.replay.prioritized sb3_ext.replay.transitions
    """.split()
)
_PLAIN: dict[str, type[Any]] = {f"builtins.{kind.__name__}": kind for kind in (bool, float, int, str)}
_RMSPROP = "stable_baselines3.common.sb2_compat.rmsprop_tf_like.RMSpropTFLike"


def find_class(name: Name) -> Any:
    """
    Find a class, or a data type of PyTorch, that may be named.

    Nothing is imported but modules of the list above.

    :raises ValueError: If it is no such class.
    """
    found: Any = None
    if name.module in _MODULES:
        found = vars(importlib.import_module(name.module)).get(name.name)
        allowed = isinstance(found, type) and issubclass(found, _KINDS)
    elif name.module.startswith(("torch.nn.modules.", "torch.optim.")):
        kind: Any = th.nn.Module if name.module.startswith("torch.nn.") else th.optim.Optimizer
        found = vars(th.nn if kind is th.nn.Module else th.optim).get(name.name)
        allowed = isinstance(found, type) and issubclass(found, kind) and found.__module__ == name.module
    elif name.module == "torch":
        found = vars(th).get(name.name)
        allowed = isinstance(found, th.dtype)
    elif name.module == "numpy":
        found = vars(np).get(name.name)
        allowed = isinstance(found, type) and issubclass(found, (np.number, np.bool_))
    elif str(name) == _RMSPROP:
        from stable_baselines3.common.sb2_compat.rmsprop_tf_like import RMSpropTFLike

        return RMSpropTFLike
    else:
        found = _PLAIN.get(str(name))
        allowed = found is not None
    if not allowed:
        raise ValueError(f"names {str(name)[:120]!r}, which is none of the classes that models of SB3 are made of")
    return found
