"""Models of strangers: loading without running code of theirs, and a format that needs no pickles."""

from sb3_ext.safe.export import export
from sb3_ext.safe.loading import safe_load

__all__ = ["export", "safe_load"]
