"""The commands of docs/planning-guide.md run as they are written."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "planning-guide.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```bash\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_figures_of_the_guide_are_named_in_its_pictures_folder() -> None:
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", PAGE)
    assert pictures and all((ROOT / "docs" / picture).is_file() for picture in pictures)


@pytest.mark.slow
def test_every_command_runs(tmp_path: Path) -> None:
    own = [block for block in BLOCKS if "pip install" not in block and "mmm.nc" not in block]
    assert sum("sb3-ext" in block for block in own) >= 5 and shutil.which("bash")
    command = tmp_path / "bin" / "sb3-ext"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m sb3_ext "$@"\n')
    command.chmod(0o755)
    script = f"set -e\nexport PATH={command.parent}:$PATH PYTHONPATH={ROOT}\n" + "\n".join(own)
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    said = done.stdout.replace("\n", " ")
    for figure in ("558,071", "574,109", "489,116", "46,331", "+0.79", "-0.56", "1,291,215"):
        assert figure in said and figure.lstrip("+-") in PAGE, figure
    assert {path.name for path in tmp_path.iterdir()} >= {"plan", "thrifty", "constrained", "monday", "regions"}
