"""What the algorithms of the package have beside what their base classes of SB3 give them."""

import functools
import inspect
import io
import pathlib
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.type_aliases import MaybeCallback
from stable_baselines3.common.utils import safe_mean

from sb3_ext.common.files import saved_whole
from sb3_ext.common.hyperparameters import Rules, check_hyperparameters, make_schedule

Inputs = ParamSpec("Inputs")
Output = TypeVar("Output")


class CheckedAlgorithm(BaseAlgorithm):
    """
    Mixin for algorithms, before the base class: they say what their arguments may be, and take learning rates as text.

    ``_setup_model`` calls ``_check_hyperparameters`` first, since ``load(path, ...)`` sets attributes directly.
    """

    def _rules(self) -> Rules:
        raise NotImplementedError

    def _check_hyperparameters(self) -> None:
        check_hyperparameters(type(self).__name__, vars(self), self._rules())

    def _setup_learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        reset_num_timesteps: bool = True,
        tb_log_name: str = "run",
        progress_bar: bool = False,
    ) -> tuple[int, BaseCallback]:
        before = None if self._custom_logger else getattr(self, "_logger", None)
        prepared = super()._setup_learn(total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar)
        if before is not None:
            before.close()  # else a thread of TensorBoard's stays with every call
        return prepared

    def save(
        self,
        path: str | pathlib.Path | io.BufferedIOBase,
        exclude: Iterable[str] | None = None,
        include: Iterable[str] | None = None,
    ) -> None:
        """
        Save all attributes and parameters in a zip file, which appears whole or not at all.

        :param path: where to save
        :param exclude: names of attributes to leave out besides those that always are
        :param include: names of attributes to save although they are left out by default
        :raises OSError: if the file cannot be written; an older one is still there then
        """
        with saved_whole(path, ".zip") as file:
            super().save(file, exclude, include)

    def _setup_lr_schedule(self) -> None:
        self.lr_schedule = make_schedule("learning_rate", self.learning_rate)

    def _record_progress(self) -> None:
        """Log episodes and time as SB3's algorithms do, for one that has none of their ``dump_logs``."""
        elapsed = max((time.time_ns() - self.start_time) / 1e9, sys.float_info.epsilon)
        if self.ep_info_buffer:
            self.logger.record("rollout/ep_rew_mean", safe_mean([info["r"] for info in self.ep_info_buffer]))
            self.logger.record("rollout/ep_len_mean", safe_mean([info["l"] for info in self.ep_info_buffer]))
        if self.ep_success_buffer:
            self.logger.record("rollout/success_rate", safe_mean(self.ep_success_buffer))
        self.logger.record("time/fps", int((self.num_timesteps - self._num_timesteps_at_start) / elapsed))
        self.logger.record("time/time_elapsed", int(elapsed), exclude="tensorboard")
        self.logger.record("time/total_timesteps", self.num_timesteps, exclude="tensorboard")


def with_defaults(method: Callable[Inputs, Output], **defaults: Any) -> Callable[Inputs, Output]:
    """Give arguments of a base class's method other default values, such as another name of the runs in TensorBoard."""
    signature = inspect.signature(method)
    arguments = signature.parameters.values()
    signature = signature.replace(parameters=[a.replace(default=defaults.get(a.name, a.default)) for a in arguments])

    @functools.wraps(method)
    def call(*args: Inputs.args, **kwargs: Inputs.kwargs) -> Output:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return method(*bound.args, **bound.kwargs)

    call.__signature__ = signature  # type: ignore[attr-defined]
    return call
