"""A whole update, as one compiled graph if wanted."""

import inspect
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Generic, ParamSpec, TypeVar

import torch as th
from stable_baselines3.common.preprocessing import is_image_space

from sb3_ext.fast.gradient_step import GradientStep

Inputs = ParamSpec("Inputs")
Output = TypeVar("Output")

COMPILE_MODES = (False, True, "reduce-overhead")
"""What ``compile=`` may be."""


class Update(Generic[Inputs, Output]):
    """
    An update of networks (forward, backward and optimizer steps), which ``torch.compile`` turns into a single graph if
    wanted.

    Parameters, moments of the optimizer and target networks change in place, so all else sees what it would see without
    compiling. The first call compiles; it takes about half a minute, later processes find most of it in PyTorch's
    cache on disk. Where that fails, for want of a C++ compiler or because a network of the user's cannot be compiled,
    there is one warning, and the update goes on as it is.

    :param update: the update
    :param steps: the gradient steps in it
    :param mode: ``False``, ``True``, or ``"reduce-overhead"`` for CUDA graphs on a GPU (on a CPU there is no
        difference)
    """

    def __init__(self, update: Callable[Inputs, Output], steps: Sequence[GradientStep], mode: bool | str) -> None:
        self.update = update
        self.steps = steps
        self.mode = mode
        self.renew()

    def renew(self) -> None:
        """Compile anew at the next call, as networks or optimizers are no longer those of the graph."""
        self._run: Callable[Inputs, Output] | None = None
        self.compiles = self.mode is not False

    def check(self) -> None:
        """Raise ``ValueError`` at once where the optimizer or the version of PyTorch would let compiling fail later."""
        if self.compiles and (obstacle := self._find_obstacle()):
            raise ValueError(f"compile={self.mode!r} needs {obstacle}; use compile=False.")

    def _find_obstacle(self) -> str | None:
        for step in self.steps:
            if not step.lean:
                return (
                    "the optimizer Adam or AdamW with fused=True, as is the default, without amsgrad and maximize, not "
                    f"{step.optimizer}"
                )
        if "isolate_recompiles" not in inspect.signature(th.compile).parameters:
            return f"PyTorch 2.13 or newer, not {th.__version__}"
        return None

    def __call__(self, *args: Inputs.args, **kwargs: Inputs.kwargs) -> Output:
        """Do one update."""
        if not self.compiles:
            return self.update(*args, **kwargs)
        if self._run is None and (obstacle := self._find_obstacle()):
            self._give_up(f"it needs {obstacle}")
            return self.update(*args, **kwargs)
        for step in self.steps:
            step.advance()
        try:
            if self._run is not None:
                return self._run(*args, **kwargs)
            self._run = self._compile()
        except _compile_errors():
            # Something new, such as another size of the batch: compile again, with gradients allowed inside the graph
            pass
        assert self._run is not None
        try:
            with th._dynamo.config.patch(trace_autograd_ops=True):
                return self._run(*args, **kwargs)
        except _compile_errors() as error:
            # Nothing has run yet: the graph is complete before its first operation
            for step in self.steps:
                step.counts.sub_(1)
            self._give_up(" ".join(str(error).split("\n")[:2]).strip())
            return self.update(*args, **kwargs)

    def _give_up(self, reason: str) -> None:
        warnings.warn(
            f"compile={self.mode!r}: the update cannot be compiled ({reason}), going on without.", stacklevel=3
        )
        self.compiles = False

    def _compile(self) -> Callable[Inputs, Output]:
        options: dict[str, Any] = {"guard_filter_fn": _find_changeable}
        if not th.cuda.is_available():
            from sb3_ext.fast.graph_passes import UnfuseBias

            # The kernels of a small network take less time than Python needs to call them
            options |= {"cpp_wrapper": True, "post_grad_custom_post_pass": UnfuseBias()}
        if self.mode == "reduce-overhead":
            options["triton.cudagraphs"] = True
        # SB3 asks at every pass whether observations are images, by looking at bounds that no graph may branch on
        th.compiler.assume_constant_result(is_image_space)  # type: ignore[no-untyped-call]
        # Each model has graphs of its own
        compiled: Callable[Inputs, Output] = th.compile(  # type: ignore[call-overload]  # PyTorch's overloads lag behind
            self.update, fullgraph=True, dynamic=False, isolate_recompiles=True, options=options
        )
        return compiled

    def __getstate__(self) -> dict[str, Any]:
        # A compiled function is bound to its model: copies compile their own
        return {**vars(self), "_run": None}


def _find_changeable(guards: Sequence[Any]) -> list[bool]:
    """
    Choose what is compared before every call, to compile again after a change: the arguments, and every number.

    Networks and optimizers stay what they are. Their hundreds of tensors, layers and functions would take a tenth of
    the time of an update of a small network.
    """
    return [
        not ("self" in guard.name or guard.name.startswith("G["))
        or isinstance(guard.value, (int, float, str, type(None)))
        for guard in guards
    ]


def _compile_errors() -> tuple[type[Exception], ...]:
    # PyTorch's compiler takes a second to import, so it is not before it is needed
    from torch._dynamo.exc import FailOnRecompileLimitHit, TorchDynamoException
    from torch._inductor.exc import InvalidCxxCompiler

    return TorchDynamoException, FailOnRecompileLimitHit, InvalidCxxCompiler
