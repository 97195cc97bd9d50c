"""The dueling head, and the policies that put it on the networks of SB3's DQN."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space, is_image_space_channels_first
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, CombinedExtractor, create_mlp
from stable_baselines3.common.type_aliases import Schedule
from stable_baselines3.dqn.policies import DQNPolicy, QNetwork
from torch import nn

from sb3_ext.common.arrays import AnyArray
from sb3_ext.common.hyperparameters import check_hyperparameters, integer, is_integer, optional
from sb3_ext.common.networks import SavedWhole
from sb3_ext.common.starts import respect_starts
from sb3_ext.fast import FastPolicy, NumpyModule, forward_numpy

NATURE_LAYERS = ((32, 8, 4), (64, 4, 2), (64, 3, 1))


class Convolutions(BaseFeaturesExtractor):
    """
    Convolutions over an image, flattened, by default without the fully connected layer of SB3's ``NatureCNN``.

    The default layers are those of Mnih et al. (2015). ``[(32, 5, 5), (64, 5, 5)]`` is the small network of
    data-efficient Rainbow (van Hasselt et al., 2019, https://arxiv.org/abs/1906.05243).

    :param observation_space: an image, channels first or last, of integers (divided by 255) or floats (taken as is)
    :param layers: filters, kernel size and stride of each convolution
    :param normalized_image: whether pixels are already scaled, set by the policy for ``normalize_images=False``
    :param features_dim: units of a fully connected layer with ReLU at the end, at least 1; ``None`` for none
    :raises ValueError: if the space is no image, the layers do not fit into it, or ``features_dim`` is out of range
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        layers: Sequence[tuple[int, int, int]] = NATURE_LAYERS,
        normalized_image: bool = False,
        features_dim: int | None = None,
    ) -> None:
        check_hyperparameters("Convolutions", {"features_dim": features_dim}, {"features_dim": optional(integer(1))})
        if not is_image_space(observation_space, check_channels=False, normalized_image=normalized_image):
            raise ValueError(
                f"Convolutions need a three-dimensional image of bytes, not {observation_space}; use MlpPolicy for "
                "vectors, MultiInputPolicy for Dict, policy_kwargs=dict(normalize_images=False) for images of floats."
            )
        assert isinstance(observation_space, spaces.Box)
        super().__init__(observation_space, features_dim=1)
        # SB3 moves the channels of byte images to the front, those of float images it leaves alone
        self.channels_first = is_image_space_channels_first(observation_space)
        height, width, channels = observation_space.shape
        if self.channels_first:
            channels, height, width = observation_space.shape
        if not layers or not all(len(layer) == 3 and all(is_integer(size, 1) for size in layer) for layer in layers):
            raise ValueError(
                f"Convolutions: layers={layers!r} is not valid; pass (filters, kernel size, stride) of each, all >= 1."
            )
        modules: list[nn.Module] = []
        for filters, kernel, stride in layers:
            modules += [nn.Conv2d(channels, filters, kernel, stride), nn.ReLU()]
            channels, height, width = filters, (height - kernel) // stride + 1, (width - kernel) // stride + 1
            if min(height, width) < 1:
                raise ValueError(f"The layers {list(layers)} do not fit into an image of {observation_space.shape}.")
        self._features_dim = channels * height * width
        modules.append(nn.Flatten())
        if features_dim is not None:
            modules += [nn.Linear(self._features_dim, features_dim), nn.ReLU()]
            self._features_dim = features_dim
        self.cnn = nn.Sequential(*modules)

    def forward(self, observations: th.Tensor) -> th.Tensor:
        """Return features of shape (batch, features_dim)."""
        features: th.Tensor = self.cnn(observations if self.channels_first else observations.permute(0, 3, 1, 2))
        return features


class DuelingHead(NumpyModule):
    """
    Q(s, a) = V(s) + A(s, a) - mean over a' of A(s, a'), equation 9 of https://arxiv.org/abs/1511.06581.

    All but the last of the hidden layers are shared. The last one exists twice, once in the stream of the value and
    once in that of the advantages; both lie in one matrix here. The gradient that the streams send back is scaled by
    1 / sqrt(2), as in section 4.2 of the paper.

    :param features_dim: number of features
    :param n_actions: number of actions
    :param net_arch: units of the hidden layers, the last number those of each stream; with no layers value and
        advantages are linear in the features
    :param activation_fn: activation of the hidden layers
    """

    def __init__(
        self, features_dim: int, n_actions: int, net_arch: list[int], activation_fn: type[nn.Module] = nn.ReLU
    ) -> None:
        super().__init__()
        self.shared = nn.Sequential(*create_mlp(features_dim, -1, net_arch[:-1], activation_fn))
        width = [features_dim, *net_arch[:-1]][-1]
        self.streams: nn.Module | None = None
        if net_arch:
            self.streams = nn.Sequential(nn.Linear(width, 2 * net_arch[-1]), activation_fn())
            width = net_arch[-1]
        self.value = nn.Linear(width, 1)
        self.advantage = nn.Linear(width, n_actions)

    def forward(self, features: th.Tensor) -> th.Tensor:
        """Return Q-values of shape (batch, n_actions) for features of shape (batch, features_dim)."""
        shared = self.shared(features)
        if shared.requires_grad:
            shared = _scale_gradient(shared, 1 / math.sqrt(2))
        to_value, to_advantage = (shared, shared) if self.streams is None else self.streams(shared).chunk(2, dim=1)
        value, advantage = self.value(to_value), self.advantage(to_advantage)
        q_values: th.Tensor = value + advantage - advantage.mean(dim=1, keepdim=True)
        return q_values

    def forward_numpy(self, x: AnyArray) -> AnyArray:
        """The same in NumPy, to act."""
        to_value = to_advantage = forward_numpy(self.shared, x)
        if self.streams is not None:
            hidden = forward_numpy(self.streams, to_value)
            to_value, to_advantage = hidden[:, : hidden.shape[1] // 2], hidden[:, hidden.shape[1] // 2 :]
        value, advantage = forward_numpy(self.value, to_value), forward_numpy(self.advantage, to_advantage)
        q_values: AnyArray = value + advantage - np.add.reduce(advantage, axis=1, keepdims=True) / advantage.shape[1]
        return q_values


def _scale_gradient(x: th.Tensor, scale: float) -> th.Tensor:
    """Leave the value as it is, and multiply the gradient by ``scale``."""
    return x.detach().lerp(x, scale)


class DuelingNetwork(SavedWhole, QNetwork):
    """
    Network of SB3's DQN from observations to Q-values, possibly with a dueling head.

    :param args: arguments of SB3's ``QNetwork``
    :param dueling: whether the head is dueling, or the plain one of DQN
    :param kwargs: as ``args``
    """

    def __init__(self, *args: Any, dueling: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.dueling = dueling
        if dueling:
            head = DuelingHead(self.features_dim, int(self.action_space.n), self.net_arch, self.activation_fn)
            self.q_net = head  # type: ignore[assignment]  # SB3's head is an nn.Sequential
        respect_starts(self, QNetwork)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return {**super()._get_constructor_parameters(), "dueling": self.dueling}


class DuelingPolicy(FastPolicy, DQNPolicy):
    """
    Policy of SB3's DQN with a dueling head, for :class:`sb3_ext.DuelingDQN` and for ``stable_baselines3.DQN``.

    :param observation_space: observation space
    :param action_space: action space
    :param lr_schedule: learning rate as a function of the remaining progress
    :param net_arch: units of the hidden layers, see :class:`DuelingHead`; ``[64, 64]`` by default, ``[512]`` after
        :class:`Convolutions`
    :param activation_fn: activation of the hidden layers
    :param dueling: whether the head is dueling, or the plain one of DQN
    :param kwargs: features extractor and optimizer, see :class:`~sb3_ext.fast.policy.FastPolicy`, and whether to divide
        images by 255 (``normalize_images``)
    :raises ValueError: if the layers are no positive integers
    """

    learned = ("q_net",)
    network_class = DuelingNetwork
    head = "q_net"

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Discrete,
        lr_schedule: Schedule,
        net_arch: list[int] | None = None,
        activation_fn: type[nn.Module] = nn.ReLU,
        dueling: bool = True,
        **kwargs: Any,
    ) -> None:
        extractor = kwargs.get("features_extractor_class") or self.default_features_extractor
        if not kwargs.get("normalize_images", True) and issubclass(extractor, Convolutions):
            given = kwargs.get("features_extractor_kwargs") or {}
            kwargs["features_extractor_kwargs"] = {**given, "normalized_image": True}
        if net_arch is None:
            net_arch = [512] if issubclass(extractor, Convolutions) else [64, 64]
        valid = isinstance(net_arch, (list, tuple)) and all(is_integer(units, 1) for units in net_arch)
        check_hyperparameters(
            type(self).__name__, {"net_arch": net_arch}, {"net_arch": (valid, "a list of integers >= 1")}
        )
        self.dueling = dueling
        super().__init__(observation_space, action_space, lr_schedule, list(net_arch), activation_fn, **kwargs)

    def make_q_net(self) -> DuelingNetwork:
        """Build a network from observations to Q-values."""
        return DuelingNetwork(**self._update_features_extractor(self.net_args), dueling=self.dueling).to(self.device)

    def choose(self, output: AnyArray) -> AnyArray:
        """Choose the action with the largest of the Q-values, shape (n_envs, n_actions)."""
        assert isinstance(self.action_space, spaces.Discrete)
        actions: AnyArray = output.argmax(axis=1) + self.action_space.start
        return actions

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return {**super()._get_constructor_parameters(), "dueling": self.dueling}


MlpPolicy = DuelingPolicy


class CnnPolicy(DuelingPolicy):
    """:class:`DuelingPolicy` for images: :class:`Convolutions`, then streams of 512 units as in the paper."""

    default_features_extractor = Convolutions


class MultiInputPolicy(DuelingPolicy):
    """:class:`DuelingPolicy` for ``Dict`` observations, with SB3's ``CombinedExtractor``."""

    default_features_extractor = CombinedExtractor
