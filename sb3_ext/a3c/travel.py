"""Models and their environments on the way to another process."""

from __future__ import annotations

import copyreg
import inspect
import io
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.monitor import ResultsWriter
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

_STAYS_HERE = {"_logger", "_custom_logger", "_elsewhere", "class_attributes"}


def pack(what: BaseAlgorithm | VecEnv) -> bytes:
    """
    Pickle a model with its environments, or environments alone, for ``pickle.loads`` in another process.

    Loggers and files of episodes stay behind.

    :param what: the model or the environments
    :return: the pickle
    :raises ValueError: if something in it cannot be pickled
    """
    kind = "env" if isinstance(what, VecEnv) else "the model"
    file = io.BytesIO()
    try:
        _Pickler(file).dump(what)
    except Exception as error:
        said = " ".join(str(error).split())
        raise ValueError(
            f"A3C: {kind} cannot be pickled, so workers cannot have copies of their own ({type(error).__name__}: "
            f"{said}). Pass an id or an environment without open files, locks and other processes; a DummyVecEnv, not "
            "a SubprocVecEnv."
        ) from error
    return file.getvalue()


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, (BaseAlgorithm, VecEnvWrapper)):
            state = {name: value for name, value in vars(obj).items() if name not in _STAYS_HERE}
            # SB3's wrappers look every attribute up in what they wrap, which is not there yet, and VecNormalize's own
            # pickle leaves it out.
            return copyreg.__newobj__, (type(obj),), state, None, None, _fill  # type: ignore[attr-defined]
        if isinstance(obj, ResultsWriter):
            return _nothing, ()
        return super().reducer_override(obj)


def _fill(empty: Any, state: dict[str, Any]) -> None:
    vars(empty).update(state)
    if isinstance(empty, VecEnvWrapper):
        empty.class_attributes = dict(inspect.getmembers(type(empty)))


def _nothing() -> None:
    """What a file of episodes is elsewhere."""
