"""Which algorithm a file is of."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Mapping
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

ALGORITHMS = tuple(
    """
    stable_baselines3:A2C stable_baselines3:DDPG stable_baselines3:DQN stable_baselines3:PPO stable_baselines3:SAC
    stable_baselines3:TD3
    sb3_contrib:ARS sb3_contrib:CrossQ sb3_contrib:MaskablePPO sb3_contrib:QRDQN sb3_contrib:RecurrentPPO
    sb3_contrib:TQC sb3_contrib:TRPO
    sb3_ext:A3C sb3_ext:DDPG sb3_ext:DuelingDQN sb3_ext:GeneticSearch sb3_ext:PPOPenalty sb3_ext:PolicySearch
    sb3_ext:QLearning sb3_ext:REINFORCE
    sb3_ext.fast:PPO
    """.split()
)
_NO_ATTRIBUTES = frozenset(
    {"env", "policy", "_init_setup_model", "device", "rms_prop_eps", "stats_window_size", "use_rms_prop"}
)
_COMMON = inspect.signature(OnPolicyAlgorithm).parameters.keys() | inspect.signature(OffPolicyAlgorithm).parameters


def name_of(algorithm: type[BaseAlgorithm]) -> str:
    """``"sb3_ext:DDPG"``, or ValueError if it is none of the algorithms that are known."""
    for name in ALGORITHMS:
        if name.rpartition(":")[2] == algorithm.__name__ and pkgutil.resolve_name(name) is algorithm:
            return name
    raise ValueError(f"{algorithm.__name__} is none of the known algorithms: {', '.join(ALGORITHMS)}")


def find_algorithm(name: object) -> type[BaseAlgorithm]:
    """Find an algorithm by what :func:`name_of` returned."""
    if name not in ALGORITHMS:
        raise ValueError(f"{str(name)[:80]!r} is none of the known algorithms: {', '.join(ALGORITHMS)}")
    found: type[BaseAlgorithm] = pkgutil.resolve_name(str(name))
    return found


def guess_algorithm(data: Mapping[str, Any]) -> type[BaseAlgorithm]:
    """
    Tell the algorithm, which SB3 does not save, by its policy and its arguments.

    :raises ValueError: If they fit none, or several equally well.
    """
    policy: Any = data.get("policy_class")
    known = [find_algorithm(name) for name in ALGORITHMS]
    candidates = [algorithm for algorithm in known if policy in algorithm.policy_aliases.values()]
    if not candidates and isinstance(policy, type):
        candidates = [one for one in known if issubclass(policy, tuple(one.policy_aliases.values()))]
    fits = {}
    for algorithm in candidates:
        arguments = inspect.signature(algorithm).parameters.keys() - _NO_ATTRIBUTES
        fit = sum(1 if argument in data else -1 for argument in arguments)
        # Whoever is made on a base class of SB3 has its attributes, also those that are none of its own arguments
        fits[algorithm] = (fit, len(arguments - _COMMON))
    best = [algorithm for algorithm, fit in fits.items() if fit == max(fits.values())]
    best = [one for one in best if not any(issubclass(other, one) for other in best if other is not one)]
    if len(best) != 1:
        raise ValueError("which algorithm it is of can't be told: give algorithm=..., e.g. algorithm=PPO")
    # DDPG is TD3 with these settings, and the file of one is that of the other.
    if best[0].__name__ == "TD3" and (data.get("policy_delay"), data.get("target_noise_clip")) == (1, 0.0):
        return find_algorithm("stable_baselines3:DDPG")
    return best[0]
