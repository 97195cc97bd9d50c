import contextlib
import io
import re
import shutil
import sys
from pathlib import Path

import jinja2
import numpy as np
import pytest

import results_pages
from docs.coverage import DISTRIBUTIONS, SUITES
from docs.figures import Coverages, folder_page
from docs.formats import Span, fixed, spread
from docs.pages import environment, render
from docs.results import read_comparison
from sb3_ext.app.errors import UserError
from sb3_ext.evaluation.statistics import bootstrap_interval, iqm

ROOT = Path(__file__).resolve().parents[3]
RESULTS = ROOT / "docs" / "results"


def pages(*arguments: str) -> tuple[int, str]:
    """Exit code and output of scripts/results_pages.py."""
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as output:
        patch.setattr(sys, "argv", ["results_pages.py", *arguments])
        return results_pages.main(), output.getvalue()


def test_committed_pages_are_what_the_raw_results_say() -> None:
    assert pages("--check") == (0, "")


def test_a_changed_number_is_noticed_and_the_page_written_again(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("*.png", "*.gif"))
    (tmp_path / "scripts" / "docs").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "docs" / "rows.txt", tmp_path / "scripts" / "docs")
    raw = tmp_path / "docs" / "results" / "Pendulum-v1" / "results.csv"
    returns = [run.mean_return for run in read_comparison(raw.parent).runs]
    raw.write_text(raw.read_text().replace(repr(returns[3]), "-999.0"))
    folder = "docs/results/Pendulum-v1/results.md"
    code, stale = pages("--root", str(tmp_path), "--check")
    assert code == 1
    assert f"out of date: {folder}" in stale
    assert "out of date: docs/results.md" in stale
    assert "-999.000" not in (tmp_path / folder).read_text()
    assert pages("--root", str(tmp_path))[0] == 0
    assert "| ddpg_ext, run 4 | 3 | -999.000 |" in (tmp_path / folder).read_text()


def test_templates_are_filled_from_the_results() -> None:
    returns = [run.mean_return for run in read_comparison(RESULTS / "Pendulum-v1").runs]
    low, high = bootstrap_interval(returns)
    assert len(returns) == 10
    assert filled("{{ run | iqm(1) }}", "Pendulum-v1") == f"{iqm(returns):.1f} ({low:.1f} to {high:.1f})†"
    assert filled("{{ run.interval | fixed(2) }}", "Pendulum-v1") == f"{low:.2f} to {high:.2f}"
    assert filled("{{ run.worst | fixed(1) }}", "Pendulum-v1") == f"{min(returns):.1f}"


def test_placeholders() -> None:
    assert filled("{{ run.steps }}, {{ run.seeds }} seeds", "CartPole-v1_reinforce") == "47 000 to 151 000, 20 seeds"
    assert filled("{{ run.at_least(500) }}, {{ run.best | fixed(0) }}", "CartPole-v1_dueling_dqn") == "8 of 10, 500"
    ads = '{{ run.percent.policies["even pacing"] | fixed(2) }} {{ run.percent.iqm | fixed(2) }}'
    assert filled(ads, "AdSpend-v0") == "99.13 99.63"
    lead = filled("{{ run.percent.lead.name }} {{ run.percent.lead.gain | fixed(2) }}", "AdSpendShock-v0_ppo")
    assert lead == "certainty-equivalent MPC 0.63"
    assert filled("{{ run.percent.lead.loss | fixed(2) }}", "AdSpendUncertain-v0_ppo") == "2.01"
    interval = filled("{{ run.percent.lead.loss_interval | fixed(2) }}", "AdSpendUncertain-v0_ppo")
    low, high = map(float, interval.split(" to "))
    assert low < 2.01 < high


def test_how_often_intervals_hold_the_truth() -> None:
    coverage = Coverages(RESULTS / "interval_coverage.csv")
    assert coverage.distributions("suite iqm") == list(SUITES)
    assert coverage.distributions("iqm") == list(DISTRIBUTIONS)
    assert coverage("iqm", "expanded", "heavy tails (t, 3 degrees)", 5) == 92.6


@pytest.mark.parametrize(
    ("text", "folder", "message"),
    [
        ("{{ run.iqm }}", "nowhere", "nowhere"),
        ("{{ other.iqm }}", "Pendulum-v1", "other"),
        ("{{ run.best_ever }}", "Pendulum-v1", "best_ever"),
        ("{{ run.percent.iqm }}", "Pendulum-v1", "no best plan"),
        ('{{ run["nothing"].iqm }}', "MountainCar-v0_ablation", "nothing"),
        ("{% set %}", "Pendulum-v1", "TemplateSyntaxError"),
    ],
)
def test_templates_that_name_what_does_not_exist(text: str, folder: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        filled(text, folder)


def filled(text: str, folder: str) -> str:
    page = f'{{% set run = results("{folder}") %}}{text}'
    return render(environment(ROOT).overlay(loader=jinja2.DictLoader({"page": page})), "page")


def test_how_numbers_are_written() -> None:
    assert [fixed(number, 1) for number in (-0.01, -128.96, 12345.678)] == ["0.0", "-129.0", "12 345.7"]
    assert fixed(Span(-0.5, 1.25), 2, "+") == "-0.50 to +1.25"
    assert (spread([2.0]), spread([1.0, 3.0, 2.0])) == ("2.00", "2.00 (1.00 to 3.00)")


def test_pages_show_no_template() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        assert not re.search(r"<!-- ?(results|end of results)", page.read_text(encoding="utf-8")), page


def test_references_are_stored() -> None:
    stored = read_comparison(RESULTS / "AdSpendShock-v0_ppo")
    known = stored.references("AdSpendShock-v0")
    assert known.clairvoyant
    assert known.reward_scale == 100_000.0
    even = next(line for line in stored.baselines("AdSpendShock-v0") if line.name == "even pacing")
    assert known.score(even.mean_return) == pytest.approx(0.0, abs=1e-9)
    assert known.percent(known.optimal_value / 100_000.0) == pytest.approx(100.0)
    assert len(even.returns) == even.episodes == 1000
    assert np.mean(even.returns) == pytest.approx(even.mean_return, rel=1e-6)


@pytest.mark.parametrize("text", ["kind,policy\nagent,x\n", "setting,policy\na,x\n", ""])
def test_folders_without_results(tmp_path: Path, text: str) -> None:
    (tmp_path / "results.csv").write_text(text)
    with pytest.raises(UserError, match="no results of an evaluation"):
        folder_page(tmp_path)


def test_an_older_file_of_episodes_beside_a_single_one_is_not_read(tmp_path: Path) -> None:
    shutil.copy(RESULTS / "AdSpend-v0" / "results.csv", tmp_path)
    shutil.copy(RESULTS / "AdSpendShock-v0" / "episodes.csv", tmp_path)
    assert read_comparison(tmp_path).runs[0].name == "ddpg_ext, run 1"
    assert all(not score.returns for score in read_comparison(tmp_path).scores)
