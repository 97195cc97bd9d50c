import csv
import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from docs.results import read_comparison
from sb3_ext.app.errors import UserError
from sb3_ext.evaluation.references import References
from sb3_ext.evaluation.report import markdown
from sb3_ext.evaluation.scores import Comparison, Score, write_comparison

PLANS = References(reward_scale=10.0, even_value=0.0, optimal_value=200.0, upper_bound=200.0, clairvoyant=False)


def score(setting: str, returns: list[float], run: str = "", environment: str = "AdSpend-v0", **more: object) -> Score:
    known = {
        "references": PLANS,
        "kind": "agent" if run else "baseline",
        "command": "sb3-ext ...",
        "deterministic": True,
    }
    return Score(
        environment=environment,
        env_kwargs='{"periods": 4}',
        setting=setting,
        run=run,
        mean_return=float(np.mean(returns)),
        std_return=float(np.std(returns)),
        worst_return=min(returns),
        episodes=len(returns),
        first_evaluation_seed=5,
        returns=tuple(returns),
        **{**known, **more},  # type: ignore[arg-type]
    )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    trained = {"algo": "ppo", "training_seed": 3, "training_steps": 7, "training_seconds": 0.1 + 0.2}
    reached = {"steps_to_threshold": 5.0, "reached_threshold": False, "references": References(threshold=1 / 3)}
    scores = [
        score("even", [1.0, 2.0], budget_used=0.5),
        score("ppo", [1.0, 4.0], "run 1", **trained),
        score("x", [0.1, 0.25], "run 1", "CartPole-v1", deterministic=False, training_frames=4, **reached),
    ]
    written = Comparison(scores, {"sb3-ext": "0.1.0", "rl-zoo3": "2.9"})
    assert write_comparison(written, tmp_path) == [tmp_path / "results.csv", tmp_path / "episodes.csv"]
    found = read_comparison(tmp_path)
    assert found.versions == written.versions
    for read, known in zip(found.scores, scores, strict=True):
        assert repr(read) == repr(known)


def test_money_stands_beside_the_returns(tmp_path: Path) -> None:
    write_comparison(
        Comparison([score("ppo", [5.0], "run 1"), score("dqn", [5.0], "run 1", references=References())], {}), tmp_path
    )
    with (tmp_path / "results.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    money = ("value", "percent_of_optimum", "normalized_score", "optimal_value", "clairvoyant")
    assert [first[name] for name in money] == ["50.0", "25.0", "0.25", "200.0", "False"]
    assert all(second[name] == "" for name in money)


def test_the_gap_to_the_bound_is_shown_in_percent_of_the_clairvoyant() -> None:
    known = dataclasses.replace(PLANS, clairvoyant=True, policy_bound=180.0)
    gaps = {"references": known, "below_bound": 30.0, "below_bound_interval": 4.0}
    page = markdown(Comparison([score("even", [14.0], references=known), score("ppo", [15.0], "run 1", **gaps)], {}))
    assert "180 on average, 90.00 % of that" in page and "| 15.00 ± 2.00 |" in page
    assert "below bound" not in markdown(Comparison([score("ppo", [15.0], "run 1")], {}))


def test_scores_of_several_environments_keep_their_own_episodes(tmp_path: Path) -> None:
    scores = [score("ppo", returns, "run 1", name) for name, returns in (("A-v0", [1.0, 2.0]), ("B-v0", [3.0, 4.0]))]
    write_comparison(Comparison(scores, {}), tmp_path)
    assert [read.returns for read in read_comparison(tmp_path).scores] == [(1.0, 2.0), (3.0, 4.0)]


def test_episodes_of_another_evaluation_are_a_mistake(tmp_path: Path) -> None:
    write_comparison(Comparison([score("dqn", [1.0, 2.0], "run 1")], {}), tmp_path)
    (tmp_path / "episodes.csv").rename(tmp_path / "old.csv")
    write_comparison(Comparison([score("ppo", [1.0, 2.0], "run 1")], {}), tmp_path)
    (tmp_path / "old.csv").replace(tmp_path / "episodes.csv")
    with pytest.raises(UserError, match=r"no results of an evaluation \(KeyError: \('AdSpend-v0', 'ppo', 'run 1'\)\)"):
        read_comparison(tmp_path)


@pytest.mark.parametrize(
    ("scores", "single"),
    [
        ([score("even", [1.0]), score("ppo", [1.0], "run 1"), score("ppo", [2.0], "run 2")], True),
        ([score("ppo", [1.0], "run 1"), score("dqn", [1.0], "run 1")], False),
        ([score("ppo", [1.0], "run 1"), score("ppo", [1.0], "run 1", "AdSpendShock-v0")], False),
        ([score("ppo", [1.0], "run 1", references=dataclasses.replace(PLANS, threshold=1.0))], False),
    ],
)
def test_one_setting_without_yardsticks_is_single(scores: list[Score], single: bool) -> None:
    assert Comparison(scores, {}).is_single == single


def page_of(returns: list[list[float]], baseline: list[float], known: References = PLANS) -> str:
    baselines = [score("worse", [-9.0] * len(baseline), references=known), score("best", baseline, references=known)]
    runs = [score("ppo", run, f"run {index}", references=known) for index, run in enumerate(returns, 1)]
    return markdown(Comparison([*baselines, *runs], {}))


def test_lead_over_the_best_baseline() -> None:
    """A return of 1 is 10 money, 5 % of the optimum."""
    page = page_of([[2.0, 4.0], [2.0, 4.0]], [1.0, 3.0])
    assert "Lead of ppo over the best baseline, best: +5.00 % of the certified optimum" in page
    assert "95 % interval +5.00 to +5.00" in page
    assert "best: -5.00 %" in page_of([[0.0, 2.0], [0.0, 2.0]], [1.0, 3.0])
    assert "best: +1.00, 95 %" in page_of([[2.0, 4.0], [2.0, 4.0]], [1.0, 3.0], References())
    assert "Lead" not in page_of([[2.0, 4.0]], [1.0, 3.0])
    assert "Lead" not in page_of([[2.0], [4.0]], [1.0])


def test_page_of_a_single_setting() -> None:
    lines = page_of([[2.0, 4.0], [4.0, 6.0]], [1.0, 3.0]).splitlines()
    assert lines[0] == "# ppo on AdSpend-v0"
    assert lines[2] == "2 episodes with the seeds 5 to 6, deterministic actions."
    table = [line[2:-2].split(" | ") for line in lines if line.startswith("| ")]
    assert [row[0] for row in table[2:]] == [
        "worse",
        "best",
        "ppo, run 1",
        "ppo, run 2",
        "ppo, IQM of 2 runs",
        "95 % bootstrap interval of the IQM",
        "ppo, worst run",
        "certified optimum",
    ]
    assert table[6][2:] == ["4.000", "", "40", "20.00", "0.200", ""]
    assert table[9][2:] == ["20.000", "", "200", "100.00", "1.000", ""]


def test_only_what_is_known_is_shown() -> None:
    page = markdown(Comparison([score("ppo", [2.0], "run 1", references=References())], {}))
    assert "| policy | training seed | mean return | std |" in page
    assert math.isnan(References().value(2.0)) and "nan" not in page
