"""What is measured stands on the page, and what is not is left out; the files of the repository fit together."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from tutorial_samples import ROOT, agent, q_lines, write

from docs.tutorials.page import number, render_page, span
from docs.tutorials.systems import (
    optimal_seeds,
    q_value_table,
    read_policies,
    read_score,
    read_systems,
    read_trainings,
)
from sb3_ext.app.errors import UserError


def render(docs: Path) -> tuple[str, list[str]]:
    warnings: list[str] = []
    trainings = read_trainings(ROOT / "scripts" / "results.sh")
    page = render_page(docs, read_systems(docs / "tutorial_systems.yml"), trainings, "make page", warnings.append)
    return page, warnings


def test_results_stand_on_the_page(docs: Path) -> None:
    page, _ = render(docs)
    assert "| [PPO](#cartpole-ppo) | `CartPole-v1` | 1 000 to 40 000 | 4 | 2.5 (" in page
    assert "worst seed 1.0;\n9 evaluation episodes each" in page
    assert "sb3-ext train --algo ppo --env CartPole-v1 --seed 0 -P" in page
    assert "| at random | `CartPole-v1` | 22.2 | 1.0 | 5 |" in page
    assert "Other-v0" not in page
    assert "| 0, 1 | 2.00 | 3.00 (1.00 to 5.00) |" in page
    assert "| seeds with the best plan | | 1 of 2 |" in page


def test_systems_without_results_are_left_out_and_named(docs: Path) -> None:
    page, warnings = render(docs)
    assert "DQN" not in page.replace("Q-networks", "")
    assert "Nothing yet" not in page
    assert [re.findall(r"results/(\S+)", warning)[0] for warning in warnings] == [
        "CartPole-v1_dqn",
        "MountainCar-v0_dqn",
    ]


def test_new_results_appear(docs: Path) -> None:
    write(docs / "results" / "CartPole-v1_dqn" / "results.csv", [agent(0, 7.0)])
    page, warnings = render(docs)
    assert "**7.0**, IQM of 1 seed after 0 steps" in page
    assert len(warnings) == 1


def test_only_pictures_that_exist_are_shown(docs: Path) -> None:
    assert "CartPole-v1_ppo.gif" not in render(docs)[0]
    (docs / "images" / "tutorials").mkdir(parents=True)
    (docs / "images" / "tutorials" / "CartPole-v1_ppo.gif").touch()
    assert '<img src="images/tutorials/CartPole-v1_ppo.gif"' in render(docs)[0]


def test_every_heading_has_the_anchor_of_its_link(docs: Path) -> None:
    page, _ = render(docs)
    for anchor in re.findall(r"\]\(#([^)]*)\)", page):
        assert any(
            re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") == anchor for h in re.findall(r"### (.*)", page)
        )


def test_missing_measurements_are_an_error(docs: Path) -> None:
    (docs / "results" / "tutorial_baselines.csv").unlink()
    with pytest.raises(UserError, match=r"tutorial_baselines\.csv .*--measure"):
        render(docs)


@pytest.mark.parametrize(
    "text", ["- title: x\n", "- {title: x, text: y, systems: [{row: a}]}", "[", "- {mispelt: 1, systems: []}"]
)
def test_a_wrong_list_of_systems_is_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "systems.yml"
    path.write_text(text)
    with pytest.raises(UserError, match="no valid list of systems"):
        read_systems(path)


def test_damaged_results_are_an_error(tmp_path: Path) -> None:
    write(tmp_path / "results.csv", [{"kind": "agent", "mean_return": "1"}])
    with pytest.raises(UserError, match="no evaluated agents"):
        read_score(tmp_path)
    assert read_score(tmp_path / "nowhere") is None


def test_where_a_plan_is_known_scores_are_percent_of_it(tmp_path: Path) -> None:
    even = {**agent(0, 0.5, 99.0), "kind": "baseline", "policy": "even pacing", "training_seed": ""}
    write(tmp_path / "results.csv", [even, agent(0, 0.1, 50.0), agent(1, 0.2, 70.0)])
    score = read_score(tmp_path)
    assert score is not None
    assert score.percent and score.scores == (50.0, 70.0) and score.iqm == 60.0
    assert read_policies(tmp_path) == {"even pacing": 99.0}


def test_q_values_are_summarised_over_seeds() -> None:
    lines = q_lines("exact", "", [3, 2, 1]) + q_lines("a", 0, [9, 1, 0]) + q_lines("a", 1, [1, 9, 0])
    assert q_value_table(lines)["a"][0, 1] == (5.0, 1.0, 9.0)


def test_the_best_plan_takes_the_best_action_of_every_state() -> None:
    pairs = [(0, 0), (0, 1), (0, 2), (1, 0)]
    lines = q_lines("exact", "", [3, 2, 1, 0], pairs) + q_lines("b", 0, [3, 2, 1, 5], pairs)
    for seed, values in enumerate([[9, 0, 1, 0], [1, 2, 0, 0], [9, 0, 1, 0]]):
        lines += q_lines("a", seed, values, pairs)
    assert optimal_seeds(lines) == {"a": (2, 3), "b": (1, 1)}


def test_numbers_are_written_as_in_the_other_results() -> None:
    assert [number(-0.01), number(-128.96), number(99.636, True)] == ["0.0", "-129.0", "99.64"]
    assert [span([50_600, 50_400]), span([100_000, 100_000])] == ["50 000 to 51 000", "100 000"]


def test_the_repositorys_systems_are_rows_that_its_hyperparameters_cover() -> None:
    """Every command on the page runs: its file of hyperparameters has a block for its very environment."""
    from sb3_ext.zoo import default_hyperparams_file

    trainings = read_trainings(ROOT / "scripts" / "results.sh")
    for chapter in read_systems(ROOT / "docs" / "tutorial_systems.yml"):
        for system in chapter.systems:
            algo, env_id, flags = trainings[system.row]
            named = re.search(r"--conf-file (\S+)", flags)
            path = ROOT / named[1] if named else default_hyperparams_file(algo, env_id)
            assert env_id in yaml.safe_load(path.read_text()), system.row


@pytest.mark.parametrize("variant", ["reinforce_angle", "reinforce_penalty"])
def test_variants_of_reinforce_differ_in_reward_and_stopping_alone(variant: str) -> None:
    """The page says so; the tuned agent's figures are the comparison."""
    tuned, changed = (
        yaml.safe_load((ROOT / "hyperparams" / name).read_text())["CartPole-v1"]
        for name in ("reinforce.yml", f"tutorials/{variant}.yml")
    )
    assert changed.keys() - tuned.keys() == {"env_wrapper"}
    differ = {name for name in tuned if changed[name] != tuned[name]}
    assert differ == ({"callback"} if variant == "reinforce_penalty" else set())


def test_the_bonus_alone_differs_from_the_tutorials_q_learning() -> None:
    tuned, changed = (
        yaml.safe_load((ROOT / "hyperparams" / name).read_text())["ThreeStateMDP-v0"]
        for name in ("q_learning.yml", "tutorials/q_learning_bonus.yml")
    )
    assert {name for name in {*tuned, *changed} if tuned.get(name) != changed.get(name)} == {
        "exploration_initial_eps",
        "exploration_final_eps",
        "exploration_bonus",
    }


def test_the_rows_are_those_bash_sees() -> None:
    script = (ROOT / "scripts" / "results.sh").read_text()
    function = script[script.index("rows() {") : script.index("run_row() {")]
    seen = subprocess.run(["bash", "-c", f"{function}\nrows"], capture_output=True, text=True, check=True).stdout
    assert [line.split("|")[0] for line in seen.splitlines()] == list(read_trainings(ROOT / "scripts" / "results.sh"))
