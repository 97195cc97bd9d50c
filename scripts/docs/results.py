"""Results that `sb3-ext evaluate --output` wrote, read again."""

from __future__ import annotations

import math
import typing
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from sb3_ext.app.errors import UserError
from sb3_ext.app.records import read_records
from sb3_ext.evaluation.references import References
from sb3_ext.evaluation.scores import KEY, Comparison, Score

_OWN = tuple(field.name for field in fields(Score) if field.name not in ("references", "returns"))
_REFERENCES = tuple(field.name for field in fields(References))
_BOUND = ("policy_bound", "below_bound", "below_bound_interval")
_TYPES = typing.get_type_hints(Score) | typing.get_type_hints(References)


def read_comparison(folder: Path) -> Comparison:
    """Read what :func:`sb3_ext.evaluation.scores.write_comparison` wrote."""
    try:
        lines = read_records(folder / "results.csv")
        scores = [_score(line) for line in lines]
        # Beside single episodes lies at most the file of an older evaluation.
        if scores[0].episodes > 1 and (folder / "episodes.csv").is_file():
            returns: dict[tuple[str, ...], list[float]] = {}
            for line in read_records(folder / "episodes.csv"):
                returns.setdefault(tuple(line[name] for name in KEY), []).append(float(line["return"]))
            keys = [tuple(getattr(score, name) for name in KEY) for score in scores]
            scores = [replace(score, returns=tuple(returns[key])) for score, key in zip(scores, keys, strict=True)]
        if not any(score.kind == "agent" for score in scores):
            raise ValueError("no trained agent")
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise UserError(f"{folder} holds no results of an evaluation ({type(error).__name__}: {error})", 1) from error
    versions = {name.removeprefix("version_"): text for name, text in lines[0].items() if name.startswith("version_")}
    return Comparison(scores, {name.replace("_", "-"): text for name, text in versions.items() if text})


def _score(line: Mapping[str, str]) -> Score:
    references = References(**{name: _value(line, name) for name in _REFERENCES if _has(line, name)})
    return Score(**{name: _value(line, name) for name in _OWN if _has(line, name)}, references=references)


def _has(line: Mapping[str, str], name: str) -> bool:
    """Whether a file has a column; those of before policies were bounded lack what was not known."""
    return name in line or name not in _BOUND


def _value(line: Mapping[str, str], name: str) -> Any:
    """A cell as what the field holds."""
    cell, kinds = line[name], typing.get_args(_TYPES[name]) or (_TYPES[name],)
    if cell == "" and kinds[0] is not str:
        return None if type(None) in kinds else math.nan
    return cell == "True" if kinds[0] is bool else kinds[0](cell)
