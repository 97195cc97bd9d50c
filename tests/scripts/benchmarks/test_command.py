"""The command chooses sections, fixes the threads, and explains mistakes in one line."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.command import SECTIONS, main
from sb3_ext.app.errors import UserError
from sb3_ext.cli import main as cli_main

SCRIPT = Path(__file__).resolve().parents[3] / "scripts" / "benchmark.py"


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"} | variables
    return subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, env=environment)


def test_measures_the_sections_that_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "new" / "speed.csv"
    arguments = ["--sections", "replay", "replay", "--quick", "--repeats", "2", "--output", str(output)]
    assert main(arguments) == 0
    with output.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["section"] for row in rows} == {"replay"}
    assert {row["repeats"] for row in rows} == {"2"}
    assert {row["command"] for row in rows} == {f"sb3-ext benchmark speed {' '.join(arguments)}"}
    shown = capsys.readouterr().out
    assert shown.count("replay: sample_and_update") == 1
    assert "PrioritizedReplayBuffer" in shown and f"Written: {output}" in shown
    assert output.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_the_script_runs_on_one_thread(tmp_path: Path) -> None:
    program = "import os; print(os.environ['OMP_NUM_THREADS'])"
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nif '-m' in sys.orig_argv: {program}\n")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    result = run("--sections", "imports", "--quick", "--repeats", "1", PYTHONPATH=path)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("1\nthreads 1, cores ")
    assert "imports: import_seconds" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sections", "replai"], "unknown section 'replai'. Did you mean 'replay'? Sections: updates, training"),
        (["--repeats", "0"], "--repeats is 0: give a number of at least 1"),
        (["--repeats", "many"], "argument --repeats: invalid int value: 'many'"),
        (["--output", "{folder}"], "is a folder: give a file"),
        (["--output", "{file}/speed.csv"], "cannot write to"),
        (["--output", "{notes}"], "holds no measurements of this command: no column name, quantity"),
        (["--sbx-python", "{folder}/python"], "cannot be run: No such file or directory"),
        (["--sbx-python", sys.executable], "has no sbx"),
        (["--rounds"], "unrecognized arguments: --rounds"),
    ],
)
def test_mistakes_are_found_before_anything_is_measured(arguments: list[str], message: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (notes := tmp_path / "notes.csv").write_text("day,spend\n1,2\n")
    with pytest.raises(UserError) as error:
        main([argument.format(folder=tmp_path, file=tmp_path / "file", notes=notes) for argument in arguments])
    assert message in str(error.value)
    assert error.value.exit_code == 2


def test_the_same_as_a_command_beside_the_zoos(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli_main(["benchmark", "speed", "--sections", "nothing"]) == 2
    assert capsys.readouterr().err.startswith("sb3-ext benchmark speed: error: unknown section 'nothing'")
    assert cli_main(["benchmark", "--log-dir", "nowhere"]) == 2
    assert "nowhere" in capsys.readouterr().err


def test_the_script_reports_a_mistake_in_one_line() -> None:
    result = run("--sections", "nothing")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("sb3-ext benchmark speed: error: unknown section 'nothing'")
    assert result.stderr.count("\n") == 1


def test_help_names_every_section(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {name}" in shown for name in SECTIONS)
    assert "sb3-ext benchmark speed --sections replay frames" in shown
