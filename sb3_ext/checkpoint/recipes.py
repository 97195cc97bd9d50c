"""How environments are made again: as far as Gymnasium's ids and SB3's wrappers tell."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecFrameStack, VecNormalize, VecTransposeImage

Recipe = dict[str, Any]

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


def make(recipe: Recipe | None, folder: Path) -> VecEnv:
    """Make environments from what :func:`of` returned; ValueError if that was None."""
    if recipe is None:
        raise ValueError(f"the environments of {str(folder)!r} can't be made again from ids: pass env=")
    if "normalize" in recipe:
        return VecNormalize(make(recipe["inner"], folder), **recipe["normalize"])
    if "stack" in recipe:
        return VecFrameStack(make(recipe["inner"], folder), recipe["stack"])
    return DummyVecEnv([partial(_make_single, single) for single in recipe["environments"]])


def _make_single(recipe: Recipe) -> gym.Env[Any, Any]:
    env: gym.Env[Any, Any] = gym.make(EnvSpec.from_json(recipe["spec"]))
    return env if recipe["monitor"] is None else Monitor(env, override_existing=False, **recipe["monitor"])
