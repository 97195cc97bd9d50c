"""Blocks of the zoo's YAML files: written with where they come from, and put into a file whose rest stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from sb3_ext.app.errors import UserError

PROVENANCE = "Found by `sb3-ext tune` on"
"""How the comment in front of a written block begins."""


def block_text(env_id: str, block: dict[str, Any], provenance: Sequence[str]) -> str:
    """A block of plain settings as YAML, behind a comment that says where it comes from."""
    comment = "".join(f"# {line}".rstrip() + "\n" for line in provenance)
    return comment + yaml.safe_dump({env_id: block}, sort_keys=False, width=200, allow_unicode=True)


def put_block(text: str, env_id: str, new_block: str) -> str:
    """
    Put a block into a hyperparameter file in place of the one of the same name, or at its end.

    All other lines stay as they are, comments and anchors too. An old block that others build on (``<<: *anchor``)
    stays under the name ``<env id>-before-tuning``.
    """
    try:
        before = yaml.safe_load(text) or {}
        root = yaml.compose(text)
    except yaml.YAMLError as error:
        raise UserError(f"--write-back: not valid YAML: {' '.join(str(error).split())}", exit_code=1) from error
    if not isinstance(before, dict):
        raise UserError("--write-back: the file holds no blocks: expected 'ENV-ID:' and indented settings", exit_code=1)
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    keys = [] if root is None else [(key.value, key.start_mark.line) for key, _ in root.value]
    starts = [line for name, line in keys if name == env_id]
    if not starts:
        changed = "".join(lines) + ("\n" if lines else "") + new_block
    else:
        start = starts[0]
        end = min((line for _, line in keys if line > start), default=len(lines))
        # Comments in front of the next block are that block's.
        while end > start + 1 and (not lines[end - 1].strip() or lines[end - 1].startswith("#")):
            end -= 1
        first = start
        while first and lines[first - 1].startswith("#"):
            first -= 1
        # The comment of an earlier search goes with its block.
        origins = [line for line in range(first, start) if lines[line].startswith(f"# {PROVENANCE}")]
        changed = "".join([*lines[: min([*origins, start])], new_block, *lines[end:]])
        if not _same_others(before, changed, env_id):
            kept = lines[start].replace(env_id, f"{env_id}-before-tuning", 1)
            changed = "".join([*lines[:start], kept, *lines[start + 1 : end], "\n", new_block, *lines[end:]])
    if not _same_others(before, changed, env_id):
        raise UserError(f"--write-back: cannot replace {env_id!r} without changing other blocks: edit it by hand", 1)
    return changed


def _same_others(before: dict[str, Any], changed: str, env_id: str) -> bool:
    try:
        after = yaml.safe_load(changed)
    except yaml.YAMLError:
        return False
    return all(after.get(name) == block for name, block in before.items() if name != env_id)
