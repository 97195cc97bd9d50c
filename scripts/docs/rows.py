"""The rows of the pages of results, as scripts/docs/rows.txt lists them."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import NamedTuple

from sb3_ext.app.errors import UserError


class Row(NamedTuple):
    """What is trained and evaluated for a folder of ``docs/results/``."""

    name: str
    algo: str
    env_id: str
    eval_freq: int
    episodes: int
    flags: str
    """Further flags of ``sb3-ext train``."""

    @property
    def settings_flags(self) -> str:
        """The flags without those that only log."""
        return re.sub(r"--tensorboard-log \S+", "", self.flags).strip()

    @property
    def command(self) -> str:
        """Trains one seed."""
        words = f"sb3-ext train --algo {self.algo} --env {self.env_id} {self.settings_flags} --seed 0 -P".split()
        return " ".join(f'"{word}"' if set(word) & set("'()[]") else word for word in words)

    def settings(self) -> str:
        """Digest of what its figures depend on, but for the code: algorithm, environment, flags and hyperparameters."""
        from sb3_ext.zoo.hyperparams import default_hyperparams_file, named_file, read_block

        named = re.search(r"--conf-file (\S+)", self.flags)
        path = named_file(named[1]) if named else str(default_hyperparams_file(self.algo, self.env_id))
        block = read_block(path, self.algo, self.env_id)
        text = json.dumps([self.algo, self.env_id, self.settings_flags, block], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def read_rows(root: Path) -> dict[str, Row]:
    """
    Read the rows.

    :param root: the repository
    :return: rows by name
    :raises UserError: if a line is no row
    """
    path = root / "scripts" / "docs" / "rows.txt"
    rows = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        try:
            name, algo, env_id, eval_freq, episodes, flags = line.split("|")
            rows[name] = Row(name, algo, env_id, int(eval_freq), int(episodes), flags)
        except ValueError as error:
            raise UserError(f"{path}: no row 'name|algorithm|environment|steps|episodes|flags': {line!r}") from error
    return rows
