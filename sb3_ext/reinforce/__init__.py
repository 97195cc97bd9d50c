"""REINFORCE, the Monte Carlo policy gradient."""

from sb3_ext.reinforce.reinforce import REINFORCE

__all__ = ["REINFORCE"]
