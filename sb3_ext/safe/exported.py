"""Reading what :func:`sb3_ext.export` wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm

from sb3_ext.safe.algorithms import find_algorithm
from sb3_ext.safe.archive import Archive
from sb3_ext.safe.document import Json, decode

FORMAT = "sb3-ext-model/1"
DOCUMENT, TENSORS = "model.json", "tensors.safetensors"
NORMALIZATION = (
    *("norm_obs", "norm_reward", "norm_obs_keys", "clip_obs", "clip_reward", "gamma", "epsilon"),
    *("obs_rms", "ret_rms"),
)
"""Attributes of ``VecNormalize`` that say what it computes."""


def read_document(archive: Archive) -> tuple[dict[str, Any], dict[str, th.Tensor]]:
    """Read the description and the tensors of an exported model; ValueError if they are damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        document, tensors = json.loads(archive.read(DOCUMENT)), load(archive.read(TENSORS))
    except (SafetensorError, RecursionError, TypeError, KeyError) as error:
        raise ValueError(f"is a damaged export ({error})") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(f"is no export of the format {FORMAT!r}, which this version reads")
    return document, tensors


def read_export(archive: Archive) -> tuple[type[BaseAlgorithm], dict[str, Any], dict[str, Any], dict[str, Any] | None]:
    """Read an exported model: its algorithm, attributes, parameters and other tensors."""
    document, tensors = read_document(archive)
    groups = [document.get(name) for name in ("attributes", "parameters", "variables")]
    if not all(isinstance(group, dict) for group in groups[:2]) or not isinstance(groups[2], (dict, type(None))):
        raise ValueError("is a damaged export: its parts have no names")
    found = [group and {name: _made(name, node, tensors) for name, node in group.items()} for group in groups]
    return find_algorithm(document.get("algorithm")), found[0] or {}, found[1] or {}, found[2]


def read_normalization(archive: Archive) -> dict[str, Any]:
    """Read the normalization of the environment that an exported model was trained on: attributes of VecNormalize."""
    document, tensors = read_document(archive)
    described = document.get("normalization")
    if not isinstance(described, dict):
        raise ValueError("it holds no normalization")
    return {name: _made(name, node, tensors) for name, node in described.items()}


def _made(name: str, node: Json, tensors: Mapping[str, th.Tensor]) -> Any:
    try:
        return decode(node, tensors)
    except ValueError as error:
        raise ValueError(f"holds {name[:80]!r}, which {error}") from error
