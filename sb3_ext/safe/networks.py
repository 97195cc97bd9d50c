"""What the networks of a policy compute, layer by layer, for readers in other languages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.torch_layers import FlattenExtractor
from torch import nn

_ACTIVATIONS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("Identity", "ReLU", "SiLU", "Sigmoid", "Tanh", "CenteredSigmoid"), ()),
    "ELU": ("alpha",),
    "GELU": ("approximate",),
    "LeakyReLU": ("negative_slope",),
    "Softplus": ("beta", "threshold"),
}


def describe_networks(policy: BasePolicy) -> dict[str, Any] | None:
    """
    Describe how a policy of fully connected layers acts; docs/evaluation.md explains it.

    :param policy: The policy.
    :return: None for other policies, e.g. with convolutions or recurrent layers.
    """
    found = _sequence(policy)
    reads = _observation(policy.observation_space)
    acts = _action(policy, policy.action_space)
    names = {module: f"policy/{name}" for name, module in policy.named_modules()}
    try:
        layers = [layer for module in found for layer in _layers(module, names)]
    except ValueError:
        return None
    if not found or reads is None or acts is None:
        return None
    return {"observation": reads, "layers": layers, "action": acts}


def _sequence(policy: Any) -> list[nn.Module]:
    """The modules that lead from an observation to an action, none if they are not known."""
    acting = next(
        (getattr(policy, name) for name in ("actor", "q_net", "quantile_net") if hasattr(policy, name)), policy
    )
    extractor = getattr(acting, "features_extractor", None)
    if not isinstance(extractor, FlattenExtractor) or getattr(policy, "use_sde", False):
        return []
    if isinstance(policy, ActorCriticPolicy):
        plain = not hasattr(policy, "lstm_actor") and hasattr(policy.mlp_extractor, "policy_net")
        return [policy.mlp_extractor.policy_net, policy.action_net] if plain else []
    if hasattr(acting, "latent_pi"):
        return [acting.latent_pi, acting.mu, nn.Tanh()]
    head = next((getattr(acting, name) for name in ("mu", "q_net", "quantile_net") if hasattr(acting, name)), None)
    return [] if head is None else [head, *([acting] if hasattr(acting, "n_quantiles") else [])]


def _layers(module: Any, names: dict[nn.Module, str]) -> Iterator[dict[str, Any]]:
    kind = type(module).__name__
    if isinstance(module, nn.Sequential):
        for part in module:
            yield from _layers(part, names)
    elif kind == "Linear":
        yield _linear(module, names)
    elif kind == "DuelingHead":
        yield from _layers(module.shared, names)
        streams = [] if module.streams is None else list(_layers(module.streams, names))
        value, advantage = _linear(module.value, names), _linear(module.advantage, names)
        yield {"layer": "Dueling", "streams": streams, "value": value, "advantage": advantage}
    elif kind == "QuantileNetwork":
        yield {"layer": "MeanOfQuantiles", "quantiles": module.n_quantiles}
    elif kind == "LayerNorm":
        yield {**_linear(module, names), "eps": module.eps}
    elif kind in _ACTIVATIONS:
        yield {"layer": kind, **{name: getattr(module, name) for name in _ACTIVATIONS[kind]}}
    else:
        raise ValueError(f"a layer of the kind {kind}")


def _linear(module: Any, names: dict[nn.Module, str]) -> dict[str, Any]:
    weight, bias = (None if getattr(module, part) is None else f"{names[module]}.{part}" for part in ("weight", "bias"))
    return {"layer": type(module).__name__, "weight": weight, "bias": bias}


def _observation(space: spaces.Space[Any]) -> str | None:
    if isinstance(space, spaces.Box):
        return None if is_image_space(space) else "flatten"
    if isinstance(space, spaces.MultiBinary):
        return "flatten"
    if isinstance(space, spaces.Discrete):
        return "one_hot" if space.start == 0 else None
    return "one_hot" if isinstance(space, spaces.MultiDiscrete) and not space.start.any() else None


def _action(policy: BasePolicy, space: spaces.Space[Any]) -> str | None:
    if isinstance(space, spaces.Box):
        return "scale" if policy.squash_output else "clip"
    if isinstance(space, spaces.MultiBinary):
        return "positive"
    if isinstance(space, spaces.Discrete):
        return "argmax" if space.start == 0 else None
    return "argmax" if isinstance(space, spaces.MultiDiscrete) and not space.start.any() else None
