import json
from typing import Any

import pytest

from sb3_ext.cli import main


def info(capfd: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main(["info", *arguments, "--json"]) == 0
    return json.loads(capfd.readouterr().out)


def known(document: Any) -> dict[str, float]:
    return {each["name"]: each["return"] for each in document["references"]}


def test_a_problem_with_a_certified_optimum(capfd: pytest.CaptureFixture[str]) -> None:
    found = info(capfd, "AdSpend-v0")
    assert found["longest_episode"] == 28
    assert "Box" in found["actions"]
    returns = known(found)
    assert 0.98 < returns["even pacing"] / returns["certified optimum"] < 1.0
    (optimum,) = [each for each in found["references"] if "upper_bound" in each]
    assert optimum["upper_bound"] >= optimum["return"]
    assert "--algo ddpg_ext --env AdSpend-v0" in found["commands"][0]


def test_arguments_make_another_problem(capfd: pytest.CaptureFixture[str]) -> None:
    usual, poor = info(capfd, "AdSpend-v0"), info(capfd, "AdSpend-v0", "--env-kwargs", "budget:20000", "periods:7")
    assert poor["longest_episode"] == 7
    assert known(poor)["certified optimum"] > known(usual)["certified optimum"]


def test_what_is_random_has_a_bound(capfd: pytest.CaptureFixture[str]) -> None:
    returns = known(info(capfd, "AdSpendShock-v0"))
    assert returns["clairvoyant"] > returns["even pacing"] > 0.0


def test_blocks_are_those_that_a_training_takes(capfd: pytest.CaptureFixture[str]) -> None:
    found = info(capfd, "CartPole-v1")
    assert known(found) == {"solved": 475.0, "ceiling": 500.0}
    files = {each["algo"]: each["file"] for each in found["blocks"]}
    assert files["dueling_dqn"] == "hyperparams/dueling_dqn.yml"
    assert files["ppo_fast"] == files["ppo"] == "rl_zoo3/hyperparams/ppo.yml"
    # what cannot act there is not offered, though it has a block for all other environments
    assert not {"ddpg", "ddpg_ext", "sac"} & {*files, *found["by_default_block"]}
    assert "-0.5" not in found["reward"] and "`+1`" in found["reward"]


@pytest.mark.parametrize(
    ("env_id", "able", "unable"),
    [
        # observations in a tuple, which SB3 doesn't take
        ("Blackjack-v1", set(), {"dueling_dqn", "ppo", "q_learning", "reinforce", "genetic", "policy_search", "ars"}),
        ("Acrobot-v1", {"reinforce"}, {"q_learning", "ddpg_ext"}),
        ("Pendulum-v1", {"ddpg_ext"}, {"q_learning", "dqn"}),
        (
            "ThreeStateMDP-v0",
            {"q_learning", "ppo", "reinforce", "genetic", "policy_search", "ars"},
            {"ddpg_ext", "sac"},
        ),
    ],
)
def test_only_algorithms_that_a_training_can_begin_with_are_offered(
    env_id: str, able: set[str], unable: set[str], capfd: pytest.CaptureFixture[str]
) -> None:
    found = info(capfd, env_id)
    offered = {*(each["algo"] for each in found["blocks"]), *found["by_default_block"]}
    assert able <= offered and not unable & offered
    assert "|" not in found["reward"]


def test_people_get_tables_and_the_commands(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "Pendulum-v1"]) == 0
    shown = capfd.readouterr().out
    assert "theta^2" in shown and "-137" in shown and "hyperparams/ddpg_ext.yml" in shown
    assert "sb3-ext train --algo ddpg_ext --env Pendulum-v1 -P\n" in shown


def test_arguments_that_the_environment_lacks_are_told(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "AdSpend-v0", "--env-kwargs", "budget:-1"]) == 1
    assert "cannot build AdSpend-v0" in capfd.readouterr().err
