"""The headline figures of README.md and of the site's first page are those of the raw results."""

import re
from pathlib import Path

import pytest

from docs.figures import Figures, figures

ROOT = Path(__file__).resolve().parent.parent
TABLE = {
    line.split(" | ")[0].removeprefix("| "): line
    for line in (ROOT / "docs" / "index.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ")
}
PERCENT = [
    ("DDPG on `AdSpend-v0`", "AdSpend-v0", ["even pacing"]),
    ("DDPG on `AdSpendAdstock-v0`", "AdSpendAdstock-v0", ["even pacing", "static optimum"]),
    ("DDPG on `AdSpendProfit-v0`", "AdSpendProfit-v0", ["even pacing", "static optimum"]),
    (
        "PPO on `AdSpendShock-v0`, random prices",
        "AdSpendShock-v0_ppo",
        ["certainty-equivalent MPC", "open-loop optimum"],
    ),
    (
        "PPO on `AdSpendUncertain-v0`, unknown curves",
        "AdSpendUncertain-v0_ppo",
        ["Thompson sampling", "static optimum"],
    ),
    ("the tutorial's DDPG on `AdSpendTutorial-v0`", "AdSpendTutorial-v0", ["even pacing"]),
]


def measured(folder: str) -> Figures:
    found = figures(ROOT / "docs" / "results" / folder)
    assert isinstance(found, Figures)
    return found


def decimals(row: str) -> list[str]:
    return re.findall(r"-?\d+\.\d+", row)


@pytest.mark.parametrize(("row", "folder", "beside"), PERCENT)
def test_percent_of_the_optimum(row: str, folder: str, beside: list[str]) -> None:
    found = measured(folder).percent
    stuck = [found.worst] if "stuck" in TABLE[row] else []
    figures = [found.iqm, *found.interval, *stuck, *(found.policies[name] for name in beside)]
    assert decimals(TABLE[row]) == [f"{figure:.2f}" for figure in figures]


def test_pendulum_beside_the_ddpg_of_sb3() -> None:
    ours, theirs = measured("Pendulum-v1"), measured("Pendulum-v1_sb3")
    figures = [ours.iqm, *ours.interval, theirs.iqm, *theirs.interval]
    assert decimals(TABLE["DDPG on `Pendulum-v1`"]) == [f"{figure:.1f}" for figure in figures]


def test_steps_and_seeds() -> None:
    rows = [*((row, folder) for row, folder, _ in PERCENT), ("DDPG on `Pendulum-v1`", "Pendulum-v1")]
    for row, folder in rows:
        shown, trained = (int(steps.replace(" ", "")) for steps in (TABLE[row].split(" | ")[1], measured(folder).steps))
        assert shown == pytest.approx(trained, rel=0.01)
        assert measured(folder).seeds == 10


def test_readme_leads_with_the_agent_that_beats_replanning() -> None:
    found = measured("AdSpendShock-v0_ppo").percent
    figures = [found.iqm, *found.interval, found.policies["certainty-equivalent MPC"]]
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert decimals(text)[:5] == [f"{figure:.2f}" for figure in [*figures, found.policies["open-loop optimum"]]]
    assert len(text.splitlines()) <= 60
