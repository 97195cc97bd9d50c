"""Hyperparameter blocks: those of this package, and those that the zoo ships."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from sb3_ext.zoo.hyperparams import hyperparams_file, tutorial_files, upstream_hyperparams_file


class Block(NamedTuple):
    """Hyperparameters of an algorithm for an environment, in a file."""

    algo: str
    block: str
    """Id of the environment, ``default`` or ``atari``."""
    steps: float
    """Steps of a training."""
    environments: int
    """Environments at once."""
    policy: str
    file: str
    """``hyperparams/...`` is one of this package, which ``--conf-file`` takes in any folder."""


def blocks(algo: str) -> list[Block]:
    """Every block of an algorithm; those that a training takes by itself come first."""
    found = []
    for path in (hyperparams_file(algo), upstream_hyperparams_file(algo), *_tutorials(algo)):
        if path is not None and path.is_file():
            found += [block_of(algo, name, path) for name in read(path)]
    return found


def block_of(algo: str, name: str, path: Path) -> Block:
    """A block of a file."""
    settings = read(path)[name]
    steps, environments = (float(settings.get(key, 1)) for key in ("n_timesteps", "n_envs"))
    return Block(algo, name, steps, int(environments), str(settings.get("policy", "")), shown_file(path))


def shown_file(path: Path) -> str:
    """A file of this package or the zoo without the folders that it is installed in."""
    found = re.search(r"(rl_zoo3/)?hyperparams/(tutorials/)?[^/]+$", path.as_posix())
    return found[0] if found else str(path)


def _tutorials(algo: str) -> Iterator[Path]:
    """Files for tutorials, which begin with the key of their algorithm."""
    from rl_zoo3.utils import ALGOS

    for path in tutorial_files():
        if algo == max((key for key in ALGOS if path.stem.startswith(f"{key}_")), key=len, default=None):
            yield path


@functools.cache
def read(path: Path) -> dict[str, Any]:
    """Blocks of a file of this package or the zoo."""
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content
