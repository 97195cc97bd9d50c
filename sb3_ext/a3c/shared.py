"""Parameters and the statistics of RMSprop in memory that several processes change without waiting for each other."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch as th
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.sb2_compat.rmsprop_tf_like import RMSpropTFLike

OPTIMIZERS = (th.optim.RMSprop, RMSpropTFLike)
"""What steps can be shared of: their statistics are one moving average of squares, and nothing else that matters."""


class Memory(NamedTuple):
    """What processes share, from a multiprocessing context's ``RawArray``."""

    parameters: ctypes.Array[ctypes.c_char]
    """Parameters and statistics of RMSprop, of :func:`size_of` bytes."""
    means: ctypes.Array[ctypes.c_double]
    """Running means, see :mod:`sb3_ext.a3c.statistics`."""
    updates: ctypes.Array[ctypes.c_longlong]
    """How many updates each worker has made."""


class Shared:
    """
    The parameters of a policy and the moving averages of their squared gradients, one flat tensor each.

    :param memory: where they lie
    :param policy: a policy of the kind that is shared
    """

    def __init__(self, memory: Memory, policy: BasePolicy) -> None:
        own = list(policy.parameters())
        self.updates = memory.updates
        self.parameters, self.squares = th.frombuffer(memory.parameters, dtype=own[0].dtype).chunk(2)
        sizes = [parameter.numel() for parameter in own]
        self._views, self._square_views = (
            [view.view_as(parameter) for view, parameter in zip(th.split(flat, sizes), own, strict=True)]
            for flat in (self.parameters, self.squares)
        )

    @th.no_grad()
    def copy_to(self, policy: BasePolicy) -> None:
        """Let a policy have the parameters as they are now."""
        th._foreach_copy_(list(policy.parameters()), self._views)

    @th.no_grad()
    def copy_all_to(self, policy: BasePolicy) -> None:
        """The same with the statistics of its optimizer."""
        self.copy_to(policy)
        th._foreach_copy_(_squares(policy), self._square_views)

    @th.no_grad()
    def copy_from(self, policy: BasePolicy) -> None:
        """Let the parameters and the statistics be those of a policy and its optimizer."""
        th._foreach_copy_(self._views, list(policy.parameters()))
        th._foreach_copy_(self._square_views, _squares(policy))


class AsynchronousOptimizer:
    """
    RMSprop with the gradients of one process's copy of the policy, on the shared parameters and statistics.

    A step reads and writes them without a lock, as the paper does (Hogwild: Niu et al., 2011,
    https://arxiv.org/abs/1106.5730). The copy stays as it is. PyTorch's own optimizers would do the same, but each
    process would import its compiler to make one, which takes longer than all else that a worker needs.

    :param shared: what changes
    :param policy: the copy whose gradients are used, with the optimizer whose settings are
    :param worker: whose updates they are
    """

    def __init__(self, shared: Shared, policy: BasePolicy, worker: int) -> None:
        self._theta, self._g = shared.parameters, shared.squares
        self._updates, self._worker = shared.updates, worker
        self._own: Sequence[th.Tensor] = list(policy.parameters())
        self.param_groups = policy.optimizer.param_groups
        self._eps_in_root = isinstance(policy.optimizer, RMSpropTFLike)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self._own:
            parameter.grad = None

    @th.no_grad()
    def step(self) -> None:
        """
        Change the shared parameters.

        :raises FloatingPointError: if the gradient is not finite; nothing has changed then
        """
        gradient = th.cat([(th.zeros_like(one) if one.grad is None else one.grad).flatten() for one in self._own])
        if not gradient.isfinite().all():
            raise FloatingPointError(
                f"a gradient is not finite after {self._updates[self._worker]} updates. Check the environment for "
                "non-finite observations and rewards, then lower learning_rate"
            )
        [settings] = self.param_groups
        alpha, eps = settings["alpha"], settings["eps"]
        if settings["weight_decay"]:
            gradient.add_(self._theta, alpha=settings["weight_decay"])
        self._g.mul_(alpha).addcmul_(gradient, gradient, value=1 - alpha)
        root = (self._g + eps).sqrt_() if self._eps_in_root else self._g.sqrt().add_(eps)
        self._theta.addcdiv_(gradient, root, value=-settings["lr"])
        self._updates[self._worker] += 1


def size_of(policy: BasePolicy) -> int:
    """Say how many bytes :class:`Shared` takes."""
    return 2 * sum(parameter.nbytes for parameter in policy.parameters())


def why_not_shared(policy: BasePolicy) -> str | None:
    """Say in words why workers cannot share a policy and its optimizer; None if they can."""
    optimizer: Any = policy.optimizer
    if type(optimizer) not in OPTIMIZERS:
        return f"the optimizer {type(optimizer).__name__} has no statistics that workers can share"
    groups = optimizer.param_groups
    if len(groups) > 1 or groups[0]["momentum"] or groups[0]["centered"] or groups[0].get("maximize"):
        return "RMSprop is shared with one group of parameters, without momentum, centered and maximize"
    for module in policy.modules():
        if isinstance(module, th.nn.modules.batchnorm._BatchNorm):
            return f"{type(module).__name__} has running statistics, which workers cannot share"
    if len({parameter.dtype for parameter in policy.parameters()}) > 1:
        return "its parameters are of several types"
    return None


def _squares(policy: BasePolicy) -> list[th.Tensor]:
    """The moving averages of an optimizer, which has them from now on."""
    optimizer = policy.optimizer
    start = 1.0 if isinstance(optimizer, RMSpropTFLike) else 0.0
    for parameter in policy.parameters():
        if "square_avg" not in optimizer.state[parameter]:
            square = th.full_like(parameter, start, memory_format=th.preserve_format, requires_grad=False)
            optimizer.state[parameter] = {"step": _step_count(optimizer), "square_avg": square}
    return [optimizer.state[parameter]["square_avg"] for parameter in policy.parameters()]


def _step_count(optimizer: th.optim.Optimizer) -> Any:
    """A number of steps as the optimizer counts them, which none of its settings depends on."""
    return 0 if isinstance(optimizer, RMSpropTFLike) else th.zeros(())
