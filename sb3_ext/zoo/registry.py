"""
The plugin's algorithms inside RL Zoo3.

The zoo looks algorithms, search spaces and converters up in module-level dictionaries; :func:`register` fills them in
place. Importing ``rl_zoo3`` replaces Gymnasium's ``TimeLimit`` for the whole process, hence it is only imported inside
functions.
"""

import pkgutil
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

import yaml

ALGORITHMS: dict[str, str] = {
    "ddpg_ext": "sb3_ext.ddpg:DDPG",
    "dueling_dqn": "sb3_ext.dueling_dqn:DuelingDQN",
    "reinforce": "sb3_ext.reinforce:REINFORCE",
    "q_learning": "sb3_ext.q_learning:QLearning",
    "genetic": "sb3_ext.genetic:GeneticSearch",
    "ppo_penalty": "sb3_ext.ppo_penalty:PPOPenalty",
}
"""Where to import the algorithms, as ``"module:class"``, by zoo key."""
_SEARCH_SPACES = "sb3_ext.tuning.search_spaces:search_spaces"


def register() -> None:
    """
    Make the zoo know the plugin's algorithms and search spaces. Calling it again changes nothing.

    :raises RuntimeError: if one of our keys already stands for something else in the zoo
    """
    from rl_zoo3.hyperparams_opt import HYPERPARAMS_CONVERTER, HYPERPARAMS_SAMPLER
    from rl_zoo3.utils import ALGOS

    for key, path in ALGORITHMS.items():
        _put(ALGOS, key, pkgutil.resolve_name(path))
    for key, (sampler, converter) in pkgutil.resolve_name(_SEARCH_SPACES)().items():
        # Should the zoo have one for an algorithm of its own some day, that is the one its users know.
        if key in ALGORITHMS or key not in HYPERPARAMS_SAMPLER:
            _put(HYPERPARAMS_SAMPLER, key, sampler)
            _put(HYPERPARAMS_CONVERTER, key, converter)


def _put(table: MutableMapping[str, Any], key: str, value: object) -> None:
    if table.setdefault(key, value) is not value:
        raise RuntimeError(f"The zoo key {key!r} already stands for {table[key]!r}: give {value!r} another key")


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
