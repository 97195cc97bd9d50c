"""Models of strangers: loading without running code of theirs, and a format that needs no pickles."""

from sb3_ext.safe.export import export
from sb3_ext.safe.loading import safe_load
from sb3_ext.safe.normalization import load_normalization
from sb3_ext.safe.replay_buffers import load_replay_buffer
from sb3_ext.safe.run_folder import run_folder_loader

__all__ = ["export", "load_normalization", "load_replay_buffer", "run_folder_loader", "safe_load"]
