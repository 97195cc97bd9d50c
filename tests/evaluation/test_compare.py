import csv
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from docs.figures import figures, folder_page
from sb3_ext.app.errors import UserError
from sb3_ext.cli import main
from sb3_ext.evaluation import improvement_interval, iqm, probability_of_improvement
from sb3_ext.evaluation.report import number_format

HYPERPARAMS = """
CartPole-v1: &tiny
  n_timesteps: 400
  policy: MlpPolicy
  n_steps: 64
Acrobot-v1: *tiny
"""
FIGURES = {"scores.png", "performance_profile.png", "learning_curve.png", "learning_curve_seconds.png"}
TABLES = {"results.md", "results.csv", "episodes.csv", "summary.csv", "improvement.csv", "results.json"}


@pytest.fixture(scope="module", name="trained")
def _trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Log folders: two seeds of PPO on two environments, evaluated while training, and two of A2C on one of them."""
    folder = tmp_path_factory.mktemp("compared")
    (folder / "tiny.yml").write_text(HYPERPARAMS)

    def train(algo: str, env_id: str, seed: int) -> None:
        arguments = ["train", "--algo", algo, "--env", env_id, "--seed", str(seed), "-f", str(folder / algo)]
        options = ["--conf-file", str(folder / "tiny.yml"), "--verbose", "0", "--eval-freq", "100"]
        assert main([*arguments, *options, "--eval-episodes", "2"]) == 0

    for seed in (3, 4):
        train("ppo", "CartPole-v1", seed)
        train("ppo", "Acrobot-v1", seed)
        train("a2c", "CartPole-v1", seed)
    return folder


def read(name: str) -> list[dict[str, str]]:
    with Path("out", name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def compare(*arguments: str) -> list[dict[str, str]]:
    assert main(["evaluate", "--output", "out", *arguments]) == 0
    return read("results.csv")


def test_two_algorithms(trained: Path, workdir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    groups = ["--group", f"clipped={trained}/ppo", f"plain={trained}/a2c"]
    arguments = ["--algo", "ppo", "a2c", "--env", "CartPole-v1", *groups, "-n", "3", "--threshold", "20"]
    runs = compare(*arguments)
    assert {path.name for path in Path("out").iterdir()} == FIGURES | TABLES
    assert [(run["setting"], run["algo"], run["training_seed"]) for run in runs] == [
        ("clipped", "ppo", "3"),
        ("clipped", "ppo", "4"),
        ("plain", "a2c", "3"),
        ("plain", "a2c", "4"),
    ]
    # Every return is kept, and all else follows from them.
    episodes = read("episodes.csv")
    returns = {
        (run["setting"], run["training_seed"]): [
            float(line["return"])
            for line in episodes
            if (line["setting"], line["training_seed"]) == (run["setting"], run["training_seed"])
        ]
        for run in runs
    }
    for run in runs:
        played = returns[run["setting"], run["training_seed"]]
        assert len(played) == 3
        assert float(run["mean_return"]) == pytest.approx(np.mean(played))
        assert float(run["episodes_at_threshold"]) == pytest.approx(np.mean(np.array(played) >= 20))
        log = np.load(Path(run["model"]).parent / "evaluations.npz")
        at = log["timesteps"][log["results"].mean(axis=1) >= 20]
        assert run["reached_threshold"] == str(len(at) > 0)
        assert float(run["steps_to_threshold"]) == (at[0] if len(at) else log["timesteps"][-1])
        assert 0.0 < float(run["training_seconds"]) < 600.0
        assert run["training_frames"] == ""
    means = {name: [np.mean(returns[name, seed]) for seed in ("3", "4")] for name in ("clipped", "plain")}
    for line in read("summary.csv"):
        scores = means[line["setting"]]
        assert float(line["iqm"]) == pytest.approx(iqm(scores))
        assert (float(line["iqm_low"]), float(line["iqm_high"])) == pytest.approx((min(scores), max(scores)))
        assert float(line["worst"]) == pytest.approx(min(scores))
        assert line["solved"] == str(sum(score >= 20 for score in scores))
        assert float(line["gap_to_ceiling"]) == pytest.approx(500.0 - iqm(scores))
    (forward, backward) = read("improvement.csv")
    assert (forward["setting"], forward["other"]) == ("clipped", "plain")
    expected = probability_of_improvement([means["clipped"]], [means["plain"]])
    assert float(forward["probability"]) == pytest.approx(expected)
    assert float(backward["probability"]) == pytest.approx(1.0 - expected)
    interval = improvement_interval([means["clipped"]], [means["plain"]])
    assert (float(forward["low"]), float(forward["high"])) == pytest.approx(interval)

    shown = capfd.readouterr().out
    assert "P(beats clipped)" in shown
    assert "seeds >= 20" in shown
    page = Path("out/results.md").read_text()
    shown_means = " | ".join(
        number_format([*means["clipped"], *means["plain"]]).format(mean) for mean in means["plain"]
    )
    assert f"| plain | {shown_means} |" in page
    assert page == folder_page(Path("out"))
    document = json.loads(Path("out/results.json").read_text())
    assert document["command"].startswith("sb3-ext evaluate --output out --algo ppo a2c")
    assert [line["setting"] for line in document["summaries"]] == ["clipped", "plain"]
    assert figures(Path("out"))["plain"].iqm == pytest.approx(iqm(means["plain"]))


def test_several_environments_on_one_scale(trained: Path, workdir: Path) -> None:
    arguments = ["--algo", "ppo", "--env", "CartPole-v1", "Acrobot-v1", "-f", f"{trained}/ppo", "-n", "2"]
    runs = compare(*arguments, "--normalize", "--ceiling", "Acrobot-v1=-60")
    assert {(run["environment"], run["ceiling"], run["threshold"]) for run in runs} == {
        ("CartPole-v1", "500.0", "475.0"),
        ("Acrobot-v1", "-60.0", "-100.0"),
    }
    scores = [
        (float(run["mean_return"]) - float(run["random_return"]))
        / (float(run["ceiling"]) - float(run["random_return"]))
        for run in runs
    ]
    overall = {line["statistic"]: line for line in json.loads(Path("out/results.json").read_text())["aggregates"]}
    assert overall["IQM"]["value"] == pytest.approx(iqm(scores))
    assert overall["mean"]["value"] == pytest.approx(np.mean(scores))
    assert overall["optimality gap"]["value"] == pytest.approx(1.0 - np.mean(np.minimum(scores, 1.0)))
    assert overall["IQM"]["low"] <= overall["IQM"]["value"] <= overall["IQM"]["high"]
    page = Path("out/results.md").read_text()
    assert "## Normalized scores over 2 environments" in page
    assert page == folder_page(Path("out"))


def test_processes_change_nothing_but_the_time(trained: Path, workdir: Path) -> None:
    arguments = ["--algo", "ppo", "--env", "CartPole-v1", "--group", f"a={trained}/ppo", "-n", "2", "--stochastic"]
    one, two = compare(*arguments), compare(*arguments, "--n-jobs", "2")
    for first, second in zip(one, two, strict=True):
        assert {key for key in first if first[key] != second[key]} <= {"evaluation_seconds", "command"}


def test_saved_models_and_folders_of_one_group_count_together(trained: Path, workdir: Path) -> None:
    for seed in (1, 2):
        shutil.copy(trained / "ppo" / "ppo" / f"CartPole-v1_{seed}" / "CartPole-v1.zip", f"{seed}.zip")
    groups = ["zips=1.zip", "zips=2.zip", f"mixed={trained}/ppo", f"mixed={trained}/a2c"]
    runs = compare("--algo", "ppo", "--env", "CartPole-v1", "--group", *groups, "-n", "1")
    assert [(run["setting"], run["run"]) for run in runs] == [
        ("zips", "1.zip"),
        ("zips", "2.zip"),
        ("mixed", f"{trained}/ppo: run 1"),
        ("mixed", f"{trained}/ppo: run 2"),
    ]
    returns = [run["mean_return"] for run in runs]
    assert returns[:2] == returns[2:]


def test_pattern_of_a_group(trained: Path, workdir: Path) -> None:
    for seed, name in [(1, "a1.zip"), (2, "a2.zip"), (1, "b[12].zip")]:
        shutil.copy(trained / "ppo" / "ppo" / f"CartPole-v1_{seed}" / "CartPole-v1.zip", name)
    # a pattern is filled in, unless there is a file of that name
    groups = ["a=a[12].zip", "b=b[12].zip"]
    runs = compare("--algo", "ppo", "--env", "CartPole-v1", "--group", *groups, "-n", "1")
    assert [(run["setting"], run["run"]) for run in runs] == [("a", "a1.zip"), ("a", "a2.zip"), ("b", "b[12].zip")]


def test_a_run_named_twice_counts_once(trained: Path, workdir: Path) -> None:
    folder = f"{trained}/ppo"
    runs = compare(
        "--algo", "ppo", "a2c", "--env", "CartPole-v1", "-f", folder, f"{folder}/", f"{trained}/a2c", "-n", "1"
    )
    assert [run["training_seed"] for run in runs if run["setting"] == "ppo"] == ["3", "4"]


def test_several_log_folders_are_one_setting(trained: Path, workdir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(trained / "ppo", "again")
    runs = compare(
        "--algo", "ppo", "--env", "CartPole-v1", "-f", f"{trained}/ppo", "again", "--exp-id", "all", "-n", "1"
    )
    assert [run["training_seed"] for run in runs if run["kind"] == "agent"] == ["3", "4", "3", "4"]
    assert "share training seeds" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["--group", "a=nowhere"], 2, "there is no folder or .zip file 'nowhere'"),
        (["--group", "a=nowhere/*"], 2, "there is no folder or .zip file 'nowhere/*'"),
        (["--group", "LOGS/ppo"], 2, "give NAME=FOLDER"),
        (["--group", "a=LOGS/ppo", "b=LOGS/ppo/"], 2, "is given twice"),
        (["--group", "a=LOGS/ppo", "b=empty"], 2, "no trained agent of ppo"),
        (["--group", "a=LOGS/ppo", "-f", "LOGS/ppo"], 2, "give one of them"),
        (["--group", "a=LOGS/ppo", "--model", "x.zip"], 2, "--group NAME=ZIP"),
        (["--algo", "ppo", "a2d", "-f", "LOGS/ppo"], 2, "Did you mean 'a2c'?"),
        (["--algo", "ppo", "a2c", "-f", "LOGS/ppo"], 2, "no trained agent of a2c"),
        (["--algo", "ppo", "dqn", "--group", "a=LOGS/a2c"], 2, "holds no runs of ppo, dqn"),
        (["--env", "CartPole-v1", "CartPool-v1", "-f", "LOGS/ppo"], 2, "Did you mean 'CartPole-v1'?"),
        (["--env", "CartPole-v1", "MountainCar-v0", "-f", "LOGS/ppo"], 2, "no trained agent of ppo on MountainCar-v0"),
        (["--threshold", "high", "-f", "LOGS/ppo"], 2, "--threshold is 'high': give a number"),
        (["--threshold", "nan", "-f", "LOGS/ppo"], 2, "--threshold is 'nan': give a number"),
        (["--ceiling", "Acrobot-v1=3", "-f", "LOGS/ppo"], 2, "not among those of --env"),
        (["--env", "CartPole-v1", "Acrobot-v1", "--threshold", "3", "-f", "LOGS/ppo"], 2, "give ENV=NUMBER"),
        (["--env", "Acrobot-v1", "--normalize", "-f", "LOGS/ppo"], 2, "give --ceiling Acrobot-v1=NUMBER"),
        (["--normalize", "--ceiling", "1", "-f", "LOGS/ppo"], 2, "random actions earn"),
        (["--n-jobs", "0", "-f", "LOGS/ppo"], 2, "--n-jobs is 0"),
    ],
)
def test_mistakes_are_one_line(
    trained: Path, workdir: Path, error_line: Callable[..., str], arguments: list[str], code: int, expected: str
) -> None:
    Path("empty").mkdir()
    defaults = {"--algo": "ppo", "--env": "CartPole-v1", "-n": "1"}
    given = [text for flag, value in defaults.items() if flag not in arguments for text in (flag, value)]
    given += [text.replace("LOGS", str(trained)) for text in arguments]
    assert expected in error_line("evaluate", *given, code=code)


def test_errors_of_other_processes_keep_their_exit_code() -> None:
    error = pickle.loads(pickle.dumps(UserError("no model", exit_code=1)))
    assert (str(error), error.exit_code) == ("no model", 1)
