"""Gymnasium's vector environments as SB3's."""

from sb3_ext.vec_env.adapter import GymnasiumVecEnv
from sb3_ext.vec_env.resets import reset_finished

__all__ = ["GymnasiumVecEnv", "reset_finished"]
