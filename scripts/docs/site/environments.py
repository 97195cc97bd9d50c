"""The pages of the environments in Gymnasium's form, from their docstrings, spaces and registration."""

from __future__ import annotations

import inspect
import re
from typing import Any

import gymnasium as gym
import numpy as np

import sb3_ext  # noqa: F401  (registers them)
from sb3_ext.envs.ad_spend import AdSpendEnv
from sb3_ext.envs.ad_spend.market.presets import PRESETS
from sb3_ext.envs.toy_mdp import ThreeStateMDP
from sb3_ext.wrappers import MsPacmanPreprocessing


def environment_ids() -> list[str]:
    """The ids that this package registers."""
    return sorted(name for name, spec in gym.registry.items() if "sb3_ext" in str(spec))


def environment_pages() -> dict[str, str]:
    """The Markdown of every page, by id."""
    return {name: page_text(name) for name in environment_ids()}


def page_text(name: str) -> str:
    """One page: a picture, the facts at a glance, the description."""
    env = gym.make(name)
    spec = gym.spec(name)
    facts = [
        ("action space", f"`{short(env.action_space)}`"),
        ("observation space", f"`{short(env.observation_space)}`"),
        ("import", f'`gym.make("sb3_ext:{name}")`'),
    ]
    if spec.vector_entry_point:
        facts.append(("many at once", f'`gym.make_vec("sb3_ext:{name}", num_envs=64)`'))
    if spec.max_episode_steps:
        facts.append(("truncated after", f"{spec.max_episode_steps} steps"))
    table = "\n".join(["| | |", "|---|---|", *(f"| {label} | {value} |" for label, value in facts)])
    picture = f"![An episode of {name}](../images/environments/{name}.gif)"
    return "\n\n".join([f"# {name}", picture, table, *description(env)]) + "\n"


def description(env: gym.Env[Any, Any]) -> list[str]:
    problem: Any = env.unwrapped
    if isinstance(problem, AdSpendEnv):
        preset = str(env.spec and env.spec.kwargs["market"])
        first = (inspect.getdoc(PRESETS[preset]) or "").partition("``: ")[2]
        sections = markdown(AdSpendEnv)
        entries = observation_entries(problem)
        table_end = sections.index("Where something is random, bounds")
        table_start = sections.index("| entries |")
        return [first[:1].upper() + first[1:], sections[:table_start] + entries + "\n\n" + sections[table_end:]]
    if isinstance(problem, ThreeStateMDP):
        return [markdown(ThreeStateMDP)]
    entry = getattr(env.spec, "entry_point", None)
    documented = gym.spec("MsPacmanPreprocessed-v0").entry_point if "sb3_ext" in str(entry) else None
    source = gym.envs.registration.load_env_creator(str(documented)) if documented else MsPacmanPreprocessing
    return ["```{eval-rst}\n" + (inspect.getdoc(source) or "") + "\n```"]


def observation_entries(env: AdSpendEnv) -> str:
    """What this environment observes, entry by entry."""
    box = env.observation_space
    assert isinstance(box, gym.spaces.Box)
    rows = [
        f"| {index} | `{entry}` | {low:.4g} | {high:.4g} |"
        for index, (entry, low, high) in enumerate(zip(env.observation_names, box.low, box.high, strict=True))
    ]
    lines = ["| index | entry | min | max |", "|---:|---|---:|---:|", *rows]
    return "\n".join(lines) + "\n\nThe meaning of every entry: [the market model](../adspend.md#spaces)."


def markdown(documented: type) -> str:
    """A docstring in Gymnasium's form as Markdown: Sphinx's roles as code, its fields as a list."""
    text = (inspect.getdoc(documented) or "").replace("``", "`")
    text = re.sub(r":\w+:`([^`]*)`", r"`\1`", text)
    text = re.sub(r"^:param (\w+):", r"- `\1`:", text, flags=re.MULTILINE)
    return re.sub(r"^:raises (\w+):", r"- raises `\1`:", text, flags=re.MULTILINE)


def short(space: gym.Space[Any]) -> str:
    """A space in one line."""
    if not isinstance(space, gym.spaces.Box):
        return str(space)
    low, high = (
        f"{bound.flat[0]:.4g}" if np.all(bound == bound.flat[0]) else "..." for bound in (space.low, space.high)
    )
    return f"Box({low}, {high}, {space.shape}, {space.dtype})"
