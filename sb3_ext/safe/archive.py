"""Zip files of strangers: nothing is unpacked to the disk, and none may be larger than it looks."""

from __future__ import annotations

import zipfile
from typing import BinaryIO

_MOST_ENTRIES = 100_000
_MOST_BYTES = 2**26
_HIGHEST_RATIO = 20
"""A zip may unpack to so many bytes, or to so many times its own size. SB3 does not compress."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Of these ``zipfile`` unpacks no more at once than it is asked for, also where an entry says that it is small."""


class Archive:
    """
    The entries of a zip file.

    :raises ValueError: If it is no zip file, is damaged, holds an entry twice or by a name that is a path elsewhere, or
        unpacks to much more than its own size.
    """

    def __init__(self, file: BinaryIO) -> None:
        size = file.seek(0, 2)
        file.seek(0)
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError, EOFError) as error:
            raise ValueError(f"is no whole zip file ({error})") from error
        entries = self._zip.infolist()
        self.names = [entry.filename for entry in entries]
        if len(entries) > _MOST_ENTRIES or len(set(self.names)) < len(self.names):
            raise ValueError("holds an entry twice, or too many")
        if any(entry.compress_type not in _METHODS for entry in entries):
            raise ValueError("is compressed in another way than by deflate")
        for name in self.names:
            if name.startswith("/") or "\\" in name or ":" in name or ".." in name.split("/"):
                raise ValueError(f"holds an entry with the path {name[:80]!r}")
        unpacked = sum(entry.file_size for entry in entries)
        if unpacked > max(_MOST_BYTES, _HIGHEST_RATIO * size) or sum(entry.compress_size for entry in entries) > size:
            raise ValueError(f"unpacks to {unpacked:,} bytes, from a file of {size:,}")

    def read(self, name: str) -> bytes:
        """Unpack an entry."""
        try:
            with self._zip.open(name) as entry:
                return entry.read(self._zip.getinfo(name).file_size)
        except KeyError:
            raise ValueError(f"has no entry {name[:80]!r}") from None
        except Exception as error:  # zlib.error, BadZipFile, EOFError, ...
            raise ValueError(f"holds a damaged {name[:80]!r} ({error})") from error
