"""Learning curves, read from the logs of trained runs."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sb3_ext.common.arrays import FloatArray

_GRID_POINTS = 100
_SMOOTHED_EPISODES = 20
_TRAINING_EPISODES = f"training episodes, exploration included (moving mean of at most {_SMOOTHED_EPISODES})"


class Curve(NamedTuple):
    """Mean returns over the ascending environment steps of a training, shapes (k,)."""

    steps: FloatArray
    returns: FloatArray


class Episodes(NamedTuple):
    """The episodes of a training, of all parallel environments together, in the order of their ends; shapes (k,)."""

    steps: FloatArray
    """Environment steps at the end of every episode."""
    seconds: FloatArray
    """Wall time since the training began, evaluations during training included."""
    returns: FloatArray


class CurveSet(NamedTuple):
    """Mean returns of several runs, shape (runs, k), at the same k environment steps or seconds."""

    steps: FloatArray
    returns: FloatArray
    source: str
    """What was measured, e.g. ``"evaluations during training"``."""


def learning_curves(folders: Sequence[Path], seconds: bool = False) -> CurveSet | None:
    """Over what all runs cover, of evaluations if all have them, else of training episodes; None if one has neither."""
    for read, source in (
        (read_evaluations, "evaluations during training"),
        (read_training_episodes, _TRAINING_EPISODES),
    ):
        curves = [read(folder) for folder in folders]
        if seconds:
            curves = [_over_seconds(curve, folder) for curve, folder in zip(curves, folders, strict=True)]
        complete = [curve for curve in curves if curve is not None and len(curve.steps) > 1]
        if len(complete) < len(curves) or not complete:
            continue
        first, last = max(curve.steps[0] for curve in complete), min(curve.steps[-1] for curve in complete)
        if first < last:
            # The runs' own steps where they are few and shared, else an even grid.
            steps = complete[0].steps
            if len(steps) > _GRID_POINTS or not all(np.array_equal(steps, curve.steps) for curve in complete):
                steps = np.linspace(first, last, _GRID_POINTS)
            return CurveSet(steps, np.array([np.interp(steps, *curve) for curve in complete]), source)
    return None


def read_evaluations(folder: Path) -> Curve | None:
    """What SB3's ``EvalCallback`` logged in ``evaluations.npz``; None without the file."""
    path = folder / "evaluations.npz"
    if not path.is_file():
        return None
    try:
        with np.load(path) as log:
            return Curve(log["timesteps"].astype(np.float64), log["results"].mean(axis=1))
    except Exception as error:
        raise ValueError(f"{path} is no complete log of evaluations ({error})") from error


def read_training_episodes(folder: Path) -> Curve | None:
    """Moving mean of the returns at the end of every episode; None without episodes."""
    episodes = read_episodes(folder)
    if episodes is None:
        return None
    window = max(1, min(_SMOOTHED_EPISODES, len(episodes.returns) // 10))
    smoothed = np.convolve(episodes.returns, np.full(window, 1.0 / window), mode="valid")
    return Curve(episodes.steps[window - 1 :], smoothed)


def read_episodes(folder: Path) -> Episodes | None:
    """What SB3's ``Monitor`` logged in ``*.monitor.csv``; None without episodes, ValueError if a file is damaged."""
    episodes, starts = [], []
    for path in sorted(folder.glob("*monitor.csv")):
        try:
            start, *table = path.read_text(encoding="utf-8").splitlines()
            starts.append(float(json.loads(start.removeprefix("#"))["t_start"]))
            for row in csv.DictReader(table):
                episodes.append((starts[-1] + float(row["t"]), float(row["l"]), float(row["r"])))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is no complete log of episodes ({error})") from error
    if not episodes:
        return None
    times, lengths, returns = np.array(sorted(episodes)).T
    return Episodes(np.cumsum(lengths), times - min(starts), returns)


def _over_seconds(curve: Curve | None, folder: Path) -> Curve | None:
    """A curve over the time of the training; steps between the ends of episodes are interpolated."""
    episodes = read_episodes(folder)
    if curve is None or episodes is None:
        return None
    steps, seconds = np.append(0.0, episodes.steps), np.append(0.0, episodes.seconds)
    return Curve(np.interp(curve.steps, steps, seconds), curve.returns)
