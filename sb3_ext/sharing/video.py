"""A video of an agent."""

from __future__ import annotations

import importlib
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from sb3_ext.app.errors import UserError, need
from sb3_ext.common.files import atomic_path
from sb3_ext.evaluation.measure import measure
from sb3_ext.evaluation.runs import Run

_MOST_FRAMES = 1000


def record(run: Run, seed: int, path: Path) -> str | None:
    """Record an episode as MP4; returns why there is no video if there is none."""
    try:
        need("the video", "moviepy")
    except UserError as missing:
        return str(missing)
    frames: list[Any] = []
    try:
        with closing(replace(run, env_kwargs={**run.env_kwargs, "render_mode": "rgb_array"}).make_env(seed)) as env:
            if env.render_mode != "rgb_array":
                return f"{run.env_id} draws no pictures (render_mode rgb_array)"

            def draw(episode: int, info: dict[str, Any]) -> None:
                if len(frames) < _MOST_FRAMES:
                    frames.append(env.render())

            measure(run.load(env, seed), env, range(seed, seed + 1), watch=draw)
            per_second = float(env.get_attr("metadata")[0].get("render_fps", 30))
    # What draws an environment is an optional package of its own, and may need a display.
    except (UserError, ImportError, gym.error.Error, OSError, RuntimeError) as error:
        path.unlink(missing_ok=True)
        return " ".join(str(error).split())
    clip = importlib.import_module("moviepy.video.io.ImageSequenceClip").ImageSequenceClip
    # H.264 wants even sides.
    height, width = (2 * (side // 2) for side in np.shape(frames[0])[:2])
    with atomic_path(path) as unfinished:
        clip([frame[:height, :width] for frame in frames], fps=per_second).write_videofile(
            str(unfinished), codec="libx264", audio=False, logger=None
        )
    return None
