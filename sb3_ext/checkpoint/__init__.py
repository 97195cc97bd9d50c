"""Checkpoints from which a training goes on as if it had not stopped."""

from sb3_ext.checkpoint.callback import CheckpointEvery
from sb3_ext.checkpoint.checkpoint import load, save

__all__ = ["CheckpointEvery", "load", "save"]
