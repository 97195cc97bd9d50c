import argparse
import functools
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from services import TwoNodeRay, postgres_server, two_node_ray
from stable_baselines3.common.utils import set_random_seed

from sb3_ext.cli import COMMANDS, main
from sb3_ext.zoo.forks import process_context

# Whichever test is the first to need the server that processes are forked from: its children find all imported.
process_context("sb3_ext.a3c.worker", "sb3_ext.evaluation.agents", "sb3_ext.tuning.worker")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Tests that share a server, or a fixture of their file or folder, run on one worker, which makes it once."""
    if not isinstance(item, pytest.Function) or not item.config.getoption("loadgroup", False):
        return
    mark = item.get_closest_marker("xdist_group")
    found = [made[-1] for made in item._fixtureinfo.name2fixturedefs.values()]
    places = [made.baseid for made in found if made.scope in ("module", "session") and made.baseid.startswith("tests/")]
    group = mark.args[0] if mark else min(places, default=None)
    if group and hasattr(item, "_id"):
        # pytest-xdist 3.8 writes groups into an attribute that pytest 9 reads no more.
        item._id = type(item._id).parse(f"{item.nodeid}@{group}")


def pytest_runtest_setup() -> None:
    """What a test draws without a seed of its own is the same in every run, on one thread, whatever ran before."""
    set_random_seed(0)
    torch.set_num_threads(1)  # `sb3-ext train` of convolutions leaves one for each core


@pytest.fixture(scope="session", autouse=True)
def logs_of_sb3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """SB3 leaves an empty folder with every training that logs to no file: where pytest removes it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SB3_LOGDIR", str(tmp_path_factory.mktemp("SB3")))
        yield


@pytest.fixture
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@functools.cache
def flags(command: str) -> frozenset[str]:
    """The flags that a command understands."""
    known: list[str] = []

    def show(parser: argparse.ArgumentParser) -> None:
        known.extend(parser._option_string_actions)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "print_help", show)
        assert main([command, "--help"]) == 0
    return frozenset(known)


@pytest.fixture
def error_line(capfd: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run the command line, expect it to fail, and return the one line it reported, which names no foreign flag."""

    def run(*arguments: str, code: int) -> str:
        argv = sys.argv
        assert main(list(arguments)) == code
        assert sys.argv is argv
        stderr = capfd.readouterr().err
        reported = [line for line in stderr.splitlines() if ": error: " in line]
        assert len(reported) == 1
        assert "Traceback" not in stderr
        assert reported[0].startswith(f"sb3-ext {arguments[0]}: error: ")
        if arguments[0] in COMMANDS:
            # What stands in backticks is another command.
            named = re.findall(r"(?<![\w'/=-])--?[a-z][\w-]*", re.sub("`[^`]*`", "", reported[0]))
            assert set(named) <= flags(arguments[0]) | set(arguments)
        return reported[0]

    return run


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A database on a PostgreSQL server, shared by the tests of a session."""
    with postgres_server() as url:
        yield url


@pytest.fixture(scope="session")
def two_nodes() -> Iterator[TwoNodeRay]:
    """A Ray cluster of two nodes, shared by the tests of a session: a test that kills the second one adds another."""
    with two_node_ray() as cluster:
        yield cluster
