"""What is measured stands on the page; the files of the repository fit together."""

import re
import shutil
from pathlib import Path

import pytest
import yaml
from tutorial_samples import ROOT, SYSTEMS, q_lines, write

from docs.pages import environment, render
from docs.results import read_comparison
from docs.tutorials.q_values import QValues
from docs.tutorials.systems import read_chapters
from sb3_ext.app.errors import UserError
from sb3_ext.evaluation.statistics import bootstrap_interval, iqm


def page(root: Path) -> str:
    return render(environment(root), "tutorial_systems.md.j2")


def test_results_stand_on_the_page(root: Path) -> None:
    runs = read_comparison(root / "docs" / "results" / "CartPole-v1_ppo").runs
    returns = [run.mean_return for run in runs]
    low, high = bootstrap_interval(returns)
    text = page(root)
    earned = f"{iqm(returns):.1f} ({low:.1f} to {high:.1f})†"
    assert f"| [PPO](#cartpole-ppo) | `CartPole-v1` | 100 000 | 5 | {earned} | {min(returns):.1f} |" in text
    assert f"**{earned}**, IQM of 5 seeds after 100 000 steps; worst seed {min(returns):.1f};\n100 evaluation" in text
    assert "sb3-ext train --algo ppo --env CartPole-v1 --seed 0 -P" in text
    assert "| random actions | `CartPole-v1` |" in text
    assert "`MountainCar-v0` |" not in text
    assert "| 0, 1 | 2.00 | 3.00 (1.00 to 5.00) |" in text
    assert "| seeds with the best plan | | 1 of 2 |" in text


def test_where_a_plan_is_known_figures_are_percent_of_it(root: Path) -> None:
    _, ads = read_chapters(root)
    assert ads.systems[0].percent and ads.systems[0].digits == 2
    assert ads.systems[0].figures.training_seeds == [7]
    assert 99.0 < ads.systems[0].figures.worst < 100.0
    assert "% of the optimum, IQM of 1 seed after 20 000 steps" in page(root)
    assert "| even pacing | 99.13 |" in page(root)


def test_only_pictures_that_exist_are_shown(root: Path) -> None:
    assert "CartPole-v1_ppo.gif" not in page(root)
    (folder := root / "docs" / "images" / "tutorials").mkdir(parents=True)
    (folder / "CartPole-v1_ppo.gif").touch()
    assert '<img src="images/tutorials/CartPole-v1_ppo.gif"' in page(root)


def test_every_heading_has_the_anchor_of_its_link(root: Path) -> None:
    text = page(root)
    headings = [re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in re.findall(r"### (.*)", text)]
    assert headings == re.findall(r"\]\(#([^)]*)\)", text)


@pytest.mark.parametrize("name", ["tutorial_baselines.csv", "three_state_mdp.csv", "CartPole-v1_ppo"])
def test_missing_measurements_are_an_error(root: Path, name: str) -> None:
    missing = root / "docs" / "results" / name
    shutil.rmtree(missing) if missing.is_dir() else missing.unlink()
    with pytest.raises(UserError, match=rf"^tutorial_systems\.md\.j2: .*{name}"):
        page(root)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- title: x\n", "no valid list of systems"),
        ("- {title: x, text: y, systems: [{title: a}]}", "no valid list of systems"),
        ("[", "no valid list of systems"),
        ("- {mispelt: 1, systems: []}", "no valid list of systems"),
        (SYSTEMS.replace("AdSpend-v0", "AdSpend-v9"), "has no row 'AdSpend-v9'"),
        (SYSTEMS.replace("AdSpend-v0", "MountainCar-v0_dqn"), "bash scripts/results.sh MountainCar-v0_dqn"),
    ],
)
def test_a_wrong_list_of_systems_is_an_error(root: Path, text: str, message: str) -> None:
    (root / "docs" / "templates" / "tutorial_systems.yml").write_text(text)
    with pytest.raises(UserError, match=message):
        read_chapters(root)


def test_q_values_are_summarised_over_seeds(tmp_path: Path) -> None:
    lines = q_lines("exact", "", [3, 2, 1]) + q_lines("a", 0, [9, 1, 0]) + q_lines("a", 1, [1, 9, 0])
    write(tmp_path / "q.csv", lines)
    found = QValues(tmp_path / "q.csv")
    assert found.exact == {(0, 0): 3.0, (0, 1): 2.0, (1, 0): 1.0}
    assert found.learned["a"][0, 1] == (5.0, (1.0, 9.0))


def test_the_best_plan_takes_the_best_action_of_every_state(tmp_path: Path) -> None:
    pairs = [(0, 0), (0, 1), (0, 2), (1, 0)]
    lines = q_lines("exact", "", [3, 2, 1, 0], pairs) + q_lines("b", 0, [3, 2, 1, 5], pairs)
    for seed, values in enumerate([[9, 0, 1, 0], [1, 2, 0, 0], [9, 0, 1, 0]]):
        lines += q_lines("a", seed, values, pairs)
    write(tmp_path / "q.csv", lines)
    assert QValues(tmp_path / "q.csv").best_plans == {"a": "2 of 3", "b": "1 of 1"}


def test_the_repositorys_systems_are_rows_that_its_hyperparameters_cover() -> None:
    """Every command on the page runs: its file of hyperparameters has a block for its very environment."""
    from sb3_ext.zoo import default_hyperparams_file

    for chapter in read_chapters(ROOT):
        for system in chapter.systems:
            row = system.training
            named = re.search(r"--conf-file (\S+)", row.flags)
            path = ROOT / named[1] if named else default_hyperparams_file(row.algo, row.env_id)
            assert row.env_id in yaml.safe_load(path.read_text()), system.row


@pytest.mark.parametrize("variant", ["reinforce_angle", "reinforce_penalty"])
def test_variants_of_reinforce_differ_in_reward_and_stopping_alone(variant: str) -> None:
    """The page says so; the tuned agent's figures are the comparison."""
    tuned, changed = (
        yaml.safe_load((ROOT / "hyperparams" / name).read_text())["CartPole-v1"]
        for name in ("reinforce.yml", f"tutorials/{variant}.yml")
    )
    assert changed.keys() == tuned.keys()
    differ = {name for name in tuned if changed[name] != tuned[name]} - {"env_wrapper"}
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
