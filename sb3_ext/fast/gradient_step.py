"""Lean gradient and target updates, shared by the algorithms. All of them can be part of a compiled graph."""

import math
from collections.abc import Sequence
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


class GradientStep:
    """
    One step of gradient descent on the parameters of an optimizer.

    Gradients of other networks in the graph (the critic's weights in the actor's loss) are not computed.

    :param optimizer: optimizer of the parameters to change
    :param max_grad_norm: largest Euclidean norm of the whole gradient, ``None`` for no clipping
    """

    def __init__(self, optimizer: th.optim.Optimizer, max_grad_norm: float | None = None) -> None:
        self.optimizer = optimizer
        self.max_grad_norm = max_grad_norm
        self.parameters = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]

    def refresh(self) -> None:
        """Follow the optimizer's settings and state; to be called after they may have changed."""

    def __call__(self, loss: th.Tensor) -> None:
        """
        Change the parameters.

        :param loss: scalar to minimise
        """
        for parameter, gradient in zip(self.parameters, self._gradients(loss), strict=True):
            parameter.grad = gradient
        self.optimizer.step()

    def _gradients(self, loss: th.Tensor) -> tuple[th.Tensor, ...]:
        # zeros for parameters that the loss does not depend on
        gradients = th.autograd.grad(loss, self.parameters, allow_unused=True, materialize_grads=True)
        if self.max_grad_norm is None:
            return gradients
        # as torch.nn.utils.clip_grad_norm_, which wants them in the parameters
        if th.compiler.is_compiling():
            norm = th.stack([gradient.square().sum() for gradient in gradients]).sum().sqrt()
        else:
            norm = th.linalg.vector_norm(th.stack(th._foreach_norm(gradients)))
        return tuple(th._foreach_mul(gradients, (self.max_grad_norm / (norm + 1e-6)).clamp(max=1.0)))


class AdamStep(GradientStep):
    """
    The same with Adam or AdamW, past the bookkeeping of ``optimizer.step()``, or as part of a compiled graph.

    Moments and step counts are the optimizer's own and change in place, so the optimizer can be saved, loaded and used
    by itself at any time.
    """

    @staticmethod
    def serves(optimizer: th.optim.Optimizer) -> bool:
        """
        Tell whether an optimizer does what this class does.

        :param optimizer: any optimizer
        :return: whether it is a fused Adam or AdamW with one group of parameters, without ``amsgrad`` and ``maximize``
        """
        group = optimizer.param_groups[0]
        return (
            type(optimizer) in (th.optim.Adam, th.optim.AdamW)
            and len(optimizer.param_groups) == 1
            and bool(group["fused"])
            and not (group["amsgrad"] or group["maximize"])
        )

    def __init__(self, optimizer: th.optim.Optimizer, max_grad_norm: float | None = None) -> None:
        super().__init__(optimizer, max_grad_norm)
        self.decoupled = bool(optimizer.param_groups[0].get("decoupled_weight_decay", False))
        # numbers that change with every step are tensors in a graph, which would be compiled for each of them otherwise
        self.numbers = th.zeros(3, device=self.parameters[0].device)
        self.rate, self.correction, self.decay = self.numbers.unbind()
        self.averages: list[th.Tensor] = []
        self.squares: list[th.Tensor] = []
        self.refresh()

    def refresh(self) -> None:
        """Follow the optimizer's settings and state; loading replaces both."""
        group, state = self.optimizer.param_groups[0], self.optimizer.state
        self.learning_rate, self.weight_decay = group["lr"], group["weight_decay"]
        self.betas, self.eps = group["betas"], group["eps"]
        if not self.averages or state[self.parameters[0]].get("exp_avg") is not self.averages[0]:
            for parameter in self.parameters:
                if not state[parameter]:
                    state[parameter] = {
                        "step": th.zeros((), dtype=th.float32, device=parameter.device),
                        "exp_avg": th.zeros_like(parameter, memory_format=th.preserve_format),
                        "exp_avg_sq": th.zeros_like(parameter, memory_format=th.preserve_format),
                    }
            states = [state[parameter] for parameter in self.parameters]
            self.averages = [values["exp_avg"] for values in states]
            self.squares = [values["exp_avg_sq"] for values in states]
            # the counts of all parameters in one tensor, so that one operation counts for all
            self.counts = th.stack([values["step"] for values in states])
            self.steps = list(self.counts.unbind())
            for values, step in zip(states, self.steps, strict=True):
                values["step"] = step
        self.count = int(self.steps[0])

    def advance(self) -> None:
        """Count the step that a compiled graph does next; Python computes what depends on the count alone."""
        self.count += 1
        rate = self.learning_rate / (1 - self.betas[0] ** self.count)
        correction = math.sqrt(1 - self.betas[1] ** self.count)
        numbers = (rate, correction, self.learning_rate * self.weight_decay)
        if self.numbers.is_cpu:  # NumPy writes into the same memory in less time than an operation of PyTorch takes
            self.counts.numpy()[:] += 1
            self.numbers.numpy()[:] = numbers
        else:
            self.counts.add_(1)
            self.numbers.copy_(th.tensor(numbers))

    @th.no_grad()
    def __call__(self, loss: th.Tensor) -> None:
        """
        Change the parameters, see Kingma & Ba (2015, https://arxiv.org/abs/1412.6980), algorithm 1.

        :param loss: scalar to minimise
        """
        gradients = self._gradients(loss)
        if th.compiler.is_compiling():
            self._descend(gradients)
            return
        self.counts.add_(1)
        kernel = th._fused_adamw_ if self.decoupled else th._fused_adam_
        kernel(
            self.parameters,
            gradients,
            self.averages,
            self.squares,
            [],
            self.steps,
            lr=self.learning_rate,
            beta1=self.betas[0],
            beta2=self.betas[1],
            weight_decay=self.weight_decay,
            eps=self.eps,
            amsgrad=False,
            maximize=False,
        )

    def _descend(self, gradients: Sequence[th.Tensor]) -> None:
        """What the fused kernel does, in operations that a compiler can fuse."""
        beta1, beta2 = self.betas
        for parameter, gradient, average, square in zip(
            self.parameters, gradients, self.averages, self.squares, strict=True
        ):
            if self.weight_decay and self.decoupled:
                parameter.mul_(1 - self.decay)
            elif self.weight_decay:
                gradient = gradient + self.weight_decay * parameter
            average.lerp_(gradient, 1 - beta1)
            square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
            parameter.sub_(self.rate * average / (square.sqrt() / self.correction + self.eps))


def make_gradient_step(optimizer: th.optim.Optimizer, max_grad_norm: float | None = None) -> GradientStep:
    """
    Choose the leanest step for an optimizer.

    :param optimizer: optimizer of the parameters to change
    :param max_grad_norm: largest Euclidean norm of the whole gradient, ``None`` for no clipping
    :return: :class:`AdamStep` where it serves, else :class:`GradientStep`
    """
    return (AdamStep if AdamStep.serves(optimizer) else GradientStep)(optimizer, max_grad_norm)


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
