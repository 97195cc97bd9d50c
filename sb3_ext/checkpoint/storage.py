"""
A checkpoint on disk: a folder that appears whole or not at all and never changes afterwards.

``state.json`` holds the structure and small numbers, ``arrays.npz`` the small arrays. Large arrays are cut into blocks,
files named after the digest of what they hold; a block that the checkpoint before has too becomes another link to the
same file. So a replay buffer of a million transitions costs what is new in it, and any checkpoint can be deleted.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sb3_ext.common.files import naming, sync
from sb3_ext.safe.archive import Archive

Array = npt.NDArray[Any]

FORMAT = 1
_LARGE, _BLOCK = 2**20, 2**18
"""Bytes: from which size on an array is stored in blocks, and of a block."""


def write(
    folder: Path, document: Any, arrays: Sequence[Array], more: Callable[[Path], None], before: Path | None
) -> None:
    """Write a checkpoint."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}-{uuid.uuid4().hex}")
    try:
        with naming(folder, temporary):
            (temporary / "blocks").mkdir(parents=True)
            large = {
                str(index): _write_blocks(array, temporary / "blocks", before and before / "blocks")
                for index, array in enumerate(arrays)
                if array.nbytes >= _LARGE
            }
            small = {str(index): array for index, array in enumerate(arrays) if str(index) not in large}
            with _synced(temporary / "arrays.npz") as file:
                np.savez(file, **small)  # type: ignore[arg-type]
            more(temporary)
            with _synced(temporary / "state.json") as file:
                file.write(json.dumps({"format": FORMAT, "large": large, "document": document}).encode())
            for entry in temporary.iterdir():
                sync(entry)
            sync(temporary)
            os.rename(temporary, folder)
            sync(folder.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read(folder: Path) -> tuple[Any, list[Array]]:
    """Read a checkpoint."""
    try:
        content = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"it has the format {content['format']!r}, this version reads {FORMAT}")
        with (folder / "arrays.npz").open("rb") as file:
            Archive(file)  # refuses what would fill the memory
            file.seek(0)
            with np.load(file, allow_pickle=False) as small:
                arrays = {int(name): small[name] for name in small.files}
        for index, entry in content["large"].items():
            arrays[int(index)] = _read_blocks(entry, folder / "blocks")
        return content["document"], [arrays[index] for index in range(len(arrays))]
    except Exception as error:  # zlib.error, BadZipFile, RecursionError, ...
        raise ValueError(f"{os.fspath(folder)!r} is no whole checkpoint: {' '.join(str(error).split())}") from error


def _write_blocks(array: Array, folder: Path, before: Path | None) -> dict[str, Any]:
    rows = max(1, math.ceil(_BLOCK * len(array) / array.nbytes))
    names = []
    for start in range(0, len(array), rows):
        block = np.ascontiguousarray(array[start : start + rows])
        name = hashlib.blake2b(block.view(np.uint8).data, digest_size=20).hexdigest()
        names.append(name)
        path = folder / name
        if path.exists():
            continue
        if before is not None:
            with contextlib.suppress(OSError):
                os.link(before / name, path)
                continue
        with _synced(path) as file:
            file.write(block.view(np.uint8).data)
    return {"shape": array.shape, "dtype": array.dtype.str, "rows": rows, "blocks": names}


def _read_blocks(entry: dict[str, Any], folder: Path) -> Array:
    shape, dtype, rows, names = entry["shape"], np.dtype(entry["dtype"]), entry["rows"], entry["blocks"]
    if math.prod(shape) * dtype.itemsize != sum((folder / os.path.basename(name)).stat().st_size for name in names):
        raise ValueError("the blocks of an array do not fit its shape")
    array = np.empty(shape, dtype)
    for i, name in enumerate(names):
        part = array[i * rows : (i + 1) * rows]
        content = (folder / os.path.basename(name)).read_bytes()
        if hashlib.blake2b(content, digest_size=20).hexdigest() != name:
            raise ValueError(f"the block {name} is damaged")
        part[...] = np.frombuffer(content, dtype).reshape(part.shape)
    return array


@contextlib.contextmanager
def _synced(path: Path) -> Iterator[Any]:
    with path.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
