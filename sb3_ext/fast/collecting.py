"""Actions, values and probabilities of SB3's actor-critic policies without the cost of PyTorch's small operations."""

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.distributions import CategoricalDistribution, DiagGaussianDistribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.torch_layers import MlpExtractor

from sb3_ext.common.arrays import AnyArray
from sb3_ext.fast.acting import forward_numpy, is_plain

MOST_OBSERVATIONS = 256
"""
Observations up to which NumPy takes less time than PyTorch on one thread: 0.4 to 0.7 times for up to 64, 0.7 to 0.9
times for 256 and more, with networks of 64 to 256 units; timed by hand, the fastest of 15 turns.
"""


@contextlib.contextmanager
def acting_leanly(policy: ActorCriticPolicy) -> Iterator[None]:
    """
    Let ``policy(observations)`` draw the same actions, up to rounding, in less time: networks of linear layers, ReLU
    and tanh for vectors, on the CPU, with Gaussian or categorical actions. Other policies stay as they are.
    """
    if not _is_plain(policy):
        yield
        return
    vars(policy)["forward"] = LeanForward(policy)
    try:
        yield
    finally:
        del policy.forward


class LeanForward:
    """What stands in for the method ``forward`` of a policy."""

    def __init__(self, policy: ActorCriticPolicy) -> None:
        self.policy = policy

    def __call__(self, obs: th.Tensor, deterministic: bool = False) -> tuple[th.Tensor, th.Tensor, th.Tensor]:
        """Actions (n, ...), values (n, 1) and logarithms of probabilities (n,) for observations (n, features)."""
        policy: Any = self.policy
        if deterministic or th.is_grad_enabled() or len(obs) > MOST_OBSERVATIONS:
            answer: tuple[th.Tensor, th.Tensor, th.Tensor] = ActorCriticPolicy.forward(policy, obs, deterministic)
            return answer
        features = obs.numpy().astype(np.float32, copy=False).reshape(len(obs), -1)
        extractor = policy.mlp_extractor
        output = forward_numpy(policy.action_net, forward_numpy(extractor.policy_net, features))
        values = forward_numpy(policy.value_net, forward_numpy(extractor.value_net, features))
        draw = _draw_categorical if isinstance(policy.action_space, spaces.Discrete) else _draw_gaussian
        actions, log_prob = draw(policy, output)
        return actions.reshape(-1, *policy.action_space.shape), th.from_numpy(values), th.from_numpy(log_prob)


def _draw_gaussian(policy: ActorCriticPolicy, mean: AnyArray) -> tuple[th.Tensor, AnyArray]:
    log_std = policy.log_std.detach().numpy()
    # as torch.distributions.Normal draws, from the same generator
    noise = th.normal(th.zeros(mean.shape), th.ones(mean.shape)).numpy()
    log_prob = -0.5 * np.square(noise) - (log_std + np.float32(0.5 * math.log(2 * math.pi)))
    return th.from_numpy(mean + np.exp(log_std) * noise), log_prob.sum(axis=1)


def _draw_categorical(policy: ActorCriticPolicy, logits: AnyArray) -> tuple[th.Tensor, AnyArray]:
    logits -= logits.max(axis=1, keepdims=True)
    logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
    actions = th.multinomial(th.from_numpy(np.exp(logits)), 1, replacement=True).squeeze(1)
    return actions, logits[np.arange(len(logits)), actions.numpy()]


def _is_plain(policy: Any) -> bool:
    space = policy.observation_space
    if type(policy) is not ActorCriticPolicy or not isinstance(space, spaces.Box) or is_image_space(space):
        return False
    extractor = policy.mlp_extractor
    layers = [policy.features_extractor, policy.vf_features_extractor, policy.action_net, policy.value_net]
    return (
        type(policy.action_dist) in (CategoricalDistribution, DiagGaussianDistribution)
        and type(extractor) is MlpExtractor
        and not any(module._forward_hooks or module._forward_pre_hooks for module in (policy, extractor))
        and all(map(is_plain, [*layers, extractor.policy_net, extractor.value_net]))
    )
