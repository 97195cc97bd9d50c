"""Lean gradient and target updates, shared by the algorithms. All of them can be part of a compiled graph."""

import math

import torch as th

from sb3_ext.fast.structure import are_same


class GradientStep:
    """
    Steps of gradient descent with the optimizer that an algorithm has at the time.

    ::

        self._descend = GradientStep()  # in _setup_model, and "_descend" in _excluded_save_params
        self._descend.refresh(self.policy.optimizer, self.max_grad_norm)  # where train starts
        self._descend(loss)  # in place of zero_grad(), backward(), clip_grad_norm_() and step()

    As with SB3, users may freeze parameters, put others or another optimizer in their place and change its settings
    between two calls of ``refresh``; frozen parameters keep their moments until they learn again.

    Gradients of other networks in the graph (the critic's weights in the actor's loss) are not computed. A fused Adam
    or AdamW with one group of parameters, without ``amsgrad`` and ``maximize``, steps past the bookkeeping of
    ``optimizer.step()``, or as part of a compiled graph (``lean``). Moments and step counts are the optimizer's own and
    change in place, so it can be saved, loaded and used by itself at any time.
    """

    def __init__(self) -> None:
        self.optimizer: th.optim.Optimizer | None = None
        self.max_grad_norm: float | None = None
        self.lean = False
        self.parameters: list[th.Tensor] = []
        self.averages: list[th.Tensor] = []
        self.squares: list[th.Tensor] = []
        self.steps: list[th.Tensor] = []
        self.counts = th.zeros(0)
        self._pattern: list[int] = []

    def refresh(self, optimizer: th.optim.Optimizer, max_grad_norm: float | None = None) -> bool:
        """
        Follow the optimizer, its settings and its state; tell whether another optimizer or other parameters step now,
        so that a compiled graph no longer holds. The norm is that of the whole gradient, None for no clipping.
        """
        self.max_grad_norm = max_grad_norm
        parameters = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
        lean = _is_lean(optimizer)
        changed = not (optimizer is self.optimizer and lean == self.lean and are_same(parameters, self.parameters))
        if changed:
            self.optimizer, self.lean, self.parameters, self.averages = optimizer, lean, parameters, []
            optimizer.zero_grad()  # of what has just been frozen too
        if lean and parameters:
            changed |= self._refresh_adam(optimizer)
        return changed

    def _refresh_adam(self, optimizer: th.optim.Optimizer) -> bool:
        """Follow settings and state; loading replaces both. Return whether the numbers of steps differ otherwise."""
        group, state = optimizer.param_groups[0], optimizer.state
        self.learning_rate, self.weight_decay = group["lr"], group["weight_decay"]
        self.betas, self.eps = group["betas"], group["eps"]
        self.decoupled = bool(group.get("decoupled_weight_decay", False))
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
        counts: list[float] = self.counts.tolist()
        # more than one where parameters were frozen for a while
        self.ages = list(dict.fromkeys(counts))
        pattern = list(map(self.ages.index, counts))
        if pattern == self._pattern:
            return False
        self._pattern = pattern
        # numbers that change with every step are tensors in a graph, which would be compiled for each of them otherwise
        self.numbers = th.zeros(len(self.ages), 3, device=self.parameters[0].device)
        rows = [row.unbind() for row in self.numbers]
        self.rates = [rows[age] for age in pattern]
        return True

    def advance(self) -> None:
        """Count the step that a compiled graph does next; Python computes what depends on the count alone."""
        if not self.parameters:
            return
        self.ages = [age + 1 for age in self.ages]
        beta1, beta2 = self.betas
        decay = self.learning_rate * self.weight_decay
        numbers = [(self.learning_rate / (1 - beta1**age), math.sqrt(1 - beta2**age), decay) for age in self.ages]
        if self.numbers.is_cpu:  # NumPy writes into the same memory in less time than an operation of PyTorch takes
            self.counts.numpy()[:] += 1
            self.numbers.numpy()[:] = numbers
        else:
            self.counts.add_(1)
            self.numbers.copy_(th.tensor(numbers))

    def __call__(self, loss: th.Tensor) -> None:
        """Minimise a scalar by one step of the parameters that are not frozen."""
        self.descend(self.gradients(loss))

    def descend(self, gradients: tuple[th.Tensor, ...]) -> None:
        """Do one step along gradients that :meth:`gradients` gave."""
        if not self.parameters:
            return
        if self.lean:
            self._descend_adam(gradients)
            return
        assert self.optimizer is not None
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        self.optimizer.step()

    def gradients(self, loss: th.Tensor) -> tuple[th.Tensor, ...]:
        """Clipped gradients of a scalar, zeros for parameters that it does not depend on."""
        if not self.parameters:
            return ()
        gradients = th.autograd.grad(loss, self.parameters, allow_unused=True, materialize_grads=True)
        if self.max_grad_norm is None:
            return gradients
        # as torch.nn.utils.clip_grad_norm_, which wants them in the parameters
        if th.compiler.is_compiling():
            norm = th.stack([gradient.square().sum() for gradient in gradients]).sum().sqrt()
        else:
            norm = th.linalg.vector_norm(th.stack(th._foreach_norm(gradients)))
        return tuple(th._foreach_mul(gradients, (self.max_grad_norm / (norm + 1e-6)).clamp(max=1.0)))

    @th.no_grad()
    def _descend_adam(self, gradients: tuple[th.Tensor, ...]) -> None:
        """One step of Kingma & Ba (2015, https://arxiv.org/abs/1412.6980), algorithm 1, by the fused kernel."""
        if th.compiler.is_compiling():
            self._descend_in_graph(gradients)
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

    def _descend_in_graph(self, gradients: tuple[th.Tensor, ...]) -> None:
        """What the fused kernel does, in operations that a compiler can fuse."""
        beta1, beta2 = self.betas
        for parameter, gradient, average, square, (rate, correction, decay) in zip(
            self.parameters, gradients, self.averages, self.squares, self.rates, strict=True
        ):
            if self.weight_decay and self.decoupled:
                parameter.mul_(1 - decay)
            elif self.weight_decay:
                gradient = gradient + self.weight_decay * parameter
            average.lerp_(gradient, 1 - beta1)
            square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
            parameter.sub_(rate * average / (square.sqrt() / correction + self.eps))


def _is_lean(optimizer: th.optim.Optimizer) -> bool:
    group = optimizer.param_groups[0]
    return (
        type(optimizer) in (th.optim.Adam, th.optim.AdamW)
        and len(optimizer.param_groups) == 1
        and bool(group["fused"])
        and not (group["amsgrad"] or group["maximize"])
    )


@th.no_grad()
def soft_update(targets: list[th.Tensor], sources: list[th.Tensor], tau: float) -> None:
    """Move the targets towards the sources: ``target <- (1 - tau) target + tau source``, in place."""
    if targets:
        th._foreach_lerp_(targets, sources, tau)
