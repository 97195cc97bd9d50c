"""
Extension plugin for Stable-Baselines3 and its zoo.

Importing the package registers its Gymnasium environments and nothing else: the public names below are imported on
first use, so that a script that only needs an environment does not pay for PyTorch.
"""

import importlib
from typing import TYPE_CHECKING

from sb3_ext.envs import register_envs

if TYPE_CHECKING:
    from sb3_ext.a3c import A3C
    from sb3_ext.ddpg import DDPG
    from sb3_ext.dueling_dqn import DuelingDQN
    from sb3_ext.genetic import GeneticSearch
    from sb3_ext.policy_search import PolicySearch
    from sb3_ext.ppo_penalty import PPOPenalty
    from sb3_ext.q_learning import QLearning
    from sb3_ext.reinforce import REINFORCE
    from sb3_ext.safe import export, safe_load

__version__ = "0.1.0"

__all__ = [
    "A3C",
    "DDPG",
    "REINFORCE",
    "DuelingDQN",
    "GeneticSearch",
    "PPOPenalty",
    "PolicySearch",
    "QLearning",
    "__version__",
    "export",
    "safe_load",
]

_LAZY = {
    "A3C": "sb3_ext.a3c",
    "DDPG": "sb3_ext.ddpg",
    "DuelingDQN": "sb3_ext.dueling_dqn",
    "GeneticSearch": "sb3_ext.genetic",
    "PPOPenalty": "sb3_ext.ppo_penalty",
    "PolicySearch": "sb3_ext.policy_search",
    "QLearning": "sb3_ext.q_learning",
    "REINFORCE": "sb3_ext.reinforce",
    "export": "sb3_ext.safe",
    "safe_load": "sb3_ext.safe",
}


_ROOMS = {"checkpoint", "fast", "mdp", "replay", "safe", "vec_env", "wrappers"}


def __getattr__(name: str) -> object:
    if name in _ROOMS:
        return importlib.import_module(f"sb3_ext.{name}")
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_ROOMS})


register_envs()
