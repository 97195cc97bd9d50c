import json
from pathlib import Path

import pytest

from sb3_ext.cli import main

TRAIN = ("train", "--algo", "ddpg_ext", "--env", "AdSpend-v0")
SHORT = ("-n", "150", "--eval-freq", "100", "--eval-episodes", "1", "--log-interval", "1")
SMALL = ("-params", "learning_starts:50", "policy_kwargs:dict(net_arch=[8])")


@pytest.fixture(autouse=True)
def _nothing_written(request: pytest.FixtureRequest, workdir: Path) -> object:
    yield
    if "dry" in request.node.name:
        assert not list(workdir.iterdir())


def table(text: str) -> dict[str, list[str]]:
    """Rows of the tables that were printed, by their first cell."""
    rows = ([cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if line.startswith("│"))
    return {first: rest for first, *rest in rows}


def test_dry_training_shows_where_everything_comes_from(capfd: pytest.CaptureFixture[str]) -> None:
    arguments = [*SHORT[:2], "--seed", "3", *SMALL, "--env-kwargs", "budget:50000"]
    assert main([*TRAIN, *arguments, "--dry-run", "--checkpoint-freq", "100"]) == 0
    shown = table(capfd.readouterr().out)
    assert shown["n_timesteps"] == ["150", "-n"]
    assert shown["learning_starts"] == ["50", "-params"]
    assert shown["tau"][0] == "0.01" and shown["tau"][1].startswith("block AdSpend-v0 of ")
    assert shown["log folder"] == ["logs/ddpg_ext/AdSpend-v0_1"]
    assert shown["arguments of the environment"] == ["{'budget': 50000}"]
    assert shown["seed"] == ["3"] and shown["steps"] == ["150"]
    # two networks of each kind: 8 observations, 2 actions, 8 units
    assert shown["parameters of the policy"] == [f"{2 * ((8 * 8 + 8 + 8 * 2 + 2) + (10 * 8 + 8 + 8 + 1)):,}"]


def test_dry_search_of_the_zoo_searches_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, "--optimize", "--n-trials", "7", "--dry-run"]) == 0
    shown = table(capfd.readouterr().out)
    assert shown["search"][0].startswith("7 trials, sampler tpe")
    assert shown["evaluations"] == ["of every trial every 20,000 steps, 5 episodes"]


def test_dry_search_hides_the_password_of_its_storage(capfd: pytest.CaptureFixture[str]) -> None:
    storage = ("--storage", "postgresql://me:secret@localhost:1/db", "--study-name", "s")
    assert main([*TRAIN, "--optimize", *storage, "--dry-run"]) == 0
    assert "secret" not in "".join(capfd.readouterr())


def test_dry_run_refuses_what_a_training_would(capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, "-params", "gamma:2", "--dry-run"]) == 1
    assert "gamma" in capfd.readouterr().err


def test_going_on_is_shown_without_going_on(capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, *SHORT, *SMALL, "--checkpoint-freq", "50", "--seed", "3"]) == 0
    first = Path("logs/ddpg_ext/AdSpend-v0_1/checkpoints/first_command.json")
    first.write_text(json.dumps({**json.loads(first.read_text()), "finished": False}))
    before = {path: path.read_bytes() for path in Path("logs").glob("**/*") if path.is_file()}
    capfd.readouterr()
    assert main(["train", "--resume", "logs", "--dry-run"]) == 0
    shown = table(capfd.readouterr().out)
    assert shown["log folder"] == ["logs/ddpg_ext/AdSpend-v0_1"] and shown["seed"] == ["3"]
    assert shown["learning_starts"][0] == "50"
    assert {path: path.read_bytes() for path in Path("logs").glob("**/*") if path.is_file()} == before


def test_dry_search_shows_trials_seeds_and_space(capfd: pytest.CaptureFixture[str]) -> None:
    tune = ["tune", *TRAIN[1:], "--n-trials", "7", "--seeds-per-trial", "2", "-n", "100", "--dry-run"]
    assert main([*tune, "-params", "tau:0.02"]) == 0
    shown = table(capfd.readouterr().out)
    assert shown["trials"][0].startswith("7, ") and shown["trainings of a trial"] == ["2, with seeds 0 to 1"]
    assert shown["tau"] == ["0.001 to 0.05, logarithmic"] and shown["n_timesteps"] == ["100", "-n"]
    assert shown["steps in all, at most"][0].startswith("1,400")
    assert main([*tune, "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["search_space"]["tau"] == "0.001 to 0.05, logarithmic"
    assert {"hyperparameter": "n_timesteps", "value": 100, "from": "-n"} in found["block"]


@pytest.mark.parametrize(("flags", "tables"), [(["-P"], False), (["-P", "--verbose", "1"], True), ([], True)])
def test_a_progress_bar_keeps_log_tables_off(flags: list[str], tables: bool, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, *SHORT, *flags, *SMALL]) == 0
    shown = capfd.readouterr()
    assert ("rollout/" in shown.out) is tables
    assert "Eval num_timesteps=100" in shown.out, "evaluations are told beside the bar"
    assert ("150/150" in shown.out + shown.err) is ("-P" in flags)
