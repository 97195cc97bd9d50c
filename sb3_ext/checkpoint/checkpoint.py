"""Checkpoints of a training, from which it goes on as if it had not stopped."""

from __future__ import annotations

import os
import pkgutil
import random
import shutil
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, CallbackList, ProgressBarCallback
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback

from sb3_ext.checkpoint import recipes, storage, tensorboard
from sb3_ext.checkpoint.capture import Capture
from sb3_ext.checkpoint.restoration import Restoration
from sb3_ext.checkpoint.state import TRUSTED, class_name, find_class
from sb3_ext.checkpoint.workers import specials
from sb3_ext.common.wording import printable
from sb3_ext.safe.loading import UnreadableEntryError, plain_entry, safe_load

_MODEL = "model.zip"


class RestoreError(ValueError):
    """A checkpoint is damaged, or does not fit what it is restored into."""


class NeedsCodeError(RestoreError):
    """A checkpoint's model holds code, or objects that are not known; the cause tells where."""


def save(model: BaseAlgorithm, path: str | os.PathLike[str]) -> None:
    """
    Save a training, so that :func:`load` goes on with it exactly: everything that moves, and the environments.

    Call it between two calls of ``learn``; within one use :class:`~sb3_ext.checkpoint.CheckpointEvery`.

    :param model: Any algorithm of SB3, contrib or this package.
    :param path: A folder, made if absent; an older checkpoint in it is replaced once the new one is whole.
    :raises OSError: If the folder cannot be written to; an older checkpoint is still there then.
    """
    write_checkpoint(model, Path(path), None, keep=1)


def load(
    path: str | os.PathLike[str],
    env: GymEnv | None = None,
    device: th.device | str = "auto",
    *,
    safe: bool = True,
    **kwargs: Any,
) -> BaseAlgorithm:
    """
    Load a training whose ``learn(total_timesteps, reset_num_timesteps=False)`` goes on exactly.

    Give ``learn`` the steps that are left, and callbacks like those of the first training in the same order: their
    state is restored too. Nothing in the checkpoint is unpickled, imported or called that is not of SB3, sb3-contrib,
    this package or loaded already; SECURITY.md says what is promised.

    :param path: What :func:`save` or ``CheckpointEvery`` wrote: the newest whole checkpoint in the folder is taken.
    :param env: The environment, made as for the first training; left out, those that ``gym.make`` or ``make_vec_env``
        made from an id are made again.
    :param device: Device of the networks.
    :param safe: False to unpickle the model and to import and call what the checkpoint names, which can run any code:
        for arguments such as a learning rate that is a function of your own, if you trust the checkpoint.
    :param kwargs: Further arguments of the algorithm's ``load``; ``custom_objects={"learning_rate": schedule}`` gives
        anew what is code.
    :return: The model, of the class that was saved.
    :raises FileNotFoundError: If there is no checkpoint.
    :raises ValueError: In one line, if it is damaged, belongs to other environments, holds what needs code, or the
        environments cannot be made again.
    """
    folder = newest(Path(path))
    document, arrays = storage.read(folder)
    try:
        if env is None:
            env = recipes.make(document["recipe"], folder, safe)
        algorithm = _find_algorithm(document["algorithm"], safe)
        if safe:
            model = _load_safely(folder / _MODEL, algorithm, env=env, device=device, **kwargs)
        else:
            model = algorithm.load(folder / _MODEL, env=env, device=device, **kwargs)
    except NeedsCodeError:
        raise
    except Exception as error:  # a checkpoint may hold anything
        raise RestoreError(f"cannot load the checkpoint {os.fspath(folder)!r}: {_in_one_line(error)}") from error
    assert model.env is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.env.reset()  # what an environment only has once it runs
    pending = _Pending(document, arrays, folder)
    pending.restore(model, None)
    model.__class__ = _resuming(type(model), pending)
    return model


def _load_safely(file: Path, algorithm: type[BaseAlgorithm], **kwargs: Any) -> BaseAlgorithm:
    kwargs.setdefault("tensorboard_log", plain_entry(file, "tensorboard_log"))  # a training goes on where it logged
    try:
        return safe_load(file, algorithm=algorithm, **kwargs)
    except ValueError as error:
        if isinstance(error.__cause__, UnreadableEntryError):
            raise NeedsCodeError(f"{error}, or load it with safe=False if you trust it") from error.__cause__
        raise


def _in_one_line(error: BaseException) -> str:
    reason = printable(" ".join(str(error).split()))[:500]
    return reason if isinstance(error, ValueError) and reason else f"{type(error).__name__}: {reason}"


def exists(folder: Path) -> bool:
    """Whether there is a whole checkpoint in a folder."""
    return bool(whole_checkpoints(folder))


def newest(folder: Path) -> Path:
    """Find the newest checkpoint in a folder; FileNotFoundError if there is none."""
    if (folder / "state.json").is_file():
        return folder
    found = whole_checkpoints(folder)
    if not found:
        raise FileNotFoundError(f"there is no checkpoint in {os.fspath(folder)!r}")
    return found[-1]


def write_checkpoint(model: BaseAlgorithm, folder: Path, callback: BaseCallback | None, keep: int) -> list[str]:
    """
    Write a checkpoint of the ``learn`` under way, at the start of a rollout, or of none (``callback`` None); of all in
    the folder the newest ``keep`` stay. Returns what hides its state: nothing if the training can go on exactly.
    """
    capture = Capture(specials())
    document = {
        "algorithm": class_name(type(model)),
        "num_timesteps": model.num_timesteps,
        "in_learn": callback is not None,
        "graph": capture.node(_roots(model), ""),
        "callbacks": [capture.node(single, class_name(type(single))) for single in _single(callback)],
        "inexact": capture.opaque,
        "recipe": recipes.of(model.env),
        "tensorboard": tensorboard.of(model),
    }
    for half_written in folder.glob(".*_steps-*"):  # by a process that was killed
        shutil.rmtree(half_written)
    older = whole_checkpoints(folder)
    number = 1 + max((int(path.name.rpartition("-")[2]) for path in older), default=0)
    written = folder / f"{model.num_timesteps}_steps-{number}"
    storage.write(
        written, document, capture.arrays, lambda path: model.save(path / _MODEL), older[-1] if older else None
    )
    for superfluous in [*older, written][:-keep]:
        shutil.rmtree(superfluous)
    return capture.opaque


class _Pending:
    """A state to restore where the training goes on."""

    def __init__(self, document: dict[str, Any], arrays: Sequence[Any], folder: Path) -> None:
        self.document, self._arrays, self._folder = document, arrays, folder

    def restore(self, model: BaseAlgorithm, callback: BaseCallback | None) -> None:
        """Restore all, and of the callbacks those that are there again."""
        restoration = Restoration(self._arrays, specials())
        try:
            restoration.value(self.document["graph"], _roots(model))
            callbacks = list(_single(callback))
            for node in self.document["callbacks"]:
                same = next((one for one in callbacks if class_name(type(one)) == node["object"]), None)
                if same is not None:
                    callbacks.remove(same)
                    restoration.value(node, same, node["object"])
        except Exception as error:  # a state may hold anything
            raise RestoreError(
                f"cannot restore the checkpoint {os.fspath(self._folder)!r}: {_in_one_line(error)}"
            ) from error
        if self.document["inexact"]:
            self._begin_episodes(model)

    def _begin_episodes(self, model: BaseAlgorithm) -> None:
        """Begin new episodes, as the environments hide how far the last ones had come."""
        assert model.env is not None
        model._last_obs = model.env.reset()  # type: ignore[assignment]
        model._last_episode_starts = np.ones(model.env.num_envs, dtype=bool)
        if model._vec_normalize_env is not None:
            model._last_original_obs = model._vec_normalize_env.get_original_obs()


class _Restore(BaseCallback):
    """Restores at the start of the first rollout, which is where the checkpoint was written."""

    def __init__(self, pending: _Pending, callback: BaseCallback) -> None:
        super().__init__()
        self._pending: _Pending | None = pending
        self._callback = callback

    def _on_rollout_start(self) -> None:
        if self._pending is not None:
            self._pending.restore(self.model, self._callback)
            self._pending = None

    def _on_step(self) -> bool:
        return True


def _resuming(algorithm: type[BaseAlgorithm], pending: _Pending) -> type[BaseAlgorithm]:
    """The algorithm, but its first ``learn`` restores the state; what happens until then can disturb generators."""

    def setup_learn(
        model: BaseAlgorithm,
        total_timesteps: int,
        callback: MaybeCallback = None,
        reset_num_timesteps: bool = True,
        tb_log_name: str = "run",
        progress_bar: bool = False,
    ) -> tuple[int, BaseCallback]:
        model.__class__ = algorithm
        in_learn = pending.document["in_learn"]
        custom_logger = model._custom_logger
        if not reset_num_timesteps:
            if not in_learn:
                pending.restore(model, None)
            if not custom_logger:
                vars(model).pop("_logger", None)  # restored without its outputs, and made anew below
                tensorboard.go_on(model, pending.document.get("tensorboard"), tb_log_name)
        total, listening = model._setup_learn(total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar)
        model._custom_logger = custom_logger
        if reset_num_timesteps or not in_learn:
            return total, listening
        first = CallbackList([_Restore(pending, listening), listening])
        first.init_callback(model)
        return total, first

    names = {"_setup_learn": setup_learn, "__module__": algorithm.__module__, "__qualname__": algorithm.__qualname__}
    return type(algorithm.__name__, (algorithm,), names)


def _single(callback: BaseCallback | None) -> Iterator[BaseCallback]:
    """Every callback of a list, of lists in it too."""
    if isinstance(callback, CallbackList):
        for one in callback.callbacks:
            yield from _single(one)
    elif callback is not None and not isinstance(callback, (_Restore, ProgressBarCallback)):
        yield callback


def whole_checkpoints(folder: Path) -> list[Path]:
    """List the whole checkpoints in a folder, the newest last."""
    found = [path for path in folder.glob("[0-9]*_steps-*") if (path / "state.json").is_file()]
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]))


def _find_algorithm(name: str, safe: bool) -> type[BaseAlgorithm]:
    algorithm: Any
    if not safe:
        algorithm = pkgutil.resolve_name(name)
    elif name.startswith(TRUSTED):
        algorithm = find_class(name, "its algorithm")
    else:
        algorithm = next((one for one in _subclasses(BaseAlgorithm) if class_name(one) == name), None)
        if algorithm is None:
            raise ValueError(f"the algorithm {name[:80]!r} is not loaded: import its module first")
    if not (isinstance(algorithm, type) and issubclass(algorithm, BaseAlgorithm)):
        raise ValueError(f"{name[:80]!r} is no algorithm")
    return algorithm


def _subclasses(base: type[Any]) -> Iterator[type[Any]]:
    for one in base.__subclasses__():
        yield one
        yield from _subclasses(one)


def _roots(model: BaseAlgorithm) -> dict[str, Any]:
    """What to walk from: the training, and the generators that belong to the process."""
    generators: dict[str, Any] = {"numpy": np.random.mtrand._rand, "torch": th.default_generator}
    generators["python"] = random._inst
    if model.device.type == "cuda":
        generators.update({f"cuda {i}": generator for i, generator in enumerate(th.cuda.default_generators)})
    return {"model": model, **generators}
