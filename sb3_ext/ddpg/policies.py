"""The networks of DDPG: a deterministic actor, a critic with one Q-value, and the policies that hold them."""

import math
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.preprocessing import get_action_dim
from stable_baselines3.common.torch_layers import (
    BaseFeaturesExtractor,
    CombinedExtractor,
    NatureCNN,
    create_mlp,
    get_actor_critic_arch,
)
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from torch import nn

from sb3_ext.common.arrays import AnyArray
from sb3_ext.common.hyperparameters import check_hyperparameters, is_integer, is_positive, is_real
from sb3_ext.common.networks import SavedWhole
from sb3_ext.common.starts import respect_starts
from sb3_ext.fast import FastPolicy, NumpyModule


class CenteredSigmoid(NumpyModule):
    """``2 sigmoid(x) - 1 = tanh(x / 2)``: the bounds of tanh, half its slope at zero, slower saturation."""

    def forward(self, x: th.Tensor) -> th.Tensor:
        """Squash ``x`` of any shape into (-1, 1)."""
        return 2.0 * th.sigmoid(x) - 1.0

    def forward_numpy(self, x: AnyArray) -> AnyArray:
        """The same in NumPy."""
        return np.tanh(0.5 * x)


SQUASHERS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "sigmoid": CenteredSigmoid}
INPUT_SCALE = {"tanh": 1.0, "sigmoid": 2.0}


class InvertedGradients(th.autograd.Function):
    """
    Actions in [-1, 1], with a gradient of their own with regard to what was squashed.

    The bounds hold back, not the slope: an action about to rise by ``1 - a``, one about to fall by ``1 + a``. Squashing
    multiplies both by ``(1 - a) (1 + a)``, which is 0 at either end, so that no gradient leads back from there.
    """

    @staticmethod
    def forward(ctx: Any, squashed: th.Tensor, actions: th.Tensor) -> th.Tensor:
        """Return the actions, shape (batch, action dimension); ``squashed`` are those before squashing."""
        ctx.save_for_backward(actions)
        return actions.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: th.Tensor) -> tuple[th.Tensor, None]:
        """Gradient of a loss with regard to ``squashed``: where it is negative, descending makes actions rise."""
        (actions,), (gradient,) = ctx.saved_tensors, gradients
        return gradient * th.where(gradient < 0, 1 - actions, 1 + actions), None


def _init_final_layer(layer: nn.Module, bound: float | None) -> None:
    """Draw weights and biases uniformly in ``[-bound, bound]``; ``None`` keeps PyTorch's initialisation."""
    if bound is not None:
        for parameter in layer.parameters():
            nn.init.uniform_(parameter, -bound, bound)


class Actor(SavedWhole, BasePolicy):
    """Deterministic policy mu(s), in the scaled action space [-1, 1]; arguments: see :class:`DDPGPolicy`."""

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Box,
        net_arch: list[int],
        features_dim: int,
        activation_fn: type[nn.Module] = nn.ReLU,
        squash: str = "tanh",
        final_init: float | None = None,
        initial_action: float = 0.0,
        invert_gradients: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(observation_space, action_space, squash_output=True, **kwargs)
        self.invert_gradients = invert_gradients
        layers = create_mlp(features_dim, get_action_dim(action_space), net_arch, activation_fn)
        _init_final_layer(layers[-1], final_init)
        layers[-1].get_parameter("bias").data += INPUT_SCALE[squash] * math.atanh(initial_action)
        self.mu = nn.Sequential(*layers, SQUASHERS[squash]())
        self._arguments = {
            "net_arch": net_arch,
            "features_dim": features_dim,
            "activation_fn": activation_fn,
            "squash": squash,
            "final_init": final_init,
            "initial_action": initial_action,
            "invert_gradients": invert_gradients,
        }
        respect_starts(self)

    def forward(self, observation: PyTorchObs) -> th.Tensor:
        """Return the actions in [-1, 1], shape (batch, action dimension)."""
        features = self.extract_features(observation, self.features_extractor)
        if not self.invert_gradients:
            actions: th.Tensor = self.mu(features)
            return actions
        *layers, squash = self.mu
        for layer in layers:
            features = layer(features)
        # PyTorch declares no types for it
        inverted: th.Tensor = InvertedGradients.apply(features, squash(features.detach()))  # type: ignore[no-untyped-call]
        return inverted

    def _predict(self, observation: PyTorchObs, deterministic: bool = False) -> th.Tensor:
        return self.forward(observation)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        extractor = {"features_extractor": self.features_extractor}
        return {**super()._get_constructor_parameters(), **self._arguments, **extractor}


class Critic(SavedWhole):
    """Action value Q(s, a), for actions in the scaled space [-1, 1]; arguments: see :class:`DDPGPolicy`."""

    features_extractor: BaseFeaturesExtractor

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Box,
        net_arch: list[int],
        features_dim: int,
        activation_fn: type[nn.Module] = nn.ReLU,
        action_layer: int = 0,
        final_init: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(observation_space, action_space, **kwargs)
        before, after = net_arch[:action_layer], net_arch[action_layer:]
        self.observation_net = nn.Sequential(*create_mlp(features_dim, 0, before, activation_fn))
        joint_dim = (before[-1] if before else features_dim) + get_action_dim(action_space)
        layers = create_mlp(joint_dim, 1, after, activation_fn)
        _init_final_layer(layers[-1], final_init)
        self.q_net = nn.Sequential(*layers)
        self._arguments = {
            "net_arch": net_arch,
            "features_dim": features_dim,
            "activation_fn": activation_fn,
            "action_layer": action_layer,
            "final_init": final_init,
        }
        respect_starts(self)

    def forward(self, observation: PyTorchObs, actions: th.Tensor) -> th.Tensor:
        """Return the values, shape (batch, 1)."""
        hidden = self.observation_net(self.extract_features(observation, self.features_extractor))
        values: th.Tensor = self.q_net(th.cat([hidden, actions], dim=1))
        return values

    def _get_constructor_parameters(self) -> dict[str, Any]:
        extractor = {"features_extractor": self.features_extractor}
        return {**super()._get_constructor_parameters(), **self._arguments, **extractor}


class DDPGPolicy(FastPolicy):
    """
    Actor, critic, their targets and their optimizers. Every network has its own features extractor.

    :param observation_space: observation space
    :param action_space: action space
    :param lr_schedule: learning rate schedule (:class:`sb3_ext.ddpg.DDPG` then sets the critic's own rate)
    :param net_arch: hidden units of both networks, or ``dict(pi=[...], qf=[...])``;
        default ``[400, 300]`` (the paper's), ``[256, 256]`` behind a ``NatureCNN``
    :param activation_fn: activation of the hidden layers
    :param squash: output of the actor: ``"tanh"``, or ``"sigmoid"`` for ``2 sigmoid(x) - 1``. Both cover exactly
        the bounds of the action space; the sigmoid form equals ``tanh(x / 2)``, so it starts nearer to the middle of
        the range and saturates later, and gives nothing that rescaling the last layer would not give
    :param final_init: weights and biases of both output layers are drawn in ``[-final_init, final_init]``
        (3e-3 in the paper); ``None`` keeps PyTorch's initialisation
    :param initial_action: scaled action around which the untrained actor starts, in (-1, 1): exploration begins there
        instead of at the middle of the range
    :param action_layer: hidden layer of the critic at which the action enters: 0 with the observation,
        1 at the second hidden layer (the paper's); below the number of hidden layers
    :param invert_gradients: whether the actor's gradient is held back by the distance to the bound it leads to, in
        place of the slope of ``squash``, so that an actor at the end of its range finds back (inverting gradients,
        Hausknecht & Stone, 2016, https://arxiv.org/abs/1511.04143, there for an actor that squashes nothing)
    :param kwargs: features extractor and optimizers, see :class:`~sb3_ext.fast.policy.FastPolicy`, and whether to
        divide images by 255 (``normalize_images``)
    :raises ValueError: if ``squash``, ``final_init``, ``initial_action`` or ``action_layer`` is out of range,
        or ``invert_gradients`` no bool
    """

    learned = ("actor", "critic")
    network_class = Actor
    head = "mu"

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Box,
        lr_schedule: Schedule,
        net_arch: list[int] | dict[str, list[int]] | None = None,
        activation_fn: type[nn.Module] = nn.ReLU,
        squash: str = "tanh",
        final_init: float | None = None,
        initial_action: float = 0.0,
        action_layer: int = 0,
        invert_gradients: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(observation_space, action_space, squash_output=True, **kwargs)
        if net_arch is None:
            net_arch = [256, 256] if self.features_extractor_class is NatureCNN else [400, 300]
        actor_arch, critic_arch = get_actor_critic_arch(net_arch)
        n_layers = max(len(critic_arch), 1)
        check_hyperparameters(
            "DDPG policy_kwargs",
            {
                "squash": squash,
                "final_init": final_init,
                "initial_action": initial_action,
                "action_layer": action_layer,
                "invert_gradients": invert_gradients,
            },
            {
                "squash": (squash in list(SQUASHERS), "'tanh' or 'sigmoid'"),
                "final_init": (final_init is None or is_positive(final_init), "None or a finite number > 0"),
                "initial_action": (is_real(initial_action) and abs(initial_action) < 1, "a number in (-1, 1)"),
                "action_layer": (
                    is_integer(action_layer, 0) and action_layer < n_layers,
                    f"an integer from 0 to {n_layers - 1} for the critic's hidden layers {critic_arch}",
                ),
                "invert_gradients": (isinstance(invert_gradients, bool), "True or False"),
            },
        )
        self.net_arch = net_arch
        self.activation_fn = activation_fn
        self.squash = squash
        self.final_init = final_init
        self.initial_action = initial_action
        self.action_layer = action_layer
        self.invert_gradients = invert_gradients
        net_args = {
            "observation_space": observation_space,
            "action_space": action_space,
            "activation_fn": activation_fn,
            "final_init": final_init,
            "normalize_images": self.normalize_images,
        }
        self.actor_kwargs = {
            **net_args,
            "net_arch": actor_arch,
            "squash": squash,
            "initial_action": initial_action,
            "invert_gradients": invert_gradients,
        }
        self.critic_kwargs = {**net_args, "net_arch": critic_arch, "action_layer": action_layer}
        self._build(lr_schedule)

    def _build(self, lr_schedule: Schedule) -> None:
        self.actor, self.actor_target = self.make_actor(), self.make_actor()
        self.critic, self.critic_target = self.make_critic(), self.make_critic()
        self.actor_target.load_state_dict(self.actor.state_dict())
        self.critic_target.load_state_dict(self.critic.state_dict())
        self.actor_target.set_training_mode(False)
        self.critic_target.set_training_mode(False)
        for network in (self.actor, self.critic):
            network.optimizer = self.optimizer_class(
                network.parameters(),
                lr=lr_schedule(1),  # type: ignore[call-arg]
                **self.optimizer_kwargs,
            )

    def make_actor(self) -> Actor:
        """Build an actor with a features extractor of its own."""
        return Actor(**self._update_features_extractor(self.actor_kwargs)).to(self.device)

    def make_critic(self) -> Critic:
        """Build a critic with a features extractor of its own."""
        return Critic(**self._update_features_extractor(self.critic_kwargs)).to(self.device)

    def forward(self, observation: PyTorchObs, deterministic: bool = False) -> th.Tensor:
        """Return the actor's actions in [-1, 1]; ``deterministic`` changes nothing."""
        return self._predict(observation, deterministic)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return {
            **super()._get_constructor_parameters(),
            "lr_schedule": self._dummy_schedule,
            "net_arch": self.net_arch,
            "activation_fn": self.activation_fn,
            "squash": self.squash,
            "final_init": self.final_init,
            "initial_action": self.initial_action,
            "action_layer": self.action_layer,
            "invert_gradients": self.invert_gradients,
            "features_extractor_class": self.features_extractor_class,
            "features_extractor_kwargs": self.features_extractor_kwargs,
            "optimizer_class": self.optimizer_class,
            "optimizer_kwargs": self.optimizer_kwargs,
        }


MlpPolicy = DDPGPolicy


class CnnPolicy(DDPGPolicy):
    """:class:`DDPGPolicy` for images: the features extractor is a ``NatureCNN`` unless another one is given."""

    default_features_extractor = NatureCNN


class MultiInputPolicy(DDPGPolicy):
    """:class:`DDPGPolicy` for ``Dict`` observations: the features extractor is a ``CombinedExtractor`` by default."""

    default_features_extractor = CombinedExtractor
