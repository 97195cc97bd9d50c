"""Statistics of ``VecNormalize`` from files of strangers."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from sb3_ext.common.wording import printable
from sb3_ext.safe.archive import Archive
from sb3_ext.safe.arrays import ARRAY_RULES
from sb3_ext.safe.exported import NORMALIZATION, read_normalization
from sb3_ext.safe.objects import Objects, attributes_rule, class_name
from sb3_ext.safe.pickles import read_pickle


def load_normalization(path: str | os.PathLike[str], venv: VecEnv) -> VecNormalize:
    """
    Load what ``VecNormalize.save`` or :func:`sb3_ext.export` wrote, without running code of the file.

    :param path: The file.
    :param venv: The environments to normalize. As with ``VecNormalize.load`` they go on to update the statistics.
    :return: The environments, normalized.
    :raises FileNotFoundError: If there is no such file.
    :raises ValueError: In one line, if the file is damaged, holds anything else, or does not fit the environments.
    """
    content = Path(path).read_bytes()
    try:
        if content.startswith(b"PK"):
            normalized = VecNormalize(venv)
            described = read_normalization(Archive(io.BytesIO(content)))
            vars(normalized).update({name: described[name] for name in NORMALIZATION if name in described})
            normalized.venv = None  # type: ignore[assignment]
        else:
            rules = {**ARRAY_RULES, class_name(VecNormalize): attributes_rule(VecNormalize)}
            normalized = Objects(len(content), rules).make(read_pickle(content))
            if not isinstance(normalized, VecNormalize):
                raise ValueError("it holds no VecNormalize")
            normalized.venv = None  # type: ignore[assignment]
            vars(normalized).pop("returns", None)
        normalized.set_venv(venv)
        _check_shapes(normalized)
    except Exception as error:
        reason = printable(" ".join(str(error).split()))[:400] or type(error).__name__
        raise ValueError(f"cannot load {os.fspath(path)!r}: {reason}") from error
    return normalized


def _check_shapes(normalized: VecNormalize) -> None:
    space = normalized.observation_space
    parts = space.spaces if isinstance(space, spaces.Dict) else {"": space}
    zeros = {name: np.zeros((1, *(part.shape or ())), np.float32) for name, part in parts.items()}
    seen = normalized.normalize_obs(zeros if isinstance(space, spaces.Dict) else zeros[""])
    for name, part in (seen if isinstance(seen, dict) else {"": seen}).items():
        if np.shape(part) != zeros[name].shape or not np.isfinite(part).all():
            raise ValueError("its statistics do not fit the observations")
