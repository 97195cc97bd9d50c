"""Batches of observations and infos as Gymnasium's vector environments give them, taken apart."""

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs

from sb3_ext.common.arrays import IntArray

_FINAL = ("final_obs", "final_info")


def copied(batch: Any) -> VecEnvObs:
    """Copy observations: environments may reuse their arrays, SB3 keeps them for a step."""
    if isinstance(batch, Mapping):
        return {key: np.array(value) for key, value in batch.items()}
    if isinstance(batch, tuple):
        return tuple(np.array(value) for value in batch)
    return np.array(batch)


def arrays(batch: Any) -> list[npt.NDArray[Any]]:
    """List the arrays of batched observations."""
    if isinstance(batch, Mapping):
        return [batch[key] for key in sorted(batch)]
    return list(batch) if isinstance(batch, tuple) else [batch]


def rows(batch: Any, indices: IntArray) -> list[Any]:
    """Copy single observations out of a batch; an object array has those of the environment, which may go on."""
    if isinstance(batch, Mapping):
        columns = [rows(value, indices) for value in batch.values()]
        return [dict(zip(batch, row, strict=True)) for row in zip(*columns, strict=True)]
    if isinstance(batch, tuple):
        return list(zip(*(rows(value, indices) for value in batch), strict=True))
    picked = batch[indices]
    return copy.deepcopy(list(picked)) if picked.dtype == object else list(picked)


def info_rows(infos: Mapping[str, Any], indices: IntArray) -> list[dict[str, Any]]:
    """Take the infos of single sub-environments, as each of them gave it, out of a vector environment's."""
    columns: dict[str, list[Any]] = {}
    with_gaps: dict[str, list[bool]] = {}
    for key, value in infos.items():
        if key in _FINAL or (key.startswith("_") and key[1:] in infos):
            continue
        if isinstance(value, Mapping):
            columns[key] = info_rows(value, indices)
        elif isinstance(value, np.ndarray) and value.ndim > 0:
            picked = value[indices]
            columns[key] = picked.tolist() if picked.ndim == 1 else list(picked)
        elif isinstance(value, (list, tuple)):
            columns[key] = [value[i] for i in indices.tolist()]
        else:
            columns[key] = [value] * len(indices)
        present = infos.get(f"_{key}")
        if present is not None and not present[indices].all():
            with_gaps[key] = present[indices].tolist()
    if not columns:
        return [{} for _ in indices]
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    for key, there in with_gaps.items():
        for row, given in zip(rows, there, strict=True):
            if not given:
                del row[key]
    return rows
