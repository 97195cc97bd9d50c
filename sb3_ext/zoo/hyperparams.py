"""Hyperparameter files: which one a run takes, and what a block in it may hold."""

import math
import pkgutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from sb3_ext.app.errors import UserError, user_mistake

_SAME_BLOCKS = {"ppo_fast": "ppo"}
"""Algorithms that compute what another one computes, and so have its hyperparameters, by zoo key."""
_NOISE_TYPES = ("normal", "ornstein-uhlenbeck")
_FOLDERS = Path(__file__).resolve().parents[1:3]
"""Where ``hyperparams`` is: in the installed package, or beside it in a checkout."""


def hyperparams_file(algo: str) -> Path | None:
    """Find the hyperparameters that this plugin, installed or a checkout, ships for an algorithm of any origin."""
    return _shipped(Path("hyperparams", f"{_SAME_BLOCKS.get(algo, algo)}.yml"))


def named_file(name: str) -> str:
    """The user's file of that name, or else ours: ``hyperparams/tutorials/dqn_cart_pole.yml`` in whatever folder."""
    path = Path(name)
    if path.is_file() or path.parts[:1] != ("hyperparams",) or ".." in path.parts:
        return name
    return str(_shipped(path) or name)


def tutorial_files() -> list[Path]:
    """The hyperparameters of tutorials that this plugin ships; ``--conf-file`` names them."""
    return sorted(path for folder in _FOLDERS for path in folder.glob("hyperparams/tutorials/*.yml"))


def _shipped(path: Path) -> Path | None:
    return next(filter(Path.is_file, (folder / path for folder in _FOLDERS)), None)


def upstream_hyperparams_file(algo: str) -> Path:
    """Where the zoo keeps its own hyperparameters of an algorithm, whether or not there are some."""
    import rl_zoo3

    return Path(rl_zoo3.__file__).parent / "hyperparams" / f"{_SAME_BLOCKS.get(algo, algo)}.yml"


def find_block(hyperparams: Mapping[str, Any], env_id: str) -> str | None:
    """Name the block that the zoo uses for a registered environment: its id, "atari" or "default"; None without one."""
    from rl_zoo3.exp_manager import ExperimentManager

    if env_id in hyperparams:
        return env_id
    name = "atari" if ExperimentManager.is_atari(env_id) else "default"
    return name if name in hyperparams else None


def default_hyperparams_file(algo: str, env_id: str) -> Path:
    """
    Choose the hyperparameter file of a run for which the user named none.

    Ours first; for an upstream algorithm the zoo's own file wins where only that one knows the environment.
    """
    upstream = upstream_hyperparams_file(algo)
    ours = hyperparams_file(algo)
    if ours is None:
        return upstream
    our_block = find_block(yaml.safe_load(ours.read_text(encoding="utf-8")), env_id)
    if our_block == env_id or not upstream.is_file():
        return ours
    upstream_block = find_block(yaml.safe_load(upstream.read_text(encoding="utf-8")), env_id)
    return upstream if our_block is None or upstream_block not in (None, "default") else ours


def read_block(path: str, algo: str, env_id: str) -> dict[str, Any]:
    """Read what a YAML file has for an environment; a file without it is the user's mistake."""
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the hyperparameter file {path!r}: {user_mistake(error)}") from error
    except yaml.YAMLError as error:
        raise UserError(f"the hyperparameter file {path!r} is not valid YAML: {user_mistake(error)}") from error
    if not isinstance(content, dict):
        raise UserError(f"the hyperparameter file {path!r} holds no blocks: expected 'ENV-ID:' and indented settings")
    name = find_block(content, env_id)
    if name is None:
        raise UserError(
            f"no hyperparameters for {algo} on {env_id!r} in {path}: it has {', '.join(map(str, content))}."
            " Add a block of that name or 'default', or name another file with --conf-file."
        )
    block = content[name]
    if not isinstance(block, dict):
        raise UserError(f"the block {name!r} of {path!r} is {block!r}: expected indented 'name: value' lines")
    return block


def check_block(block: dict[str, Any], path: str) -> None:
    """Check what the zoo or an algorithm would find wrong in the hyperparameters of a file only after it has begun."""
    for key, value in block.items():
        if isinstance(value, float) and math.isnan(value):
            raise UserError(f"hyperparameter {key} is NaN: give a number")
        if key.endswith("learning_rate"):
            _check_learning_rate(key, value)
    if "n_timesteps" not in block:
        raise UserError(f"the hyperparameters in {path!r} lack n_timesteps, which the zoo needs in every block")
    for key in ("n_timesteps", "n_envs", "frame_stack"):
        value = block.get(key, 1)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 1 or value != int(value):
            raise UserError(f"hyperparameter {key} is {value!r}: give a positive whole number")
    noise_type, noise_std = block.get("noise_type"), block.get("noise_std")
    if noise_type is not None:
        if not isinstance(noise_type, str) or not any(known in noise_type for known in _NOISE_TYPES):
            raise UserError(f"hyperparameter noise_type is {noise_type!r}: give one of {', '.join(_NOISE_TYPES)}")
        if not (isinstance(noise_std, (int, float)) and math.isfinite(noise_std) and noise_std >= 0):
            raise UserError(f"hyperparameter noise_std is {noise_std!r}: noise_type needs a finite number >= 0")
    for key in ("env_wrapper", "vec_env_wrapper", "callback"):
        for name in _class_names(block.get(key)):
            _check_importable(key, name)
    policy = block.get("policy")
    if isinstance(policy, str) and "." in policy:
        _check_importable("policy", policy)


def _check_learning_rate(key: str, value: Any) -> None:
    number = value
    if isinstance(value, str):
        try:
            number = float(value.removeprefix("lin_")) if value.startswith("lin_") else math.nan
        except ValueError:
            number = math.nan
    if isinstance(number, (int, float)) and not 0 <= number < math.inf:
        raise UserError(
            f"hyperparameter {key} is {value!r}: give a number >= 0 such as 0.001, or 'lin_0.001' to fall to zero"
        )


def _class_names(value: Any) -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict) and len(item) == 1:
            item = next(iter(item))
        if isinstance(item, str):
            yield item


def _check_importable(key: str, name: str) -> None:
    try:
        found = pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"hyperparameter {key} names {name!r}, which cannot be imported: {error}") from error
    if not callable(found):
        raise UserError(f"hyperparameter {key} names {name!r}, which is no class: it is a {type(found).__name__}")
