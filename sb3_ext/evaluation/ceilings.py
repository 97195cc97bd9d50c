"""What is known of an environment before anyone plays: the best that is possible, and when it counts as solved."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import gymnasium as gym


class Ceiling(NamedTuple):
    """The return of the best policy, on average over starts, and how it is known."""

    value: float
    source: str


_EVERY_STEP = "the limit of steps, at a reward of 1 each"
CEILINGS: Mapping[str, Ceiling] = {
    "CartPole-v0": Ceiling(200.0, _EVERY_STEP),
    "CartPole-v1": Ceiling(500.0, _EVERY_STEP),
    "MountainCar-v0": Ceiling(-97.7, "value iteration on the true dynamics, docs/tutorial_systems.md"),
    "MountainCarContinuous-v0": Ceiling(99.6, "a numerical estimate, not certified; the best published agents earn 97"),
    "Pendulum-v1": Ceiling(-137.0, "a numerical estimate, not certified; the best published agents earn -146"),
}
"""Of environments as they are registered. For AdSpend the ceiling is the plan of the environment at hand."""
_STEPS = "max_episode_steps"


def known_ceiling(env_id: str, env_kwargs: Mapping[str, Any]) -> float:
    """The return of the best policy; NaN if it is not known, or not with these arguments."""
    if env_id not in CEILINGS:
        return math.nan
    ceiling, changed = CEILINGS[env_id], changed_arguments(env_id, env_kwargs)
    if ceiling.source == _EVERY_STEP and set(changed) == {_STEPS} and changed[_STEPS] > 0:
        return float(changed[_STEPS])
    return math.nan if changed and not _only_longer(env_id, changed) else ceiling.value


def known_threshold(env_id: str, env_kwargs: Mapping[str, Any]) -> float:
    """Gymnasium's mean return of a successful run; NaN if there is none, or not with these arguments."""
    threshold, changed = gym.spec(env_id).reward_threshold, changed_arguments(env_id, env_kwargs)
    return math.nan if threshold is None or (changed and not _only_longer(env_id, changed)) else float(threshold)


def unknown_with(env_id: str, env_kwargs: Mapping[str, Any], threshold: float, ceiling: float) -> str:
    """Tell what is known of an environment as it is registered, but not with these arguments; empty if nothing is."""
    if env_id not in gym.registry:
        return ""
    usual = {"reward threshold": (threshold, known_threshold), "ceiling": (ceiling, known_ceiling)}
    missing = [name for name, (used, known) in usual.items() if math.isnan(used) and not math.isnan(known(env_id, {}))]
    return f"No {' and no '.join(missing)} is known with the arguments {as_json(env_kwargs)}." if missing else ""


def changed_arguments(env_id: str, env_kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that make another problem of a registered environment; how it is rendered does not count."""
    spec = gym.spec(env_id)
    usual = {**spec.kwargs, _STEPS: spec.max_episode_steps}
    return {
        name: value
        for name, value in env_kwargs.items()
        # Gymnasium takes no limit of steps for the registered one.
        if name != "render_mode"
        and (name, value) != (_STEPS, None)
        and (name not in usual or as_json(usual[name]) != as_json(value))
    }


def as_json(value: Any) -> str:
    """Arguments on one line, so that equal ones look equal; what JSON does not know is shown as Python does."""
    return json.dumps(value, sort_keys=True, default=lambda x: x.tolist() if hasattr(x, "tolist") else repr(x))


def _only_longer(env_id: str, changed: Mapping[str, Any]) -> bool:
    """Whether episodes may only last longer, where good policies reach the goal long before the usual limit."""
    usual = gym.spec(env_id).max_episode_steps
    return env_id == "MountainCar-v0" and set(changed) == {_STEPS} and usual is not None and changed[_STEPS] > usual
