"""Which environment agents are evaluated on, and what its arguments change."""

import csv
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from sb3_ext.app.errors import UserError
from sb3_ext.cli import main
from sb3_ext.evaluation.runs import find_runs
from sb3_ext.evaluation.settings import arguments_by_environment

HYPERPARAMS = """
CartPole-v1: &short
  n_timesteps: 100
  policy: MlpPolicy
  learning_starts: 50
  policy_kwargs: "dict(net_arch=[8])"
MountainCar-v0:
  <<: *short
  env_kwargs: {max_episode_steps: 2000}
"""


@pytest.fixture(scope="module", name="compared")
def _compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """README's commands in small: Q-networks on CartPole, and on MountainCar, where one learns on longer episodes."""
    folder = tmp_path_factory.mktemp("problems")
    (folder / "long.yml").write_text(HYPERPARAMS)
    (folder / "usual.yml").write_text(HYPERPARAMS.partition("  env_kwargs")[0])

    def train(algo: str, env_id: str, block: str, *more: str) -> None:
        arguments = ["train", "--algo", algo, "--env", env_id, "--seed", "1", "-f", str(folder / "logs")]
        options = ["--conf-file", str(folder / block), "--verbose", "0", "--eval-freq", "50", "--eval-episodes", "1"]
        assert main([*arguments, *options, *more]) == 0

    for algo, block in (("dqn", "usual.yml"), ("dueling_dqn", "long.yml")):
        train(algo, "CartPole-v1", block)
        more = ["--eval-env-kwargs", "max_episode_steps:200"] if algo == "dueling_dqn" else []
        train(algo, "MountainCar-v0", block, *more)
    return folder / "logs"


def lines(logs: Path, *arguments: str) -> list[dict[str, str]]:
    compared = ["--algo", "dqn", "dueling_dqn", "--env", "CartPole-v1", "MountainCar-v0", "-f", str(logs), "-n", "2"]
    assert main(["evaluate", *compared, "--output", "out", *arguments]) == 0
    with Path("out", "results.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_agents_that_learn_on_longer_episodes_are_evaluated_as_during_training(compared: Path, workdir: Path) -> None:
    found = {(line["environment"], line["setting"]): line for line in lines(compared, "--normalize")}
    assert len(found) == 4
    for algo in ("dqn", "dueling_dqn"):
        car = found["MountainCar-v0", algo]
        assert (car["mean_return"], car["ceiling"], car["threshold"]) == ("-200.0", "-97.7", "-110.0")
        pole = found["CartPole-v1", algo]
        assert (pole["env_kwargs"], pole["ceiling"], pole["threshold"]) == ("{}", "500.0", "475.0")


def test_logs_are_of_the_problem_that_is_evaluated_only_where_nothing_was_changed(compared: Path) -> None:
    (same,), (longer,) = (find_runs(algo, "MountainCar-v0", str(compared), None)[0] for algo in ("dqn", "dueling_dqn"))
    assert (longer.env_kwargs, longer.training_env_kwargs) == ({"max_episode_steps": 200}, {"max_episode_steps": 2000})
    assert same.evaluated_as_trained and not longer.evaluated_as_trained
    assert replace(same, env_kwargs={"max_episode_steps": 200}).evaluated_as_trained
    assert not replace(same, env_kwargs={"max_episode_steps": 100}).evaluated_as_trained


def test_arguments_reach_their_environment_alone_and_its_yardsticks_follow(
    compared: Path, workdir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    usual = lines(compared)
    capfd.readouterr()
    found = lines(compared, "--env-kwargs", "MountainCar-v0=max_episode_steps:7", "CartPole-v1=max_episode_steps:8")
    assert [line["mean_return"] for line in found] == ["8.0"] * 2 + ["-7.0"] * 2
    assert [(line["ceiling"], line["threshold"]) for line in found] == [("8.0", "")] * 2 + [("", "")] * 2
    told = capfd.readouterr().err
    assert "CartPole-v1: No reward threshold is known" in told
    assert "MountainCar-v0: No reward threshold and no ceiling is known" in told
    assert 'is known with the arguments {"max_episode_steps": 7}' in Path("out", "results.md").read_text()
    found = lines(compared, "--env-kwargs", "MountainCar-v0=max_episode_steps:200")
    names = ("environment", "setting", "mean_return", "ceiling", "threshold")
    before, after = ([[line[name] for name in names] for line in each] for each in (usual, found))
    assert after == before


def test_different_problems_are_refused_with_the_way_out(
    compared: Path, workdir: Path, error_line: Callable[..., str]
) -> None:
    shutil.copytree(compared, "logs")
    path = Path("logs/dueling_dqn/MountainCar-v0_1/MountainCar-v0/args.yml")
    arguments = yaml.load(path.read_text(), Loader=yaml.UnsafeLoader)
    path.write_text(yaml.dump({**arguments, "eval_env_kwargs": None}))
    command = ["evaluate", "--algo", "dqn", "dueling_dqn", "--env", "MountainCar-v0", "-n", "1"]
    line = error_line(*command, code=2)
    assert 'dqn, run 1 and dueling_dqn, run 1 are of different problems ({} and {"max_episode_steps": 2000})' in line
    assert "--env-kwargs MountainCar-v0=max_episode_steps:VALUE" in line
    assert main([*command, "--env-kwargs", "MountainCar-v0=max_episode_steps:200"]) == 0


def test_baselines_and_the_best_plan_stand_in_comparisons_too(logs: Path, workdir: Path) -> None:
    groups = ["--group", f"both={logs}", "--env", "AdSpend-v0", "--algo", "ddpg_ext", "--threshold", "1.5"]
    assert main(["evaluate", *groups, "-n", "2", "--output", "out"]) == 0
    page = Path("out", "results.md").read_text()
    table = page.partition("## AdSpend-v0: all policies")[2]
    for row in ("| even pacing |", "| both, IQM of 2 runs |", "| certified optimum |"):
        assert row in table
    assert "no plan earns more than" in table and "Lead of both over the best baseline" in table
    assert "below 1.86961" in page
    with Path("out", "summary.csv").open(newline="") as file:
        assert [line["setting"] for line in csv.DictReader(file)] == ["both"]


@pytest.mark.parametrize(
    ("given", "env_ids", "expected"),
    [
        (None, ["A-v0"], {"A-v0": {}}),
        (["budget:2+3", "mode:'x=y'"], ["A-v0"], {"A-v0": {"budget": 5, "mode": "x=y"}}),
        (["A-v0=n:1", "B/C-v1=n:2", "A-v0=m:3"], ["A-v0", "B/C-v1"], {"A-v0": {"n": 1, "m": 3}, "B/C-v1": {"n": 2}}),
        (["A-v0=options:dict(a=1, b={2: 3})"], ["A-v0"], {"A-v0": {"options": {"a": 1, "b": {2: 3}}}}),
        (["options:dict(a=1, b={2: 3})"], ["A-v0"], {"A-v0": {"options": {"a": 1, "b": {2: 3}}}}),
    ],
)
def test_arguments_by_environment(given: list[str] | None, env_ids: list[str], expected: object) -> None:
    assert arguments_by_environment(given, env_ids) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("steps:200", "give ENV=NAME:VALUE, e.g. A-v0=steps:200"),
        ("C-v0=steps:200", "'C-v0', which is not among those of --env: A-v0, B-v0"),
        ("A-v0=steps", "cannot read 'A-v0=steps'"),
        ("A-v0=steps:(", "cannot read 'A-v0=steps:('"),
    ],
)
def test_arguments_of_no_environment(given: str, message: str) -> None:
    with pytest.raises(UserError, match="--env-kwargs") as error:
        arguments_by_environment([given], ["A-v0", "B-v0"])
    assert message in str(error.value)
