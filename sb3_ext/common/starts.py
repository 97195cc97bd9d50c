"""``Discrete`` and ``MultiDiscrete`` spaces that count from another number than 0, which SB3's networks do not know."""

import functools
from typing import Any

import torch as th
from gymnasium import spaces
from stable_baselines3.common.distributions import Distribution
from stable_baselines3.common.policies import ActorCriticPolicy, BaseModel, BasePolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.type_aliases import PyTorchObs

Start = int | list[int]


def start_of(space: spaces.Space[Any]) -> Start:
    """Say where a space counts from: one number, or one for each part of a ``MultiDiscrete``; 0 where all are 0."""
    start: Start = 0
    if isinstance(space, spaces.Discrete):
        start = int(space.start)
    elif isinstance(space, spaces.MultiDiscrete) and space.start.any():
        start = space.start.tolist()
    return start


def from_zero(values: PyTorchObs, space: spaces.Space[Any]) -> Any:
    """Count observations or actions of a space, shape (batch, ...), from 0, in every piece of a ``Dict``."""
    if isinstance(values, dict):
        assert isinstance(space, spaces.Dict)
        return {key: from_zero(value, space[key]) for key, value in values.items()}
    start = start_of(space)
    return values - th.as_tensor(start, device=values.device) if start else values


def from_start(numbers: th.Tensor, space: spaces.Space[Any]) -> th.Tensor:
    """Turn actions that are counted from 0, shape (batch, ...), into those of a space."""
    start = start_of(space)
    return numbers + th.as_tensor(start, device=numbers.device) if start else numbers


def respect_starts(policy: BaseModel, *choosers: type[BasePolicy]) -> None:
    """
    Let a policy and every network in it, of whatever class, count from where its spaces count.

    Observations are counted from 0 before they become one-hot, and actions are those of the space everywhere: in
    ``predict``, ``_predict``, ``forward`` and distributions. Networks of which no space starts elsewhere stay as they
    are, and so do those that have been here before.

    A policy's file does not tell its class: load one of SB3's policies by ``type(model.policy).load``, as SB3's own
    class knows nothing of starts. Ours do, and whole models anyhow.

    :param policy: the policy, which is changed in place
    :param choosers: classes whose ``_predict`` numbers the actions from 0, as that of a ``QNetwork`` does
    """
    for module in policy.modules():
        if not isinstance(module, BaseModel):
            continue
        space = module.observation_space
        pieces = space.values() if isinstance(space, spaces.Dict) else [space]
        if not any(map(start_of, [*pieces, module.action_space])):
            continue
        if not isinstance(module, _CountsFromStart):
            module.__class__ = _counting(type(module), choosers)  # type: ignore[arg-type]
        if isinstance(module, ActorCriticPolicy) and start_of(module.action_space):
            distribution: Any = module.action_dist
            distribution.__class__ = _drawing(type(distribution))  # type: ignore[arg-type]
            distribution.space = module.action_space


def original_class(network: BaseModel) -> type[BaseModel]:
    """Give the class that a network had before :func:`respect_starts`."""
    return type(network)._original if isinstance(network, _CountsFromStart) else type(network)


class _CountsFromStart(BaseModel):
    """Comes behind a class of networks and before ``BaseModel``, which all of them ask to prepare observations."""

    _original: type[BaseModel]

    def extract_features(self, obs: PyTorchObs, features_extractor: BaseFeaturesExtractor) -> th.Tensor:
        return super().extract_features(from_zero(obs, self.observation_space), features_extractor)


class _ChoosesFromStart(BasePolicy):
    def _predict(self, observation: PyTorchObs, deterministic: bool = False) -> th.Tensor:
        return from_start(super()._predict(observation, deterministic), self.action_space)  # type: ignore[safe-super]


@functools.cache
def _counting(network_class: Any, choosers: Any) -> Any:
    """Derive from a class of networks one that counts from the start."""

    def init(self: BaseModel, *args: Any, **kwargs: Any) -> None:
        network_class.__init__(self, *args, **kwargs)
        respect_starts(self, *choosers)

    before = (_ChoosesFromStart,) if issubclass(network_class, choosers) else ()
    names = {"_original": network_class, "__init__": init, "__module__": network_class.__module__}
    return type(network_class.__name__, (*before, network_class, _CountsFromStart), names)


class _DrawsFromStart(Distribution):
    space: spaces.Space[Any]

    def log_prob(self, x: th.Tensor) -> th.Tensor:
        return super().log_prob(from_zero(x, self.space))  # type: ignore[safe-super]

    def sample(self) -> th.Tensor:
        return from_start(super().sample(), self.space)  # type: ignore[safe-super]

    def mode(self) -> th.Tensor:
        return from_start(super().mode(), self.space)  # type: ignore[safe-super]


@functools.cache
def _drawing(distribution_class: Any) -> Any:
    if issubclass(distribution_class, _DrawsFromStart):
        return distribution_class
    return type(distribution_class.__name__, (_DrawsFromStart, distribution_class), {})
