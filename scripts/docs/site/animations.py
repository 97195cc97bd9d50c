"""
Draw an episode of every environment as docs/images/environments/ID.gif.

Campaigns are played by a good policy, games at random. Importing this needs Pillow.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from PIL import Image

from docs.site.environments import environment_ids
from sb3_ext.common.files import atomic_path
from sb3_ext.envs.ad_spend import AdSpendEnv, baselines

FOLDER = Path("docs/images/environments")
WIDTH, COLORS, FRAMES = 480, 48, 60
# The best of the reference policies that react; where nothing is random, the certified plan.
BEST = ("Thompson sampling", "certainty-equivalent MPC", "open-loop optimum")

Act = Callable[[Any], Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--env", nargs="+", choices=environment_ids(), default=environment_ids(), help="which ones")
    parser.add_argument("--output", type=Path, default=FOLDER, help=f"folder of the pictures (default: {FOLDER})")


def run(args: argparse.Namespace) -> None:
    args.output.mkdir(parents=True, exist_ok=True)
    for name in args.env:
        write_animation(frames(name), args.output / f"{name}.gif")
        print(args.output / f"{name}.gif", flush=True)


def frames(name: str, seed: int = 1) -> list[Image.Image]:
    """The pictures of one episode, or of its first steps."""
    env = gym.make(name, render_mode="rgb_array")
    env.action_space.seed(seed)
    observation, info = env.reset(seed=seed)
    act = player(env)
    drawn, over = [picture(env)], False
    while not over and len(drawn) < FRAMES:
        observation, _, terminated, truncated, info = env.step(act(observation, info))
        over = terminated or truncated
        drawn.append(picture(env))
    return drawn


def player(env: gym.Env[Any, Any]) -> Any:
    if isinstance(env.unwrapped, AdSpendEnv):
        known = baselines.all_baselines(env)
        policy = next(known[name] for name in BEST if name in known)
        state: Any = None

        def campaign(observation: Any, info: Any) -> Any:
            nonlocal state
            started = np.array([state is None])
            actions, state = policy.predict(observation[None], state, started, deterministic=True)
            return actions[0]

        return campaign
    return lambda observation, info: env.action_space.sample(info.get("action_mask"))


def picture(env: gym.Env[Any, Any]) -> Image.Image:
    image = Image.fromarray(np.asarray(env.render(), dtype=np.uint8))
    width = WIDTH if image.width > WIDTH else image.width * max(1, round(240 / image.width))
    return image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)


def write_animation(images: list[Image.Image], path: Path) -> None:
    """All pictures with one palette, the last one shown longer."""
    palette = images[len(images) // 2].quantize(COLORS)
    reduced = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    pause = [250] * (len(reduced) - 1) + [2000]
    with atomic_path(path) as temporary:
        reduced[0].save(
            temporary, format="GIF", save_all=True, append_images=reduced[1:], duration=pause, loop=0, optimize=True
        )
