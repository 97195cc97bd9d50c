"""Hyperparameter files: which one a run takes, and what a block in it may hold."""

import math
import pkgutil
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from sb3_ext.app.errors import UserError, user_mistake

_NOISE_TYPES = ("normal", "ornstein-uhlenbeck")


def hyperparams_file(algo: str) -> Path | None:
    """
    Find the hyperparameters this plugin ships for an algorithm.

    :param algo: zoo key, ours or upstream's
    :return: the YAML file of the installed package or of the checkout, None if the plugin ships none
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "hyperparams", package.parent / "hyperparams"):
        path = folder / f"{algo}.yml"
        if path.is_file():
            return path
    return None


def upstream_hyperparams_file(algo: str) -> Path:
    """
    Where the zoo keeps its own hyperparameters of an algorithm.

    :param algo: zoo key
    :return: the path, whether or not there is such a file
    """
    import rl_zoo3

    return Path(rl_zoo3.__file__).parent / "hyperparams" / f"{algo}.yml"


def find_block(hyperparams: Mapping[str, Any], env_id: str) -> str | None:
    """
    Which block of a hyperparameter file the zoo uses for an environment.

    :param hyperparams: the file's content, blocks by name
    :param env_id: a registered Gymnasium id
    :return: ``env_id``, ``"atari"`` or ``"default"``; None if the file has nothing for it
    """
    from rl_zoo3.exp_manager import ExperimentManager

    if env_id in hyperparams:
        return env_id
    if ExperimentManager.is_atari(env_id):
        return "atari" if "atari" in hyperparams else None
    return "default" if "default" in hyperparams else None


def default_hyperparams_file(algo: str, env_id: str) -> Path:
    """
    Choose the hyperparameter file of a run for which the user named none.

    Ours first; for an upstream algorithm the zoo's own file wins where only that one knows the environment.

    :param algo: zoo key
    :param env_id: a registered Gymnasium id
    :return: path of a YAML file
    """
    upstream = upstream_hyperparams_file(algo)
    ours = hyperparams_file(algo)
    if ours is None:
        return upstream
    our_block = find_block(yaml.safe_load(ours.read_text(encoding="utf-8")), env_id)
    if our_block == env_id or not upstream.is_file():
        return ours
    upstream_block = find_block(yaml.safe_load(upstream.read_text(encoding="utf-8")), env_id)
    if our_block is None or upstream_block not in (None, "default"):
        return upstream
    return ours


def read_block(path: str, algo: str, env_id: str) -> dict[str, Any]:
    """
    Read what a hyperparameter file has for an environment.

    :param path: a YAML file
    :param algo: zoo key
    :param env_id: a registered Gymnasium id
    :return: the block
    :raises UserError: if there is none, or the file cannot be read
    """
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
    """
    Check what the zoo or an algorithm would find wrong only after it has begun.

    :param block: hyperparameters
    :param path: the file that they come from
    :raises UserError: if a value is wrong or missing
    """
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
    if block.get("noise_type") is not None:
        _check_noise(block)
    for key in ("env_wrapper", "vec_env_wrapper", "callback"):
        for name in _class_names(block.get(key)):
            _check_importable(key, name)
    policy = block.get("policy")
    if isinstance(policy, str) and "." in policy:
        _check_importable("policy", policy)


def _check_learning_rate(key: str, value: Any) -> None:
    number = value
    if isinstance(value, str):
        schedule = re.fullmatch(r"lin_(.+)", value)
        try:
            number = float(schedule[1]) if schedule else math.nan
        except ValueError:
            number = math.nan
    if isinstance(number, (int, float)) and not (math.isfinite(number) and number >= 0):
        raise UserError(
            f"hyperparameter {key} is {value!r}: give a number >= 0 such as 0.001, or 'lin_0.001' to fall to zero"
        )


def _check_noise(block: dict[str, Any]) -> None:
    noise_type, noise_std = block["noise_type"], block.get("noise_std")
    if not isinstance(noise_type, str) or not any(known in noise_type for known in _NOISE_TYPES):
        raise UserError(f"hyperparameter noise_type is {noise_type!r}: give one of {', '.join(_NOISE_TYPES)}")
    if not isinstance(noise_std, (int, float)) or not (math.isfinite(noise_std) and noise_std >= 0):
        raise UserError(f"hyperparameter noise_std is {noise_std!r}: noise_type needs a finite number >= 0")


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
