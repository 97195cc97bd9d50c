import contextlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sb3_ext.app.parser import Parser
from sb3_ext.cli import COMMANDS, main

pytest.importorskip("shtab")
COMPLETE = """
source {script}
COMP_WORDS=({words} '')
[ -z '{last}' ] || COMP_WORDS[-1]='{last}'
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
COMP_LINE="${{COMP_WORDS[*]}}"
COMP_POINT=${{#COMP_LINE}}
_shtab_sb3_ext
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "sb3-ext.bash"
    with path.open("w") as file, contextlib.redirect_stdout(file):
        assert main(["--print-completion", "bash"]) == 0
    return path


@pytest.mark.parametrize(
    ("words", "last", "expected"),
    [
        ("sb3-ext", "ev", {"evaluate"}),
        ("sb3-ext", "", set(COMMANDS)),
        ("sb3-ext train --algo", "dd", {"ddpg", "ddpg_ext"}),
        ("sb3-ext train --env", "AdSpendSh", {"AdSpendShock-v0"}),
        ("sb3-ext train", "--che", {"--checkpoint-freq"}),
        ("sb3-ext tune", "--sam", {"--sampler"}),
        ("sb3-ext tune --sampler", "", {"tpe", "gp", "random"}),
        ("sb3-ext list", "sp", {"spaces"}),
        ("sb3-ext info", "Cart", {"CartPole-v0", "CartPole-v1"}),
        ("sb3-ext plan --min x=1 --market", "mark", {"market.json"}),
        ("sb3-ext evaluate -f", "lo", {"logs"}),
    ],
)
def test_bash_completes(script: Path, workdir: Path, words: str, last: str, expected: set[str]) -> None:
    (workdir / "market.json").touch()
    (workdir / "logs").mkdir()
    commands = COMPLETE.format(script=script, words=words, last=last)
    done = subprocess.run(["bash", "-c", commands], capture_output=True, text=True, check=True, cwd=workdir)
    assert {word.strip().rstrip("/") for word in done.stdout.split()} >= expected, done.stderr
    if last:
        assert all(word.startswith(last) for word in done.stdout.split())


def test_parsers_are_as_they_were(script: Path) -> None:
    assert "print_help" not in vars(Parser)


def test_an_unknown_shell_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    for given in (["fish"], []):
        assert main(["--print-completion", *given]) == 2
        assert "give one of bash, zsh, tcsh" in capfd.readouterr().err


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, error_line: Callable[..., str]) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert "pip install 'shtab" in error_line("--print-completion", "zsh", code=1)
