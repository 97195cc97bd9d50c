"""Measurements of several runs come together in one CSV, and stand on the page beside the aims."""

import importlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.chart import Bar, write_chart
from benchmarks.groups import Result
from benchmarks.records import merge_csv, read_csv
from docs.pages import environment, render
from docs.speed import Speed
from sb3_ext.app.errors import UserError

ROOT = Path(__file__).resolve().parents[3]
CSV, AIMS = Path("docs/results/speed.csv"), Path("docs/templates/speed.yml")


def line(section: str, name: str, round_: int, value: float, reference: str = "", **more: Any) -> dict[str, Any]:
    """One line of the CSV; a reference has the value 2."""
    return {
        "section": section,
        "quantity": "updates_per_second",
        "setting": "small",
        "threads": 1,
        "name": name,
        "round": round_,
        "value": value,
        "unit": "updates/s",
        "ratio": value / 2 if reference else "",
        "reference": reference,
        "cpu": "a chip",
        "cores": 2,
        "load": 0.1,
        "version_torch": "2",
        "command": f"measure {section}",
        **more,
    }


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "docs" / "templates").mkdir(parents=True)
    lines = [line("updates", "upstream", index, 2.0) for index in range(3)]
    lines += [line("updates", "ours", index, value, "upstream") for index, value in enumerate((3.0, 6.0, 5.0))]
    merge_csv(lines, tmp_path / CSV)
    shutil.copy(ROOT / "docs" / "templates" / "speed.md.j2", tmp_path / "docs" / "templates")
    aim = {"what": "eager", "setting": "small", "name": "ours", "to": "upstream"}
    aims = [{**aim, "at_least": 2.5}, {**aim, "at_least": 2.6}, {**aim, "at_most": 2.5}, {**aim, "at_most": 2.4}]
    aims.append({**aim, "name": "theirs", "at_least": 1})
    block = {"title": "Updates", "section": "updates", "quantity": "updates_per_second", "aims": aims}
    (tmp_path / AIMS).write_text(yaml.safe_dump([block]))
    return tmp_path


class TestRecords:
    def test_other_sections_stay(self, tmp_path: Path) -> None:
        path = tmp_path / "new" / "speed.csv"
        merge_csv([line("updates", "a", 0, 1.0), line("images", "a", 0, 2.0)], path)
        merge_csv([line("updates", "b", 0, 3.0, version_jax="1")], path)
        found = [(each["section"], each["name"], each["value"], each["version_jax"]) for each in read_csv(path)]
        assert found == [("images", "a", "2.0", ""), ("updates", "b", "3.0", "1")]

    def test_other_files_stay_as_they_are(self, tmp_path: Path) -> None:
        (path := tmp_path / "notes.csv").write_text("quantity,name,round,value\nsteps,CartPole,0,1\n")
        with pytest.raises(UserError, match="holds no measurements of this command: no column ratio, reference"):
            merge_csv([line("updates", "a", 0, 1.0)], path)
        assert path.read_text().endswith("CartPole,0,1\n")
        with pytest.raises(UserError, match="cannot read"):
            read_csv(tmp_path / "nothing.csv")


class TestPage:
    def test_aims_are_medians_of_ratios_within_a_repeat(self, root: Path) -> None:
        *aims, unmeasured = Speed(root / CSV, root / AIMS).aims
        assert [(aim.ratio, aim.reached) for aim in aims] == [(2.5, True), (2.5, False), (2.5, True), (2.5, False)]
        assert unmeasured.ratios == []

    def test_shows_values_aims_and_where_they_come_from(self, root: Path) -> None:
        page = render(environment(root), "speed.md.j2")
        assert "| ours | 5 | 2.50 (1.50 to 3.00) | upstream |\n" in page
        assert "| upstream | at least 2.5 | 2.50 (1.50 to 3.00) | reached |\n" in page
        assert "| upstream | at least 2.6 | 2.50 (1.50 to 3.00) | **missed** |\n" in page
        assert "| upstream | at least 1 | not measured |  |\n" in page
        assert "- updates: a chip, 2 cores, load 0.1 at the start; torch 2.\n" in page
        assert page.count("measure updates\n") == 1

    def test_runs_of_single_sections_are_told_apart(self, root: Path) -> None:
        merge_csv([line("images", "upstream", 0, 2.0, threads=2, load=0.5)], root / CSV)
        page = render(environment(root), "speed.md.j2")
        assert "- images: a chip, 2 cores, load 0.5 at the start" in page
        assert "measure updates\nmeasure images\n" in page
        assert "small, 2 threads | updates/s |" in page

    def test_the_chart_comes_with_the_page(self, root: Path) -> None:
        command = [sys.executable, str(ROOT / "scripts" / "results_pages.py"), "--root", str(root)]
        written = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert written == "written: docs/speed.md\n"
        assert (root / "docs" / "images" / "speed.png").read_bytes().startswith(b"\x89PNG")

    def test_what_is_missing_is_named(self, root: Path) -> None:
        (root / CSV).unlink()
        with pytest.raises(UserError, match=r"^speed\.md\.j2: cannot read '.*speed\.csv'"):
            render(environment(root), "speed.md.j2")


def test_aims_of_the_repository_are_of_groups_that_are_measured() -> None:
    for block in yaml.safe_load((ROOT / AIMS).read_text(encoding="utf-8")):
        groups = importlib.import_module(f"benchmarks.{block['section']}").groups(quick=False)
        known = {(group.quantity, group.setting, group.threads) for group in groups}
        for aim in block["aims"]:
            assert (block["quantity"], aim["setting"], aim.get("threads", 1)) in known
            assert ("at_least" in aim) != ("at_most" in aim)


class TestChart:
    def test_above_one_is_better_whatever_the_unit(self) -> None:
        slower, smaller = Result("ours", [1.0], "theirs", [0.5]), Result("theirs", [1.0])
        assert Bar.of("panel", "updates/s", slower) == Bar("panel", "ours", "theirs", [0.5])
        assert Bar.of("panel", "MB", slower) == Bar("panel", "ours", "theirs", [2.0])
        assert Bar.of("panel", "MB", smaller) is None

    @pytest.mark.parametrize("count", [0, 1, 5])
    def test_any_number_of_bars(self, count: int, tmp_path: Path) -> None:
        bars = [Bar(f"panel {index // 2}", f"bar {index}", "theirs", [1.0, 2.0], aim=3.0) for index in range(count)]
        write_chart(bars, tmp_path / "chart.png")
        assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")
