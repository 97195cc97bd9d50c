"""Learning curves, read from the logs of trained runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sb3_ext.common.arrays import FloatArray

_GRID_POINTS = 100
_SMOOTHED_EPISODES = 20


class Curve(NamedTuple):
    """Mean returns over the steps of a training."""

    steps: FloatArray
    """Environment steps, ascending, shape (k,)."""
    returns: FloatArray
    """Mean return at these steps, shape (k,)."""


class Clock(NamedTuple):
    """Wall time of a training."""

    steps: FloatArray
    """Environment steps at the end of every episode, ascending, shape (k,)."""
    seconds: FloatArray
    """Seconds since the training began, evaluations during training included, shape (k,)."""


class CurveSet(NamedTuple):
    """Curves of several runs at the same steps or times."""

    steps: FloatArray
    """Environment steps, or seconds, shape (k,)."""
    returns: FloatArray
    """Mean returns, shape (runs, k)."""
    source: str
    """What was measured, e.g. ``"evaluations during training"``."""


def learning_curves(folders: Sequence[Path], seconds: bool = False) -> CurveSet | None:
    """
    Curves over the steps or seconds that all runs cover, of evaluations if all have them, else of training episodes;
    None if a run has too few points, ValueError if a log is damaged.
    """
    for read, source in (
        (read_evaluations, "evaluations during training"),
        (
            read_training_episodes,
            f"training episodes, exploration included (moving mean of at most {_SMOOTHED_EPISODES})",
        ),
    ):
        curves = [read(folder) for folder in folders]
        if seconds:
            curves = [_over_seconds(curve, folder) for curve, folder in zip(curves, folders, strict=True)]
        complete = [curve for curve in curves if curve is not None and len(curve.steps) > 1]
        if len(complete) < len(curves) or not complete:
            continue
        first, last = max(curve.steps[0] for curve in complete), min(curve.steps[-1] for curve in complete)
        if first < last:
            steps = _common_steps(complete, first, last)
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
    """Moving mean of the returns at the end of every episode that SB3's ``Monitor`` logged; None without episodes."""
    episodes, _ = _read_monitors(folder)
    if not episodes:
        return None
    _, lengths, returns = np.array(episodes).T
    window = max(1, min(_SMOOTHED_EPISODES, len(returns) // 10))
    smoothed = np.convolve(returns, np.full(window, 1.0 / window), mode="valid")
    return Curve(np.cumsum(lengths)[window - 1 :], smoothed)


def read_clock(folder: Path) -> Clock | None:
    """When which step was made, from the logs of SB3's ``Monitor``; None without episodes."""
    episodes, began = _read_monitors(folder)
    if not episodes:
        return None
    times, lengths, _ = np.array(episodes).T
    return Clock(np.cumsum(lengths), times - began)


def _read_monitors(folder: Path) -> tuple[list[tuple[float, float, float]], float]:
    """Time, length and return of every episode in the order of their ends, and the time of the first start."""
    episodes, starts = [], []
    for path in sorted(folder.glob("*monitor.csv")):
        try:
            start, names, *rows = path.read_text(encoding="utf-8").splitlines()
            columns = [names.split(",").index(name) for name in ("r", "l", "t")]
            began = float(json.loads(start.removeprefix("#"))["t_start"])
            starts.append(began)
            for row in rows:
                cells = row.split(",")
                reward, length, time = (float(cells[column]) for column in columns)
                episodes.append((began + time, length, reward))
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise ValueError(f"{path} is no complete log of episodes ({error})") from error
    return sorted(episodes), min(starts, default=0.0)


def _over_seconds(curve: Curve | None, folder: Path) -> Curve | None:
    """A curve over the time of the training; steps between the ends of episodes are interpolated."""
    clock = read_clock(folder)
    if curve is None or clock is None:
        return None
    steps, seconds = np.append(0.0, clock.steps), np.append(0.0, clock.seconds)
    return Curve(np.interp(curve.steps, steps, seconds), curve.returns)


def _common_steps(curves: list[Curve], first: float, last: float) -> FloatArray:
    """The runs' own steps where they are few and shared, else an even grid."""
    steps = curves[0].steps
    if len(steps) <= _GRID_POINTS and all(np.array_equal(steps, curve.steps) for curve in curves):
        return steps
    return np.linspace(first, last, _GRID_POINTS)
