"""
The JSON form of markets, field by field: ``adspend-params/1``, and ``adspend-params/2`` where a market has what the
first has no place for. There the draws of many parameters are one array each.
"""

from __future__ import annotations

import json
import os
from dataclasses import MISSING, asdict, fields, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sb3_ext.envs.ad_spend.market.channel import Channel
from sb3_ext.envs.ad_spend.market.randomness import Randomness

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

SCHEMA = "adspend-params/1"
SCHEMA_2 = "adspend-params/2"
# Fields that are left out where they say nothing, as before they were there: files stay readable by earlier versions.
_CHANNEL_DEFAULTS = {"saturation": "hill", "initial_adstock": None, "weights": None, "history": ()}
_MARKET_DEFAULTS = {"afterwards": "nothing", "saturation_first": False, "baseline": (), "first_day": None, "notes": ()}
_DRAWN = ("beta", "kappa", "alpha", "theta", "weights", "initial_adstock")


def read_json(path: str | os.PathLike[str], what: str = "market file") -> Any:
    """The value of a JSON file that holds ``what``; a ValueError if it is not valid JSON (e.g. truncated)."""
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"no {what} at {os.fspath(path)!r}")
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{os.fspath(path)}: not a complete JSON file ({error})") from error


def write_document(market: DataclassInstance) -> dict[str, Any]:
    """A market as JSON-ready values, in the first format that has a place for all of it."""
    values = {one.name: getattr(market, one.name) for one in fields(market)}
    channels, draws = values["channels"], values["draws"]
    values = {name: value for name, value in values.items() if _MARKET_DEFAULTS.get(name, MISSING) != value}
    values["channels"] = [_channel_values(channel) for channel in channels]
    values["randomness"] = asdict(values["randomness"])
    has_new = {"saturation_first", "baseline", "first_day", "notes"} & set(values)
    is_first = (
        not has_new
        and isinstance(values.get("afterwards", ""), str)
        and all(
            channel.weights is None and not channel.history and channel.saturation != "root"
            for channel in (*channels, *(channel for draw in draws for channel in draw))
        )
    )
    arrays = None if is_first else _draw_arrays(channels, draws)
    values["draws"] = [[_channel_values(channel) for channel in draw] for draw in draws] if arrays is None else arrays
    if values.get("first_day"):
        values["first_day"] = values["first_day"].isoformat()
    return {"schema": SCHEMA if is_first else SCHEMA_2, **values}


def _channel_values(channel: Channel) -> dict[str, Any]:
    values = {one.name: getattr(channel, one.name) for one in fields(channel)}
    return {name: value for name, value in values.items() if _CHANNEL_DEFAULTS.get(name, MISSING) != value}


def _draw_arrays(channels: tuple[Channel, ...], draws: tuple[tuple[Channel, ...], ...]) -> dict[str, Any] | None:
    """Draws by parameter, each a list of draws of channels; ``None`` where they differ in more than parameters."""
    arrays: dict[str, Any] = {}
    for one in fields(Channel):
        central = [getattr(channel, one.name) for channel in channels]
        drawn = [[getattr(channel, one.name) for channel in draw] for draw in draws]
        if one.name in _DRAWN and any(row != central for row in drawn):
            arrays[one.name] = drawn
        elif any(row != central for row in drawn):
            return None
    # Draws that all equal the channels would be lost without a parameter to count them by.
    return arrays or ({"beta": [[channel.beta for channel in draw] for draw in draws]} if draws else {})


def read_document(data: Any, market: type[Any]) -> dict[str, Any]:
    """The arguments of a market from a document; a ValueError if a field is missing, unknown or of a wrong kind."""
    if not isinstance(data, dict) or data.get("schema") not in (SCHEMA, SCHEMA_2):
        found = data.get("schema") if isinstance(data, dict) else type(data).__name__
        raise ValueError(f'expected a JSON object with "schema": "{SCHEMA}" or "{SCHEMA_2}", got {found!r:.80}')
    values = {key: value for key, value in data.items() if key != "schema"}
    check_fields(values, market, "market")
    values["channels"] = channels = read_channels(values["channels"])
    draws = values.get("draws", ())
    if isinstance(draws, dict):
        values["draws"] = _read_draw_arrays(draws, channels)
    elif isinstance(draws, (list, tuple)):
        values["draws"] = tuple(read_channels(draw) for draw in draws)
    else:
        raise ValueError(f"draws must be lists of channels, or a list by parameter, got {type(draws).__name__}")
    if "randomness" in values:
        check_fields(values["randomness"], Randomness, "randomness")
        values["randomness"] = Randomness(**values["randomness"])
    for name in ("season", "baseline", "notes"):
        if not isinstance(values.get(name, []), (list, tuple)):
            raise ValueError(f"{name} must be a list, got {values[name]!r:.80}")
    if isinstance(values.get("first_day"), str):
        values["first_day"] = date.fromisoformat(values["first_day"])
    return values


def _read_draw_arrays(arrays: dict[str, Any], channels: tuple[Channel, ...]) -> tuple[tuple[Channel, ...], ...]:
    """Draws of channels from lists by parameter; what is not drawn is as in the channels themselves."""
    if unknown := sorted(set(arrays) - set(_DRAWN)):
        raise ValueError(f"draws: unknown parameter {unknown[0]!r}, allowed are {list(_DRAWN)}")
    sizes = set()
    for name, array in arrays.items():
        if not isinstance(array, list) or not all(isinstance(row, list) and len(row) == len(channels) for row in array):
            raise ValueError(f"draws: {name} must be a list of draws, each a list of {len(channels)} channels")
        sizes.add(len(array))
    if len(sizes) > 1:
        raise ValueError(f"draws: every parameter must have as many draws as the others, got {sorted(sizes)}")
    draws = []
    for number in range(max(sizes, default=0)):
        try:
            draws.append(
                tuple(
                    replace(channel, **{name: array[number][index] for name, array in arrays.items()})
                    for index, channel in enumerate(channels)
                )
            )
        except ValueError as error:
            raise ValueError(f"draw {number}: {error}") from error
    return tuple(draws)


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
