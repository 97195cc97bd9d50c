"""Cases are measured in turns, and ratios are taken within a repeat."""

import csv
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch as th
from rich.console import Console

from benchmarks.groups import Case, Group, Missing, advantage, measure_group, microseconds
from benchmarks.report import Measured, machine, short, table, write_csv


def played_back(values: list[float], log: list[str], name: str) -> Callable[[], float]:
    remaining = iter(values)

    def measure() -> float:
        log.append(name)
        return next(remaining)

    return measure


def sample(log: list[str]) -> Group:
    def prepare() -> list[Case | Missing]:
        log.append("prepare")
        return [
            Case("upstream", played_back([10, 30, 20, 40, 80, 60], log, "upstream")),
            Missing("rival", "not installed: pip install rival"),
            Case("ours", played_back([1, 2, 300, 6, 3, 6], log, "ours"), "upstream"),
        ]

    return Group("time", "us", "2 things", prepare, slices=3)


def test_takes_turns_within_each_repeat() -> None:
    log: list[str] = []
    measure_group(sample(log), 2)
    assert log == ["prepare", *["upstream", "ours"] * 6]


def test_values_are_medians_of_the_turns_and_ratios_of_the_same_repeat() -> None:
    advanced: list[int] = []
    (upstream, ours), missing = measure_group(sample([]), 2, lambda: advanced.append(1))
    assert (upstream.values, ours.values) == ([20, 60], [2, 6])
    assert (upstream.ratios, upstream.ratio) == (None, None)
    assert ours.ratios == pytest.approx([0.1, 0.1])
    assert (upstream.median, ours.median, ours.ratio) == (40, 4, pytest.approx(0.1))
    assert [case.name for case in missing] == ["rival"]
    assert len(advanced) == 2


def test_a_slow_moment_leaves_the_ratio_alone() -> None:
    def prepare() -> list[Case]:
        return [
            Case("a", played_back([1.0, 100.0, 1.0], [], "a")),
            Case("b", played_back([2.0, 200.0, 2.0], [], "b"), "a"),
        ]

    (_, b), _ = measure_group(Group("time", "us", "", prepare), 3)
    assert b.ratios == [2.0, 2.0, 2.0]


def test_microseconds_of_one_call() -> None:
    calls: list[float] = []

    def call() -> None:
        calls.append(time.perf_counter())
        time.sleep(0.002)

    taken = microseconds(call, 5)()
    assert len(calls) == 6, "one call warms up"
    assert taken >= 2000.0


def test_table_and_csv_hold_what_was_measured(tmp_path: Path) -> None:
    measured = Measured("replay", (group := sample([])), *measure_group(group, 2))
    console = Console(width=120, record=True, quiet=True)
    with console.capture() as capture:
        console.quiet = False
        console.print(table(measured))
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in capture.get().splitlines() if "│" in line]
    assert lines == [
        ["upstream", "40", "", ""],
        ["ours", "4", "0.10", "upstream"],
        ["rival", "", "", "not installed: pip install rival"],
    ]
    assert measured.caption == "replay: time (2 things)"

    write_csv([measured], tmp_path / "speed.csv", "the command", machine(1), {"jax": "0.1"})
    with open(tmp_path / "speed.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = ("quantity", "name", "round", "value", "unit", "ratio", "reference", "repeats", "threads", "command")
    assert [tuple(row[column] for column in columns) for row in rows] == [
        ("time", "upstream", "0", "20", "us", "", "", "2", "1", "the command"),
        ("time", "upstream", "1", "60", "us", "", "", "2", "1", "the command"),
        ("time", "ours", "0", "2", "us", "0.1", "upstream", "2", "1", "the command"),
        ("time", "ours", "1", "6", "us", "0.1", "upstream", "2", "1", "the command"),
    ]
    assert all(row["version_torch"] and row["version_sb3_ext"] and row["section"] == "replay" for row in rows)
    assert all(row["version_jax"] == "0.1" and row["cpu"] and int(row["cores"]) > 0 for row in rows)


def test_threads_are_those_of_the_group() -> None:
    seen: list[int] = []

    def measure() -> float:
        seen.append(th.get_num_threads())
        return 1.0

    threads = th.get_num_threads()
    try:
        for number in (2, 1):
            group = Group("time", "us", "", lambda: [Case("a", measure)], threads=number)
            measure_group(group, 1)
        assert seen == [2, 1]
        assert Measured("images", group._replace(threads=2), [], []).caption == "images: time (, 2 threads)"
    finally:
        th.set_num_threads(threads)


def test_what_does_not_vary_is_measured_once() -> None:
    group = Group("memory", "MB", "", lambda: [Case("a", played_back([5.0], [], "a"))], once=True)
    (result,), _ = measure_group(group, 3)
    assert result.values == [5.0]


@pytest.mark.parametrize(("unit", "better"), [("steps/s", 4.0), ("us", 0.25), ("MB", 0.25)])
def test_advantage(unit: str, better: float) -> None:
    assert advantage(unit, 4.0) == better


def test_numbers_have_three_digits_or_all_before_the_point() -> None:
    assert [short(number) for number in (12345.6, 123.4, 1.234, 0.1296)] == ["12 346", "123", "1.23", "0.13"]
