"""Gymnasium's vector environments as SB3's."""

from sb3_ext.vec_env.adapter import GymnasiumVecEnv

__all__ = ["GymnasiumVecEnv"]
