import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from docs.figures import folder_page
from docs.pages import fill
from sb3_ext.app.errors import UserError
from sb3_ext.evaluation.results import read_results
from sb3_ext.evaluation.statistics import bootstrap_interval, iqm

ROOT = Path(__file__).resolve().parents[3]
RESULTS = ROOT / "docs" / "results"
SCRIPT = ROOT / "scripts" / "results_pages.py"


def results_pages(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False)


def test_committed_pages_are_what_the_raw_results_say() -> None:
    done = results_pages("--check")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_a_changed_number_is_noticed_and_the_page_written_again(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("*.png", "*.gif"))
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "results.sh", tmp_path / "scripts")
    shutil.copy(ROOT / "README.md", tmp_path)
    raw = tmp_path / "docs" / "results" / "Pendulum-v1" / "results.csv"
    returns = read_results(raw.parent).agent_returns
    raw.write_text(raw.read_text().replace(repr(returns[3]), "-999.0"))
    folder = "docs/results/Pendulum-v1/results.md"
    stale = results_pages("--root", str(tmp_path), "--check")
    assert stale.returncode == 1
    assert f"out of date: {folder}" in stale.stdout
    assert "out of date: README.md" in stale.stdout
    assert "-999.000" not in (tmp_path / folder).read_text()
    assert results_pages("--root", str(tmp_path)).returncode == 0
    assert "| ddpg_ext, run 4 | 3 | -999.000 |" in (tmp_path / folder).read_text()


def test_templates_are_filled_from_the_results() -> None:
    page = "before\n<!-- results run=Pendulum-v1\n| {run.iqm:.1f} | {run.interval:.2f} | {run.worst:.1f} |\n-->\nold\n"
    returns = read_results(RESULTS / "Pendulum-v1").agent_returns
    low, high = bootstrap_interval(returns)
    assert len(returns) == 10
    expected = f"| {iqm(returns):.1f} | {low:.2f} to {high:.2f} | {min(returns):.1f} |\n"
    filled = fill(page + "<!-- end of results -->\nafter\n", RESULTS)
    assert filled == page.replace("old\n", expected) + "<!-- end of results -->\nafter\n"
    assert fill(filled, RESULTS) == filled


def test_placeholders() -> None:
    def shown(text: str, row: str) -> str:
        return fill(f"<!-- results run={row}\n{text}\n-->\n<!-- end of results -->", RESULTS).splitlines()[3]

    assert shown("{run.steps}, {run.seeds} seeds", "CartPole-v1_reinforce") == "53 000 to 130 000, 10 seeds"
    assert shown("{run.at_least[500]}, {run.best:.0f}", "CartPole-v1_dueling_dqn") == "8 of 10, 500"
    assert shown("{run.percent.policies[even pacing]:.2f} {run.percent.iqm:.2f}", "AdSpend-v0") == "99.13 99.63"
    lead = shown("{run.percent.lead.name} {run.percent.lead.gain:.2f}", "AdSpendShock-v0_ppo")
    assert lead == "certainty-equivalent MPC 0.63"
    assert shown("{run.percent.lead.loss:.2f}", "AdSpendUncertain-v0_ppo") == "2.01"
    low, high = map(float, shown("{run.percent.lead.loss_interval:.2f}", "AdSpendUncertain-v0_ppo").split(" to "))
    assert low < 2.01 < high


@pytest.mark.parametrize(
    ("names", "text", "message"),
    [
        ("run=nowhere", "{run.iqm}", "nowhere"),
        ("run", "{run.iqm}", "ValueError"),
        ("run=Pendulum-v1", "{other.iqm}", "other"),
        ("run=Pendulum-v1", "{run.best_ever}", "best_ever"),
        ("run=Pendulum-v1", "{run.percent.iqm}", "no best plan"),
    ],
)
def test_templates_that_name_what_does_not_exist(names: str, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        fill(f"<!-- results {names}\n{text}\n-->\n<!-- end of results -->", RESULTS)


def test_references_are_recovered_from_the_scores() -> None:
    stored = read_results(RESULTS / "AdSpendShock-v0_ppo")
    assert stored.references is not None
    assert stored.references.clairvoyant
    assert stored.references.reward_scale == pytest.approx(100_000.0)
    even = next(line for line in stored.baselines if line.name == "even pacing")
    assert stored.references.normalized_score(even.mean_return) == pytest.approx(0.0, abs=1e-9)
    assert stored.references.percent(stored.references.optimum / 100_000.0) == pytest.approx(100.0)
    assert len(even.returns) == len(stored.seeds) == 1000
    assert np.mean(even.returns) == pytest.approx(even.mean_return, rel=1e-6)


def test_folders_without_results(tmp_path: Path) -> None:
    (tmp_path / "results.csv").write_text("kind,policy\nagent,x\n")
    with pytest.raises(UserError, match="no results of an evaluation"):
        folder_page(tmp_path)
    (tmp_path / "results.csv").write_text("setting,policy\na,x\n")
    with pytest.raises(UserError, match="no results of a comparison"):
        folder_page(tmp_path)


def test_an_older_file_of_episodes_beside_a_single_one_is_not_read(tmp_path: Path) -> None:
    shutil.copy(RESULTS / "AdSpend-v0" / "results.csv", tmp_path)
    (tmp_path / "episodes.csv").write_text('episode_seed,"ddpg_ext, run 1"\n10000,-1.0\n10001,-2.0\n')
    assert read_results(tmp_path).agents[0].name == "ddpg_ext, run 1"
    assert all(not line.returns for line in read_results(tmp_path).agents)
