"""Loading models of strangers."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import re
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import torch as th
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.save_util import save_to_zip_file
from stable_baselines3.common.type_aliases import GymEnv

from sb3_ext.common.wording import printable
from sb3_ext.safe.algorithms import guess_algorithm
from sb3_ext.safe.archive import Archive
from sb3_ext.safe.arrays import ARRAY_RULES
from sb3_ext.safe.exported import DOCUMENT, read_export
from sb3_ext.safe.limits import networks_within
from sb3_ext.safe.objects import Objects
from sb3_ext.safe.pickles import read_pickle
from sb3_ext.safe.tensors import TENSOR_RULES, read_tensors

_REBUILT = frozenset({"exploration_schedule", "lr_schedule"})
"""Made again from other entries wherever a model is loaded; older versions of SB3 saved the code of functions here."""
_NEVER_SAVED = frozenset(
    "env device policy replay_buffer rollout_buffer _vec_normalize_env _logger _custom_logger".split()
)
"""By SB3, unless asked to. From an environment's id Gymnasium would import a module."""
_ATTRIBUTE = re.compile(r"[A-Za-z]\w*(\.[A-Za-z]\w*)*")


class UnreadableEntryError(ValueError):
    """An attribute of the model holds code, or objects that are not known."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"its {name[:80]!r} {reason}")
        self.advice = f"; replace it with custom_objects={{{name[:80]!r}: ...}}"


class Contents(NamedTuple):
    """What a model's file holds."""

    algorithm: type[BaseAlgorithm] | None
    """None where the file does not tell."""
    data: dict[str, Any]
    """Attributes of the model."""
    parameters: dict[str, Any]
    """State dictionaries of networks and optimizers."""
    variables: dict[str, Any] | None
    """Other tensors."""


def safe_load(
    path: str | os.PathLike[str] | BinaryIO,
    env: GymEnv | None = None,
    device: th.device | str = "auto",
    *,
    algorithm: type[BaseAlgorithm] | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> BaseAlgorithm:
    """
    Load a model without running code of its file, which SB3's ``load`` does.

    It reads what the algorithms of SB3, sb3-contrib and this package save with usual arguments, and what
    :func:`sb3_ext.export` wrote. Nothing in the file is unpickled: its pickles are read as descriptions, and only
    objects of known kinds are made from them. SECURITY.md says what is promised. The file's ``tensorboard_log`` is
    ignored, since a stranger must not choose where training writes.

    ::

        model = sb3_ext.safe_load("model.zip", env="Pendulum-v1")

    :param path: The file, or a stream that can seek.
    :param env: The environment to train on, None to predict only.
    :param device: Device of the networks.
    :param algorithm: Its class. Left out, it is told from what the file holds, among the known algorithms.
    :param custom_objects: Objects by the name of the entry that they are used for, in place of what the file holds.
    :param kwargs: Further attributes to change, as in SB3's ``load``.
    :return: The model.
    :raises FileNotFoundError: If there is no such file.
    :raises ValueError: In one line, if the file is damaged, holds anything that could run code or is not known, or does
        not fit the algorithm or ``env``.
    """
    name = "the stream" if hasattr(path, "read") else os.fspath(path)
    try:
        found = read_model(path, custom_objects)
        chosen = algorithm or found.algorithm or guess_algorithm(found.data)
        _check_names(chosen, found, custom_objects or {})
        data = {**found.data, "tensorboard_log": None}
        file = io.BytesIO()
        save_to_zip_file(file, dict.fromkeys(data), found.parameters, found.variables)
        file.seek(0)
        with networks_within(found.parameters):
            return chosen.load(file, env=env, device=device, custom_objects=data, **kwargs)
    except FileNotFoundError:
        raise
    except Exception as error:
        reason = printable(" ".join(str(error).split()))[:500] or type(error).__name__
        advice = error.advice if isinstance(error, UnreadableEntryError) else ""
        raise ValueError(f"cannot load {str(name)!r}: {reason}{advice}") from error


def read_model(path: str | os.PathLike[str] | BinaryIO, custom_objects: Mapping[str, Any] | None = None) -> Contents:
    """
    Read what a model's file holds, without running anything of it.

    :raises ValueError: If the file is damaged or holds anything that is not known.
    """
    if not isinstance(path, (str, os.PathLike)):
        return _read(path, custom_objects or {})
    path = Path(path)
    if path.suffix == "" and not path.exists():
        path = path.with_suffix(".zip")  # as SB3 does
    with path.open("rb") as file:
        return _read(file, custom_objects or {})


def plain_entry(path: Path, name: str) -> Any:
    """Read an attribute of a model's file, None if there is none or it is pickled; ValueError if it is damaged."""
    with path.open("rb") as file:
        archive = Archive(file)
        is_export = DOCUMENT in archive.names
        entries = json.loads(archive.read(DOCUMENT if is_export else "data"))
    found = (entries["attributes"] if is_export else entries).get(name)
    return None if isinstance(found, dict) else found


def _read(file: BinaryIO, custom_objects: Mapping[str, Any]) -> Contents:
    with _of("it"):
        archive = Archive(file)
        if DOCUMENT in archive.names:
            found = Contents(*read_export(archive))
            given = {name: value for name, value in custom_objects.items() if name in found.data}
            return found._replace(data=found.data | given)
        data = archive.read("data")
    with _of("its entry 'data'"):
        entries = json.loads(data)
    tensors = {}
    for name in archive.names:
        if name.endswith(".pth"):
            with _of(f"its entry {name[:80]!r}"):
                tensors[name.removesuffix(".pth")] = read_tensors(archive.read(name))
    variables = [tensors.pop(name) for name in ("pytorch_variables", "tensors") if name in tensors]
    return Contents(None, _attributes(entries, custom_objects), tensors, variables[0] if variables else None)


@contextlib.contextmanager
def _of(subject: str) -> Iterator[None]:
    """Say of what an error is."""
    try:
        yield
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{subject} {'is no JSON: ' * isinstance(error, json.JSONDecodeError)}{error}") from error


def _attributes(entries: Any, custom_objects: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(entries, dict):
        raise ValueError("its entry 'data' holds no attributes of a model")
    data = {}
    for name, entry in entries.items():
        if name in custom_objects:
            data[name] = custom_objects[name]
        elif isinstance(entry, dict) and ":serialized:" in entry:
            try:
                pickled = base64.b64decode(entry[":serialized:"], validate=True)
                objects = Objects(len(pickled), {**ARRAY_RULES, **TENSOR_RULES})
                data[name] = objects.make(read_pickle(pickled))
            except (ValueError, TypeError) as error:
                if name not in _REBUILT:
                    raise UnreadableEntryError(name, str(error)) from error
        else:
            data[name] = entry
    return data


def _check_names(algorithm: type[BaseAlgorithm], found: Contents, given: Container[str]) -> None:
    """Refuse attributes that hide methods, or that no model has in its file, unless they were given."""
    if not (isinstance(algorithm, type) and issubclass(algorithm, BaseAlgorithm)):
        raise ValueError(f"algorithm={algorithm!r} is no class of an algorithm")
    for name in found.data:
        strange = name in _NEVER_SAVED or name.startswith("__") or callable(getattr(algorithm, name, None))
        if strange and name not in given:
            raise ValueError(f"it sets {name[:80]!r}, which models do not save")
    for group in (found.parameters, found.variables or {}):
        if not isinstance(group, dict):
            raise ValueError("its tensors have no names")
        for name in group:
            if not isinstance(name, str) or not _ATTRIBUTE.fullmatch(name) or "__" in name:
                raise ValueError(f"it holds tensors for {str(name)[:80]!r}, which no model has")
    for kind in ("observation_space", "action_space"):
        if not isinstance(found.data.get(kind), spaces.Space):
            raise ValueError(f"it holds no {kind}")
