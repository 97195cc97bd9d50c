"""Where a command may write."""

import os
from pathlib import Path

from sb3_ext.app.errors import UserError


def check_writable(folder: str, flag: str) -> None:
    """Check that a folder exists or can be made, and can be written to."""
    path = Path(folder).absolute()
    existing = next(ancestor for ancestor in (path, *path.parents) if ancestor.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK)):
        raise UserError(f"{flag}: cannot write to {folder!r}: {str(existing)!r} is no folder that can be written to")
