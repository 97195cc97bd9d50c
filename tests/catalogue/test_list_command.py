import json
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import pytest
from rl_zoo3.utils import ALGOS

from sb3_ext.cli import main
from sb3_ext.zoo.hyperparams import named_file


@pytest.fixture
def listed(capfd: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Run ``sb3-ext list ... --json`` and read the document."""

    def run(*arguments: str) -> Any:
        assert main(["list", *arguments, "--json"]) == 0
        return json.loads(capfd.readouterr().out)

    return run


def test_lists_every_algorithm(listed: Callable[..., Any]) -> None:
    records = {record["algo"]: record for record in listed("algos")}
    assert records.keys() == ALGOS.keys()
    assert records["ddpg_ext"]["package"] == "sb3_ext" and records["ddpg"]["package"] == "stable_baselines3"
    assert all(record["algorithm"] and record["search_space"] for record in records.values())
    # it shares SB3's hyperparameters
    assert records["ppo_fast"]["blocks"] == records["ppo"]["blocks"] > 20


def test_lists_our_environments_and_those_that_blocks_name(listed: Callable[..., Any]) -> None:
    records = {record["environment"]: record for record in listed("envs")}
    assert records.keys() <= gym.registry.keys()
    assert {name for name, spec in gym.registry.items() if "sb3_ext" in str(spec)} <= records.keys()
    assert "ddpg_ext" in records["AdSpend-v0"]["algorithms"]
    assert "ddpg_ext" not in records["CartPole-v1"]["algorithms"]
    assert all(record["problem"] for record in records.values() if record["package"] == "sb3_ext")
    of_one = {record["environment"] for record in listed("envs", "--algo", "ddpg_ext") if record["algorithms"]}
    assert of_one == {name for name, record in records.items() if "ddpg_ext" in record["algorithms"]}


def test_lists_blocks_with_files_that_conf_file_takes(listed: Callable[..., Any]) -> None:
    records = listed("blocks", "--algo", "dueling_dqn")
    assert {record["algo"] for record in records} == {"dueling_dqn"}
    by_file = {record["file"]: record for record in records if record["block"] == "MountainCar-v0"}
    assert by_file.keys() == {"hyperparams/dueling_dqn.yml", "hyperparams/tutorials/dueling_dqn_mountain_car.yml"}
    assert all(named_file(file) != file or file.startswith("hyperparams") for file in by_file)
    assert "hyperparams/tutorials/dqn_cart_pole.yml" in {record["file"] for record in listed("blocks", "--algo", "dqn")}


def test_lists_search_spaces(listed: Callable[..., Any]) -> None:
    records = {record["hyperparameter"]: record["range"] for record in listed("spaces", "--algo", "ddpg_ext")}
    assert records["learning_rate"] == "1e-05 to 0.002, logarithmic"
    assert records["train_freq"] == "1 to 10, whole"
    assert len(listed("spaces")) > 100


def test_tables_are_for_people(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "blocks", "--algo", "ddpg_ext"]) == 0
    shown = capfd.readouterr().out
    assert "AdSpendShock-v0" in shown and "100,000" in shown and "hyperparams/ddpg_ext.yml" in shown


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["list", "algoz"], "Did you mean 'algos'? Choose from algos, envs, spaces, blocks"),
        (["list", "blocks", "--algo", "dpg_ext"], "Did you mean 'ddpg_ext'?"),
        (["info", "AdSpent-v0"], "Did you mean 'AdSpend-v0'?"),
    ],
)
def test_wrong_usage(arguments: list[str], expected: str, error_line: Callable[..., str]) -> None:
    assert expected in error_line(*arguments, code=2)


def test_environments_that_are_only_vectorised_are_no_obstacle(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    only = gym.envs.registration.EnvSpec("Only/Vectorised-v0", vector_entry_point="gymnasium.envs.classic_control:None")
    monkeypatch.setitem(gym.registry, only.id, only)
    assert main(["list", "envs", "--algo", "q_learning", "--json"]) == 0
    assert main(["info", only.id]) == 1
    assert "cannot build Only/Vectorised-v0" in capfd.readouterr().err
