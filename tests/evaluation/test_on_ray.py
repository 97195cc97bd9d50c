import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from services import TwoNodeRay

from sb3_ext.app.errors import UserError
from sb3_ext.cli import main
from sb3_ext.evaluation import agents
from sb3_ext.evaluation.runs import find_runs

pytestmark = pytest.mark.xdist_group("servers")


def test_a_cluster_finds_what_this_process_finds(
    logs: Path, two_nodes: TwoNodeRay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(logs.parent)  # the workers have another current folder
    here, there = tmp_path / "here", tmp_path / "there"
    command = ["evaluate", "--algo", "ddpg_ext", "--env", "AdSpend-v0", "-f", "logs", "--exp-id", "all", "-n", "2"]
    assert main([*command, "--output", str(here)]) == 0
    assert main([*command, "--output", str(there), "--ray-address", two_nodes.address]) == 0

    def results(folder: Path) -> list[dict[str, str]]:
        with (folder / "results.csv").open(newline="") as file:
            return [{**row, "command": "", "evaluation_seconds": ""} for row in csv.DictReader(file)]

    assert sum(row["kind"] == "agent" for row in results(here)) == 2
    assert results(there) == results(here)
    assert (there / "episodes.csv").read_text() == (here / "episodes.csv").read_text()


def test_machine_without_the_log_folder(logs: Path, tmp_path: Path) -> None:
    (run,), _ = find_runs("ppo", "Pendulum-v1", str(logs), [0], False)
    elsewhere = replace(run, model_path=tmp_path / "model.zip")
    with pytest.raises(UserError, match=r"model\.zip is not on .*: the machines of the cluster must share"):
        agents._evaluate_there((elsewhere, range(1), True, ()))


def test_processes_and_cluster_exclude_each_other(logs: Path, error_line: Callable[..., str]) -> None:
    command = ("evaluate", "--algo", "ppo", "--env", "Pendulum-v1", "-f", str(logs), "--n-jobs", "2")
    assert "leave it out with --ray-address" in error_line(*command, "--ray-address", "local", code=2)
