import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from sb3_ext.cli import main

torch.set_num_threads(1)


@pytest.fixture
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def error_line(capfd: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run the command line, expect it to fail, and return the one line it reported."""

    def run(*arguments: str, code: int) -> str:
        argv = sys.argv
        assert main(list(arguments)) == code
        assert sys.argv is argv
        stderr = capfd.readouterr().err
        reported = [line for line in stderr.splitlines() if ": error: " in line]
        assert len(reported) == 1
        assert "Traceback" not in stderr
        assert reported[0].startswith(f"sb3-ext {arguments[0]}: error: ")
        return reported[0]

    return run
