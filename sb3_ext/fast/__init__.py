"""Fast updates and acting: one seam between the algorithms and all that is clever for speed, and SB3's PPO on it."""

from sb3_ext.fast.acting import NumpyModule, forward_numpy, make_acting
from sb3_ext.fast.compiled import COMPILE_MODES, Update
from sb3_ext.fast.gradient_step import GradientStep, soft_update
from sb3_ext.fast.policy import FastPolicy
from sb3_ext.fast.ppo import PPO
from sb3_ext.fast.structure import Structure

__all__ = [
    "COMPILE_MODES",
    "PPO",
    "FastPolicy",
    "GradientStep",
    "NumpyModule",
    "Structure",
    "Update",
    "forward_numpy",
    "make_acting",
    "soft_update",
]
