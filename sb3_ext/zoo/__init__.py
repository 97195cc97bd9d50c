"""RL Zoo3 with the plugin's algorithms: what is registered, checked and changed there."""

from sb3_ext.zoo.hyperparams import default_hyperparams_file, hyperparams_file
from sb3_ext.zoo.registry import ALGORITHMS, register

__all__ = ["ALGORITHMS", "default_hyperparams_file", "hyperparams_file", "register"]
