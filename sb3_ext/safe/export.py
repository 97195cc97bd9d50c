"""Models in a format that needs no pickles: JSON and safetensors."""

from __future__ import annotations

import io
import json
import os
import zipfile
from importlib.metadata import version
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecNormalize

from sb3_ext.common.files import atomic_path
from sb3_ext.safe.algorithms import name_of
from sb3_ext.safe.document import Json, Tensors, encode
from sb3_ext.safe.exported import DOCUMENT, FORMAT, NORMALIZATION, TENSORS
from sb3_ext.safe.loading import read_model
from sb3_ext.safe.networks import describe_networks


def export(model: BaseAlgorithm, path: str | os.PathLike[str]) -> None:
    """
    Write a model as JSON and safetensors in a zip file, which :func:`sb3_ext.safe_load` and other languages read.

    It holds all that ``model.save`` does, but for ``tensorboard_log``, and the normalization of the environment that
    the model has. docs/evaluation.md explains the format.

    :param model: A model of SB3's, sb3-contrib's or this package's algorithms.
    :param path: The file to write, whole or not at all.
    :raises ValueError: In one line, which argument can't be described: code, or objects of classes that are not known.
    :raises OSError: If the file can't be written.
    """
    file = io.BytesIO()
    model.save(file, exclude=["tensorboard_log"])
    tensors: Tensors = {}
    try:
        found = read_model(file)
        document = {
            "format": FORMAT,
            "algorithm": name_of(type(model)),
            "versions": {name: version(name) for name in ("stable-baselines3", "sb3-contrib", "torch")},
            "networks": describe_networks(model.policy),
            "normalization": _normalization(model.get_vec_normalize_env(), tensors),
            "attributes": _described(found.data, "attributes", tensors),
            "parameters": _described(found.parameters, "", tensors),
            "variables": None if found.variables is None else _described(found.variables, "variables", tensors),
        }
    except ValueError as error:
        raise ValueError(f"cannot export this {type(model).__name__}: {error}") from error
    from safetensors.torch import save

    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        archive.writestr(DOCUMENT, json.dumps(document, indent=1, allow_nan=False))
        archive.writestr(TENSORS, save(tensors))


def _described(values: dict[str, Any], path: str, tensors: Tensors) -> dict[str, Json]:
    described = {}
    for name, value in values.items():
        try:
            described[name] = encode(value, f"{path}/{name}".lstrip("/"), tensors)
        except ValueError as error:
            raise ValueError(f"its {name!r} {error}") from error
    return described


def _normalization(env: VecNormalize | None, tensors: Tensors) -> dict[str, Json] | None:
    if env is None:
        return None
    return _described(
        {name: getattr(env, name) for name in NORMALIZATION if hasattr(env, name)}, "normalization", tensors
    )
