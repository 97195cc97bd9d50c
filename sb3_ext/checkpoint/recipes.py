"""How environments are made again: as far as Gymnasium's ids and SB3's wrappers tell."""

from __future__ import annotations

import importlib
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecFrameStack, VecNormalize, VecTransposeImage

Recipe = dict[str, Any]

_WRAPPERS = (
    *("gymnasium.wrappers.", "rl_zoo3.wrappers", "sb3_contrib.common.wrappers.", "sb3_ext.wrappers."),
    *("stable_baselines3.common.atari_wrappers", "stable_baselines3.common.monitor"),
)
"""Where the wrappers stand that a checkpoint may name."""
_NORMALIZE = ("training", "norm_obs", "norm_reward", "clip_obs", "clip_reward", "gamma", "epsilon", "norm_obs_keys")


def of(env: VecEnv | None) -> Recipe | None:
    """Describe environments of this process as :func:`make` needs it; None for those that no id tells how to make."""
    if isinstance(env, VecTransposeImage):
        return of(env.venv)  # a model puts it there itself
    if isinstance(env, VecNormalize):
        inner = of(env.venv)
        return inner and {"normalize": {name: getattr(env, name) for name in _NORMALIZE}, "inner": inner}
    if isinstance(env, VecFrameStack):
        inner, stacked = of(env.venv), env.stacked_obs
        return inner and {"stack": stacked.n_stack, "inner": inner} if hasattr(stacked, "n_stack") else None
    if type(env) is DummyVecEnv:
        single = [_of_single(one) for one in env.envs]
        return None if None in single else {"environments": single}
    return None


def _of_single(env: gym.Env[Any, Any]) -> Recipe | None:
    monitor: dict[str, Any] | None = None
    if type(env) is Monitor:
        file = env.results_writer and env.results_writer.file_handler.name
        monitor = {"filename": file, "info_keywords": env.info_keywords, "reset_keywords": env.reset_keywords}
        env = env.env
    if env.spec is None or not isinstance(env.spec.entry_point, str) or _has_wrappers(env):
        return None
    try:
        return {"spec": env.spec.to_json(), "monitor": monitor}
    except ValueError:  # arguments that JSON can't hold
        return None


def _has_wrappers(env: gym.Env[Any, Any]) -> bool:
    """Whether there are wrappers that the spec does not know."""
    # By name, as RL Zoo3 puts a TimeLimit of its own into Gymnasium's place.
    known = {"OrderEnforcing", "PassiveEnvChecker", "TimeLimit", "PatchedTimeLimit"}
    known |= {spec.name for spec in env.spec.additional_wrappers} if env.spec else set()
    while isinstance(env, gym.Wrapper):
        if env.class_name() not in known:
            return True
        env = env.env
    return False


def make(recipe: Recipe | None, folder: Path, safe: bool) -> VecEnv:
    """
    Make environments from what :func:`of` returned.

    :raises ValueError: If that was None; with ``safe`` also if they are none that are registered in this process, or
        have wrappers of unknown packages.
    """
    if recipe is None:
        raise ValueError(f"the environments of {str(folder)!r} can't be made again from ids: pass env=")
    if "normalize" in recipe:
        return VecNormalize(make(recipe["inner"], folder, safe), **recipe["normalize"])
    if "stack" in recipe:
        return VecFrameStack(make(recipe["inner"], folder, safe), recipe["stack"])
    return DummyVecEnv([partial(_make_single, single, safe) for single in recipe["environments"]])


def _make_single(recipe: Recipe, safe: bool) -> gym.Env[Any, Any]:
    spec = EnvSpec.from_json(recipe["spec"])
    if safe:
        _check_known(spec)
    env: gym.Env[Any, Any] = gym.make(spec)
    return env if recipe["monitor"] is None else Monitor(env, override_existing=False, **recipe["monitor"])


def _check_known(spec: EnvSpec) -> None:
    """Refuse to import and call what stands in a checkpoint, unless this process knows it."""
    if str(spec.entry_point).startswith("ale_py."):
        gym.register_envs(importlib.import_module("ale_py"))
    registered = gym.registry.get(spec.id)
    if registered is None or registered.entry_point != spec.entry_point:
        raise ValueError(f"the environment {spec.id[:80]!r} is not registered: import its package first, or pass env=")
    for wrapper in spec.additional_wrappers:
        module, _, name = wrapper.entry_point.partition(":")
        found = getattr(importlib.import_module(module), name, None) if module.startswith(_WRAPPERS) else None
        if not (isinstance(found, type) and issubclass(found, gym.Wrapper)) or name == "RecordVideo":
            raise ValueError(
                f"the environment has the wrapper {wrapper.entry_point[:80]!r}, which is unknown: pass env="
            )
