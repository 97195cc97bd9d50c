"""
The plugin's algorithms inside RL Zoo3.

The zoo looks algorithms, search spaces and converters up in module-level dictionaries; :func:`register` fills them in
place. Importing ``rl_zoo3`` replaces Gymnasium's ``TimeLimit`` for the whole process, hence it is only imported inside
functions.
"""

import pkgutil
from collections.abc import MutableMapping
from typing import Any

ALGORITHMS: dict[str, str] = {
    "ddpg_ext": "sb3_ext.ddpg:DDPG",
    "dueling_dqn": "sb3_ext.dueling_dqn:DuelingDQN",
    "reinforce": "sb3_ext.reinforce:REINFORCE",
    "q_learning": "sb3_ext.q_learning:QLearning",
    "genetic": "sb3_ext.genetic:GeneticSearch",
    "policy_search": "sb3_ext.policy_search:PolicySearch",
    "ppo_penalty": "sb3_ext.ppo_penalty:PPOPenalty",
    "ppo_fast": "sb3_ext.fast:PPO",
    "a3c": "sb3_ext.a3c:A3C",
}
"""Where to import the algorithms, as ``"module:class"``, by zoo key."""
_SEARCH_SPACES = "sb3_ext.tuning.search_spaces:SEARCH_SPACES"


def register() -> None:
    """Make the zoo know the plugin's algorithms and search spaces. Calling it again changes nothing."""
    from rl_zoo3.hyperparams_opt import HYPERPARAMS_CONVERTER, HYPERPARAMS_SAMPLER
    from rl_zoo3.utils import ALGOS

    for key, path in ALGORITHMS.items():
        _put(ALGOS, key, pkgutil.resolve_name(path))
    for key, (sampler, converter) in pkgutil.resolve_name(_SEARCH_SPACES).items():
        # Should the zoo have one for an algorithm of its own some day, that is the one its users know.
        if key in ALGORITHMS or key not in HYPERPARAMS_SAMPLER:
            _put(HYPERPARAMS_SAMPLER, key, sampler)
            _put(HYPERPARAMS_CONVERTER, key, converter)


def _put(table: MutableMapping[str, Any], key: str, value: object) -> None:
    if table.setdefault(key, value) is not value:
        raise RuntimeError(f"The zoo key {key!r} already stands for {table[key]!r}: give {value!r} another key")
