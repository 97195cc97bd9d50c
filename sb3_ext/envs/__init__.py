"""Environments and their registration with Gymnasium."""

import gymnasium

_AD_SPEND = "sb3_ext.envs.ad_spend.env:AdSpendEnv"
_TOY_MDP = "sb3_ext.envs.toy_mdp:ThreeStateMDP"


def register_envs() -> None:
    """Register the environment ids with Gymnasium; calling it again changes nothing."""
    for env_id, kwargs in {
        "AdSpend-v0": {"market": "static"},
        "AdSpendTutorial-v0": {"market": "static", "obs_mode": "spend"},
        "AdSpendAdstock-v0": {"market": "adstock"},
        "AdSpendSeasonal-v0": {"market": "seasonal"},
        "AdSpendProfit-v0": {"market": "profit"},
    }.items():
        if env_id not in gymnasium.registry:
            gymnasium.register(id=env_id, entry_point=_AD_SPEND, kwargs=kwargs)
    if "ThreeStateMDP-v0" not in gymnasium.registry:
        gymnasium.register(id="ThreeStateMDP-v0", entry_point=_TOY_MDP, max_episode_steps=100)
