from collections.abc import Callable
from pathlib import Path

import pytest

from sb3_ext.app.errors import UserError
from sb3_ext.spend_plan.command import main

Planner = Callable[..., Path]


@pytest.fixture
def planner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planner:
    """Run ``sb3-ext plan`` in an empty folder, by default for a small campaign; returns the output folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Path:
        defaults = {"--market": "adstock", "--budget": "10000", "--periods": "5", "--start": "2027-01-04"}
        given = [text for flag, value in defaults.items() if flag not in arguments for text in (flag, value)]
        assert main([*given, *arguments]) == 0
        return tmp_path / "plan"

    return run


@pytest.fixture
def without_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save the time of drawing the page, which holds the command alone."""
    monkeypatch.setattr("sb3_ext.spend_plan.page.render_page", lambda plan, command: command)


@pytest.fixture
def mistake(planner: Planner) -> Callable[..., str]:
    """Run ``sb3-ext plan`` with a mistake; returns its one line, and nothing was written."""

    def run(*arguments: str, code: int = 2) -> str:
        before = set(Path.cwd().iterdir())
        with pytest.raises(UserError) as error:
            planner(*arguments)
        message = str(error.value)
        assert message and "\n" not in message
        assert error.value.exit_code == code
        assert set(Path.cwd().iterdir()) == before
        return message

    return run
