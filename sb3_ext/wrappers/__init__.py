"""Environment wrappers."""

from sb3_ext.wrappers.curiosity import CountBonus
from sb3_ext.wrappers.discretize import DiscretizeObservation
from sb3_ext.wrappers.ms_pacman import MsPacmanAtariWrapper, MsPacmanPreprocessing
from sb3_ext.wrappers.shaping import CartPoleAngleReward, ScaledReward, TerminalPenalty

__all__ = [
    "CartPoleAngleReward",
    "CountBonus",
    "DiscretizeObservation",
    "MsPacmanAtariWrapper",
    "MsPacmanPreprocessing",
    "ScaledReward",
    "TerminalPenalty",
]
