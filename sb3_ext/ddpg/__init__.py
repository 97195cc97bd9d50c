"""Deep Deterministic Policy Gradient (DDPG)."""

from sb3_ext.ddpg.ddpg import DDPG
from sb3_ext.ddpg.policies import CnnPolicy, DDPGPolicy, MlpPolicy, MultiInputPolicy

__all__ = ["DDPG", "CnnPolicy", "DDPGPolicy", "MlpPolicy", "MultiInputPolicy"]
