"""Environments and their registration with Gymnasium."""

from typing import Any

import gymnasium

_AD_SPEND = "sb3_ext.envs.ad_spend.env:AdSpendEnv"
_AD_SPEND_VECTOR = "sb3_ext.envs.ad_spend.vector_env:AdSpendVectorEnv"
_TOY_MDP = "sb3_ext.envs.toy_mdp:ThreeStateMDP"


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
