"""Acting on a few observations without the cost of PyTorch's operations, which is that of hundreds of them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch as th
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.torch_layers import FlattenExtractor
from stable_baselines3.common.utils import obs_as_tensor
from torch import nn

from sb3_ext.common.arrays import AnyArray

SMALL_BATCH = 16
"""Observations up to which NumPy is faster than PyTorch."""


class NumpyModule(nn.Module):
    """A module that can say what it computes in NumPy too."""

    def forward_numpy(self, x: AnyArray) -> AnyArray:
        """Compute what ``forward`` computes, from the same parameters, shape (batch, features) to (batch, ...)."""
        raise NotImplementedError


def forward_numpy(module: nn.Module, x: AnyArray) -> AnyArray:
    """
    Compute in NumPy what a network computes for which :func:`is_plain` holds, equal up to rounding, from the same
    memory, so that it is never out of date; shape (batch, features) to (batch, ...).
    """
    y = x
    if isinstance(module, nn.Linear):
        parameters = module._parameters  # past nn.Module.__getattr__, which takes as long as the product
        y = x @ parameters["weight"].detach().numpy().T  # type: ignore[union-attr]
        if parameters["bias"] is not None:
            y += parameters["bias"].detach().numpy()
    elif isinstance(module, nn.ReLU):
        y = np.maximum(x, np.float32(0.0))
    elif isinstance(module, nn.Tanh):
        y = np.tanh(x)
    elif isinstance(module, nn.Sequential):
        for layer in module._modules.values():
            y = forward_numpy(layer, y)
    elif isinstance(module, NumpyModule):
        y = module.forward_numpy(x)
    elif isinstance(module, nn.Flatten | FlattenExtractor):
        y = x.reshape(len(x), -1)
    else:  # put there after the others had been found plain
        with th.no_grad():
            y = module(th.from_numpy(x)).numpy()
    return y


def is_plain(module: nn.Module) -> bool:
    """Tell whether a network is of float32 linear layers on the CPU, ReLU, tanh, our own heads and nothing else."""
    if module._forward_hooks or module._forward_pre_hooks:
        return False
    if type(module) is nn.Linear:
        return all(p.device.type == "cpu" and p.dtype == th.float32 for p in module.parameters())
    if type(module) is nn.Sequential:
        return all(map(is_plain, module))
    if isinstance(module, NumpyModule):
        return all(map(is_plain, module.children()))
    return type(module) in (nn.ReLU, nn.Tanh, nn.Flatten, FlattenExtractor)


def make_acting(
    policy: BasePolicy,
) -> Callable[[npt.NDArray[Any] | dict[str, npt.NDArray[Any]]], npt.NDArray[Any]]:
    """
    Build what answers to observations (n_envs, ...) while training collects them: with the actions of the policy's
    ``_predict``, computed in NumPy where it says by ``plain_layers`` that this gives the same up to rounding.
    """
    layers: list[nn.Module] = getattr(policy, "plain_layers", list)()
    vector = isinstance(policy.observation_space, spaces.Box) and not is_image_space(policy.observation_space)
    in_numpy = bool(layers) and vector and all(map(is_plain, layers))
    choose: Callable[[AnyArray], AnyArray] | None = getattr(policy, "choose", None)

    def act(observations: npt.NDArray[Any] | dict[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
        if in_numpy and len(observations) <= SMALL_BATCH:
            assert isinstance(observations, np.ndarray) and choose is not None
            output = observations.astype(np.float32, copy=False)
            for layer in layers:
                output = forward_numpy(layer, output)
            return choose(output)
        with th.no_grad():
            return policy._predict(obs_as_tensor(observations, policy.device)).numpy(force=True)

    return act
