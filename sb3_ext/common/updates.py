"""Lean gradient and target updates, shared by the algorithms."""

from typing import Any

import torch as th


def lean_optimizer_kwargs(optimizer_class: type[th.optim.Optimizer], kwargs: dict[str, Any]) -> dict[str, Any]:
    """
    Ask Adam and AdamW for their fused kernel, unless the user chose an implementation.

    :param optimizer_class: class of the optimizer
    :param kwargs: the user's optimizer arguments (not changed)
    :return: the arguments to build the optimizer with
    """
    chosen = {"fused", "foreach", "differentiable"} & kwargs.keys()
    if optimizer_class in (th.optim.Adam, th.optim.AdamW) and not chosen:
        return {**kwargs, "fused": True}
    return dict(kwargs)


def gradient_step(optimizer: th.optim.Optimizer, loss: th.Tensor, max_grad_norm: float | None = None) -> None:
    """
    Do one step of gradient descent, with gradients for the optimizer's own parameters only.

    Gradients of other networks in the graph (the critic's weights in the actor's loss) are not computed.

    :param optimizer: optimizer of the parameters to change
    :param loss: scalar to minimise
    :param max_grad_norm: largest Euclidean norm of the whole gradient, ``None`` for no clipping
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
    for parameter in parameters:
        parameter.grad = None
    loss.backward(inputs=parameters)  # type: ignore[no-untyped-call]
    if max_grad_norm is not None:
        th.nn.utils.clip_grad_norm_(parameters, max_grad_norm)
    optimizer.step()


@th.no_grad()
def soft_update(targets: list[th.Tensor], sources: list[th.Tensor], tau: float) -> None:
    """
    Move the targets towards the sources: ``target <- (1 - tau) target + tau source``, in place.

    :param targets: tensors to change
    :param sources: tensors of the same shapes
    :param tau: share of the source, 1 copies it
    """
    if targets:
        th._foreach_lerp_(targets, sources, tau)
