"""Environments and their registration with Gymnasium."""

from typing import Any

import gymnasium
from gymnasium.envs.registration import WrapperSpec

_AD_SPEND = "sb3_ext.envs.ad_spend.env:AdSpendEnv"
_AD_SPEND_VECTOR = "sb3_ext.envs.ad_spend.vector_env:AdSpendVectorEnv"
_TOY_MDP = "sb3_ext.envs.toy_mdp:ThreeStateMDP"
_MS_PACMAN = "sb3_ext.envs.ms_pacman:MsPacmanAtariEnv"
_MS_PACMAN_VECTOR = "sb3_ext.envs.ms_pacman:MsPacmanVectorEnv"


def register_envs() -> None:
    """Register the environment ids with Gymnasium; calling it again changes nothing."""
    presets: dict[str, dict[str, Any]] = {
        "AdSpend-v0": {"market": "static"},
        "AdSpendTutorial-v0": {"market": "static", "obs_mode": "spend"},
        "AdSpendAdstock-v0": {"market": "adstock"},
        "AdSpendSeasonal-v0": {"market": "seasonal"},
        "AdSpendProfit-v0": {"market": "profit"},
        "AdSpendShock-v0": {"market": "shock", "urgency": True},
        "AdSpendSShape-v0": {"market": "s_shape", "urgency": True},
        "AdSpendUncertain-v0": {"market": "uncertain", "lags": 7, "urgency": True},
        "AdSpendDrift-v0": {"market": "drift", "lags": 7, "urgency": True},
        "AdSpendDelivery-v0": {"market": "delivery", "urgency": True},
        "AdSpendNoisy-v0": {"market": "noisy", "urgency": True},
    }
    for env_id, kwargs in presets.items():
        if env_id not in gymnasium.registry:
            gymnasium.register(id=env_id, entry_point=_AD_SPEND, vector_entry_point=_AD_SPEND_VECTOR, kwargs=kwargs)
    if "ThreeStateMDP-v0" not in gymnasium.registry:
        gymnasium.register(id="ThreeStateMDP-v0", entry_point=_TOY_MDP, max_episode_steps=100)
    # Gymnasium lets no environment have both additional_wrappers and a vector_entry_point.
    if "MsPacmanPreprocessed-v0" not in gymnasium.registry:
        gymnasium.register(id="MsPacmanPreprocessed-v0", entry_point=_MS_PACMAN, vector_entry_point=_MS_PACMAN_VECTOR)
    if "MsPacmanTutorial-v0" not in gymnasium.registry:
        gymnasium.register(
            id="MsPacmanTutorial-v0",
            entry_point="ale_py.env:AtariEnv",
            # The emulator's settings are those of MsPacman-v0, as in the tutorial.
            kwargs={
                "game": "ms_pacman",
                "repeat_action_probability": 0.25,
                "full_action_space": False,
                "frameskip": (2, 5),
                "max_num_frames_per_episode": 108_000,
            },
            additional_wrappers=(
                WrapperSpec(
                    "MsPacmanPreprocessing", "sb3_ext.wrappers.ms_pacman:MsPacmanPreprocessing", {"normalize": True}
                ),
            ),
        )
