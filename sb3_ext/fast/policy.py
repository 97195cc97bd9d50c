"""What makes a policy quick: the fused kernel of its optimizers, its training flag, and acting without PyTorch."""

from typing import Any, ClassVar

import torch as th
from stable_baselines3.common.policies import BaseModel, BasePolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, FlattenExtractor
from stable_baselines3.common.type_aliases import PyTorchObs
from torch import nn

from sb3_ext.common.networks import SavedWhole
from sb3_ext.common.starts import original_class
from sb3_ext.fast.training_flag import TrainingSwitch


class FastPolicy(SavedWhole, BasePolicy):
    """
    Mixin for the policies of off-policy algorithms, to be put before the base class.

    :param args: arguments of the base class
    :param features_extractor_class: network from observations to features, ``None`` for ``default_features_extractor``
    :param features_extractor_kwargs: its arguments
    :param optimizer_class: class of the optimizers
    :param optimizer_kwargs: their arguments without the learning rate; Adam and AdamW run their fused kernel unless
        ``fused``, ``foreach`` or ``differentiable`` is given
    :param kwargs: as ``args``
    """

    default_features_extractor: ClassVar[type[BaseFeaturesExtractor]] = FlattenExtractor
    learned: ClassVar[tuple[str, ...]]
    """Names of the networks that learn, first the one that acts. All others always stay in evaluation mode."""
    network_class: ClassVar[type[BaseModel]]
    """Class of the network that acts, for which features extractor and head say all."""
    head: ClassVar[str]
    """Name of its layers behind the features extractor."""
    acts_plainly: ClassVar[bool]
    """Whether actions are those of that network, and not of a ``_predict`` that the user wrote."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.acts_plainly = cls._predict is FastPolicy._predict

    def __init__(
        self,
        *args: Any,
        features_extractor_class: type[BaseFeaturesExtractor] | None = None,
        features_extractor_kwargs: dict[str, Any] | None = None,
        optimizer_class: type[th.optim.Optimizer] = th.optim.Adam,
        optimizer_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            *args,
            features_extractor_class=features_extractor_class or self.default_features_extractor,
            # SB3 adds a key to this dictionary when images come normalised
            features_extractor_kwargs=dict(features_extractor_kwargs or {}),
            optimizer_class=optimizer_class,
            optimizer_kwargs=lean_optimizer_kwargs(optimizer_class, optimizer_kwargs or {}),
            **kwargs,
        )
        self._switch = TrainingSwitch()

    def _predict(self, observation: PyTorchObs, deterministic: bool = False) -> th.Tensor:
        actions: th.Tensor = getattr(self, self.learned[0])._predict(observation, deterministic)
        return actions

    def set_training_mode(self, mode: bool) -> None:
        """Switch batch normalisation and dropout of the networks that learn; targets always stay in evaluation mode."""
        self._switch([getattr(self, name) for name in self.learned], mode)
        self.training = mode

    def plain_layers(self) -> list[nn.Module]:
        """List the layers through which observations become what :meth:`choose` takes, none if there is more to it."""
        network = getattr(self, self.learned[0])
        if not self.acts_plainly or original_class(network) is not self.network_class:
            return []
        return [network.features_extractor, getattr(network, self.head)]

    def choose(self, output: Any) -> Any:
        """Turn the output of the last layer into actions in NumPy, shape (n_envs, ...)."""
        return output


def lean_optimizer_kwargs(optimizer_class: type[th.optim.Optimizer], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Ask Adam and AdamW for their fused kernel, unless the user chose an implementation."""
    chosen = {"fused", "foreach", "differentiable"} & kwargs.keys()
    if optimizer_class in (th.optim.Adam, th.optim.AdamW) and not chosen:
        return {**kwargs, "fused": True}
    return dict(kwargs)
