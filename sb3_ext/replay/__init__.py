"""Replay buffers for SB3's off-policy algorithms and ours, with n-step returns, several environments, time limits."""

from sb3_ext.replay.frames import FrameReplayBuffer
from sb3_ext.replay.prioritized import (
    PrioritizedFrameReplayBuffer,
    PrioritizedReplayBuffer,
    PrioritizedReplayBufferSamples,
)
from sb3_ext.replay.transitions import TransitionReplayBuffer

__all__ = [
    "FrameReplayBuffer",
    "PrioritizedFrameReplayBuffer",
    "PrioritizedReplayBuffer",
    "PrioritizedReplayBufferSamples",
    "TransitionReplayBuffer",
]
