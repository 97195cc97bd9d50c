"""Versions of the packages that can move a result."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from sb3_ext import __version__

_PACKAGES = ("stable-baselines3", "sb3-contrib", "rl-zoo3", "gymnasium", "torch", "numpy")


def versions() -> dict[str, str]:
    """Versions by name; packages run from a checkout that is not installed have none, except this one."""
    found = {"sb3-ext": __version__}
    for name in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def version_columns(found: Mapping[str, str]) -> dict[str, str]:
    """Versions by column of a CSV, e.g. ``"version_rl_zoo3"``."""
    return {f"version_{name.replace('-', '_')}": number for name, number in found.items()}


def versions_text(found: Mapping[str, str]) -> str:
    """Versions for a reader: ``"sb3-ext 0.1.0, torch 2.13.0"``."""
    return ", ".join(f"{name} {number}" for name, number in found.items())
