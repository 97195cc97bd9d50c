"""The command chooses sections, fixes the threads, and explains mistakes in one line."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.command import SECTIONS, main
from sb3_ext.app.errors import UserError

SPY = """
import os, sys

class Spy:
    def find_spec(self, name, *_):
        if name == "numpy":
            print("numpy on", os.environ.get("OMP_NUM_THREADS"), file=sys.stderr)

sys.meta_path.insert(0, Spy())
"""
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
    main(arguments)
    with output.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["section"] for row in rows} == {"replay"}
    assert {row["repeats"] for row in rows} == {"2"}
    assert {row["command"] for row in rows} == {f"python scripts/benchmark.py {' '.join(arguments)}"}
    shown = capsys.readouterr().out
    assert shown.count("replay: sample_and_update") == 1
    assert "PrioritizedReplayBuffer" in shown and f"Written: {output}" in shown
    assert output.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_the_script_fixes_the_threads_before_numpy_is_imported(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(SPY)
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    arguments = ["--sections", "imports", "--quick", "--repeats", "1"]
    result = run(*arguments, PYTHONPATH=path, OMP_NUM_THREADS="2")
    assert (result.returncode, set(result.stderr.splitlines())) == (0, {"numpy on 1"})
    assert result.stdout.startswith("threads 1, cores ")
    assert "imports: import_seconds" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--repeats", "0"], "--repeats is 0: give a number of at least 1"),
        (["--output", "{folder}"], "is a folder: give a file"),
        (["--output", "{file}/speed.csv"], "cannot write to"),
        (["--output", "{notes}"], "holds no measurements of this command: no column name, quantity"),
        (["--sbx-python", "{folder}/python"], "cannot be run: No such file or directory"),
        (["--sbx-python", sys.executable], "has no sbx"),
    ],
)
def test_mistakes_are_found_before_anything_is_measured(arguments: list[str], message: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (notes := tmp_path / "notes.csv").write_text("day,spend\n1,2\n")
    with pytest.raises(UserError) as error:
        main([argument.format(folder=tmp_path, file=tmp_path / "file", notes=notes) for argument in arguments])
    assert message in str(error.value)
    assert error.value.exit_code == 2


def test_the_script_reports_a_mistake_in_one_line() -> None:
    result = run("--repeats", "0")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "python scripts/benchmark.py: error: --repeats is 0: give a number of at least 1\n"


def test_help_names_every_section(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {name}" in shown for name in SECTIONS)
    assert "python scripts/benchmark.py --sections replay frames" in shown
