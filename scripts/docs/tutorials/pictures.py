"""Pictures of the tutorials' systems. Importing this needs matplotlib, and Pillow, which comes with it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from docs.tutorials.mountain_car import HIGH, LOW, PlannedPolicy, step
from sb3_ext.common.charts import ACCENT, INK, MUTED, money_axis, new_figure, style_axes
from sb3_ext.common.files import atomic_path
from sb3_ext.evaluation.curves import Curve
from sb3_ext.evaluation.runs import Run

# Behind the import above, which says what to do if matplotlib is missing.
from matplotlib.figure import Figure  # isort: skip
from PIL import Image  # isort: skip

EPISODES, _FEWEST = 100, 10
_MAX_STEPS, _MAX_FRAMES, _COLORS = 300, 75, 32
_MAX_POINTS = 1000


def training_figure(returns: Sequence[Curve], losses: dict[str, list[Curve]], title: str) -> Figure:
    """
    Draw the moving average of training returns, and losses beside it, one line per run.

    :param returns: moving averages, see :func:`moving_average`
    :param losses: curves of the runs by the loss's name in the log
    :param title: title of the figure
    :return: the figure
    """
    panels = {f"return, moving average of {EPISODES} episodes": list(returns)}
    panels |= {name.removeprefix("train/").replace("_", " "): curves for name, curves in losses.items()}
    width = 4.4 + 3.1 * len(losses)
    figure = new_figure(width, 3.3)
    grid = figure.add_gridspec(
        1,
        len(panels),
        width_ratios=[4.2, *[3.0] * len(losses)],
        left=0.5 / width,
        right=1 - 0.15 / width,
        top=0.74,
        bottom=0.15,
        wspace=0.25,
    )
    for index, (name, curves) in enumerate(panels.items()):
        axes = figure.add_subplot(grid[index])
        style_axes(axes, name)
        for curve in curves:
            axes.plot(*_thinned(curve), color=ACCENT, linewidth=1.0, alpha=0.55)
        axes.set_xlim(left=0)
        axes.set_xlabel("environment steps")
        money_axis(axes.xaxis)
    figure.text(0.1 / width, 0.97, title, fontsize=12, fontweight="bold", color=INK, va="top")
    note = "one line per seed, exploration included"
    figure.text(0.1 / width, 0.895, note, fontsize=9, color=MUTED, va="top")
    return figure


def moving_average(folder: Path) -> Curve | None:
    """
    Read the returns of a run's training episodes, without reward shaping.

    :param folder: folder of the run, with the files of its ``Monitor``
    :return: mean of the last 100 returns, at the start of as many as there are, from the tenth episode on; None with
        fewer than eleven episodes
    """
    from stable_baselines3.common.monitor import load_results

    episodes = load_results(str(folder))
    mean = episodes.r.rolling(EPISODES, min_periods=_FEWEST).mean()[_FEWEST - 1 :]
    return Curve(episodes.l.cumsum()[_FEWEST - 1 :].to_numpy(float), mean.to_numpy(float)) if len(mean) > 1 else None


def logged(folder: Path, name: str) -> list[Curve]:
    """
    Read a value from TensorBoard logs.

    :param folder: folder with logs, at any depth
    :param name: name of the value, e.g. ``"train/loss"``
    :return: its curve in every log that has it
    """
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

    curves = []
    for log in sorted({path.parent for path in folder.rglob("events.out.tfevents.*")}):
        events = EventAccumulator(str(log), size_guidance={"scalars": 0}).Reload()
        if name in events.Tags()["scalars"]:
            points = events.Scalars(name)
            steps, values = [point.step for point in points], [point.value for point in points]
            curves.append(Curve(np.array(steps, float), np.array(values, float)))
    return curves


def record_episode(run: Run, seed: int, width: int = 240) -> tuple[list[Image.Image], int]:
    """
    Film the first steps of an agent's episode.

    :param run: the agent
    :param seed: seed of the episode
    :param width: pixels
    :return: frames, and milliseconds between them, as long as in the environment
    :raises UserError: if agent or environment cannot be loaded
    """
    env = replace(run, env_kwargs={**run.env_kwargs, "render_mode": "rgb_array"}).make_env(seed)
    model = run.load(env, seed)
    observation, frames = env.reset(), []
    for _ in range(_MAX_STEPS):
        image = Image.fromarray(np.asarray(env.get_images()[0]))
        frames.append(image.resize((width, round(width * image.height / image.width)), Image.Resampling.LANCZOS))
        observation, _, dones, _ = env.step(model.predict(observation, deterministic=True)[0])  # type: ignore[arg-type]
        if dones[0]:
            break
    fps = env.get_attr("metadata", 0)[0].get("render_fps", 30)
    env.close()
    stride = math.ceil(len(frames) / _MAX_FRAMES)
    return frames[::stride], max(20, round(1000 * stride / fps))


def save_gif(frames: Sequence[Image.Image], milliseconds: int, path: Path) -> None:
    """
    Save an animation that runs for ever.

    :param frames: pictures of the same size
    :param milliseconds: time between two frames
    :param path: the file, written whole or not at all
    :raises OSError: if it cannot be written
    """
    # One palette for all frames: otherwise the background flickers.
    palette = frames[len(frames) // 2].quantize(_COLORS, dither=Image.Dither.NONE)
    first, *rest = (frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames)
    with atomic_path(path) as temporary:
        first.save(temporary, save_all=True, append_images=rest, duration=milliseconds, loop=0, optimize=True)


def mountain_car_figure(policy: PlannedPolicy) -> Figure:
    """
    Draw the planned values of MountainCar, and the way from the middle of the valley.

    :param policy: the plan
    :return: the figure
    """
    figure = new_figure(6.6, 3.9)
    axes = figure.add_axes((0.1, 0.13, 0.76, 0.72))
    style_axes(axes)
    axes.grid(False)
    extent = (LOW[0], HIGH[0], LOW[1], HIGH[1])
    image = axes.imshow(policy.values.T, origin="lower", extent=extent, aspect="auto", cmap="viridis")
    way = _way(policy)
    axes.plot(*way.T, color="white", linewidth=1.6)
    axes.plot(*way[0], "o", color="white", markersize=5)
    axes.set_xlim(extent[:2])
    axes.set_ylim(extent[2:])
    axes.set_xlabel("position")
    axes.set_ylabel("velocity")
    bar = figure.colorbar(image, cax=figure.add_axes((0.885, 0.13, 0.02, 0.72)))
    bar.ax.tick_params(colors=MUTED, labelsize=8.5, length=0)
    bar.outline.set_visible(False)
    title = "MountainCar-v0: return to come, by value iteration"
    figure.text(0.015, 0.975, title, fontsize=12, fontweight="bold", color=INK, va="top")
    note = f"The line is the way of a car that starts at {way[0, 0]:g}: {len(way) - 1} steps."
    figure.text(0.015, 0.91, note, fontsize=9, color=MUTED, va="top")
    return figure


def _way(policy: PlannedPolicy) -> npt.NDArray[np.float64]:
    """States from the middle of the valley to the goal, shape (k, 2)."""
    states = [np.array([[-0.5, 0.0]])]
    for _ in range(200):
        next_state, _, goal = step(states[-1], int(policy.actions(states[-1])[0]))
        states.append(next_state)
        if goal[0]:
            break
    return np.concatenate(states)


def _thinned(curve: Curve) -> tuple[Any, Any]:
    stride = math.ceil(len(curve.steps) / _MAX_POINTS)
    return curve.steps[::stride], curve.returns[::stride]
