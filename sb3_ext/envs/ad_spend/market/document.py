"""The JSON form of markets, ``adspend-params/1``, field by field."""

from __future__ import annotations

import json
import os
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from sb3_ext.envs.ad_spend.market.channel import Channel

SCHEMA = "adspend-params/1"


def read_json(path: str | os.PathLike[str]) -> Any:
    """The value of a JSON file; a ValueError if it is not valid JSON (e.g. truncated)."""
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"no market file at {os.fspath(path)!r}")
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{os.fspath(path)}: not a complete JSON file ({error})") from error


def read_channels(values: Any) -> tuple[Channel, ...]:
    """Channels from the list of objects in a document."""
    if not isinstance(values, (list, tuple)) or not all(isinstance(value, dict) for value in values):
        raise ValueError(f"channels must be a list of objects, got {values!r:.80}")
    for value in values:
        check_fields(value, Channel, f"channel {value.get('name')!r}")
    return tuple(Channel(**value) for value in values)


def check_fields(values: Any, cls: type[Any], what: str) -> None:
    """Check that values are an object with all the required fields of a dataclass, and no others."""
    if not isinstance(values, dict):
        raise ValueError(f"{what} must be an object, got {values!r:.80}")
    known = [one.name for one in fields(cls)]
    required = [one.name for one in fields(cls) if one.default is MISSING and one.default_factory is MISSING]
    if unknown := sorted(set(values) - set(known)):
        raise ValueError(f"{what}: unknown field {unknown[0]!r}, allowed are {known}")
    if missing := [name for name in required if name not in values]:
        raise ValueError(f"{what}: field {missing[0]!r} is missing")
