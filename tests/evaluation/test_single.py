import csv
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import yaml
from matplotlib.figure import Figure
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from sb3_ext import DDPG
from sb3_ext.cli import main
from sb3_ext.envs.ad_spend import AdSpendEnv, plan_optimal
from sb3_ext.envs.ad_spend.campaign.simulator import CampaignSimulator
from sb3_ext.evaluation import iqm

FIGURES = {"spend_plan.png", "learning_curve.png"}


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def evaluate(env_id: str, *arguments: str, algo: str = "ddpg_ext") -> list[dict[str, str]]:
    assert main(["evaluate", "--algo", algo, "--env", env_id, "--output", "out", *arguments]) == 0
    return read(Path("out", "results.csv"))


def test_without_matplotlib_all_but_pictures_is_written(
    logs: Path, workdir: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("charts", "figures", "plots"):
        monkeypatch.delitem(sys.modules, f"sb3_ext.{'common' if name == 'charts' else 'evaluation'}.{name}", False)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    evaluate("AdSpend-v0", "-f", str(logs), "-n", "1")
    assert "no pictures: pictures need matplotlib: pip install 'matplotlib>=" in capfd.readouterr().err
    assert {path.name for path in Path("out").iterdir()} >= {"results.md", "results.csv", "episodes.csv"}
    assert not list(Path("out").glob("*.png"))


def test_table_of_one_agent(logs: Path, workdir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    records = {row["setting"]: row for row in evaluate("AdSpend-v0", "-f", str(logs), "-n", "2")}
    agent = records["ddpg_ext"]
    assert (agent["run"], agent["training_seed"], agent["training_steps"]) == ("run 2", "8", "300")

    env = AdSpendEnv()
    model = DDPG.load(logs / "ddpg_ext" / "AdSpend-v0_2" / "AdSpend-v0.zip")
    observation, _ = env.reset()
    total, done = 0.0, False
    while not done:
        observation, reward, done, _, info = env.step(model.predict(observation, deterministic=True)[0])
        total += reward
    assert float(agent["mean_return"]) == pytest.approx(total, abs=1e-5)
    assert float(agent["value"]) == pytest.approx(info["campaign_value"], rel=1e-6)
    assert float(agent["budget_used"]) == pytest.approx(info["utilization"])
    assert float(agent["percent_of_optimum"]) == pytest.approx(100 * info["campaign_value"] / info["optimal_value"])
    assert float(agent["normalized_score"]) == pytest.approx(info["normalized_score"], rel=1e-4)

    even = CampaignSimulator(env.market, env.budget, env.periods).plan_value(np.full((28, 2), 100_000 / 56))
    assert float(records["even pacing"]["value"]) == pytest.approx(even, rel=1e-5)
    assert float(records["even pacing"]["normalized_score"]) == pytest.approx(0.0, abs=1e-4)
    assert float(records["open-loop optimum"]["percent_of_optimum"]) == pytest.approx(100.0, abs=1e-3)
    best = plan_optimal(env.market, env.budget, env.periods)
    for record in records.values():
        assert float(record["optimal_value"]) == pytest.approx(best.value)
        assert float(record["upper_bound"]) == pytest.approx(best.upper_bound)
        assert float(record["even_value"]) == pytest.approx(even, rel=1e-9)
        assert (float(record["reward_scale"]), record["clairvoyant"]) == (100_000.0, "False")
    assert {"random", "maximum spend", "historical proportions", "static optimum"} <= set(records)

    assert agent["command"].startswith("sb3-ext evaluate --algo ddpg_ext --env AdSpend-v0")
    assert agent["version_stable_baselines3"]
    shown = capfd.readouterr().out
    assert "certified optimum" in shown
    assert "ddpg_ext, run 2" in shown
    assert {path.name for path in Path("out").iterdir()} == {"results.csv", "results.md", "episodes.csv", *FIGURES}
    assert f"| {total:,.3f} |" in Path("out", "results.md").read_text(encoding="utf-8")


def test_scripts_get_one_document_and_no_table(logs: Path, workdir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    records = evaluate("AdSpend-v0", "-f", str(logs), "--exp-id", "all", "-n", "2", "-P", "--json")
    found = json.loads(capfd.readouterr().out)
    (line,) = found["summaries"]
    assert line["seeds"] == 2 and line["iqm_low"] <= line["iqm"] <= line["iqm_high"]
    assert [run["mean_return"] for run in found["runs"]] == [
        float(record["mean_return"]) for record in records if record["kind"] == "agent"
    ]
    assert {each["setting"] for each in found["baselines"]} > {"even pacing"}
    assert line["ceiling"] is None, "what is not known is null"
    assert "out/results.csv" in found["written"]


def test_several_runs(logs: Path, workdir: Path) -> None:
    records = evaluate("AdSpend-v0", "-f", str(logs), "-n", "1", "--exp-id", "all")
    assert [row["training_seed"] for row in records if row["kind"] == "agent"] == ["7", "8"]
    returns = [float(row["mean_return"]) for row in records if row["kind"] == "agent"]
    lines = Path("out", "results.md").read_text(encoding="utf-8").splitlines()
    cells = {name: rest.split(" | ") for name, _, rest in (line.strip("| ").partition(" | ") for line in lines)}
    assert cells["ddpg_ext, IQM of 2 runs"][1] == f"{iqm(returns):,.3f}"
    assert cells["ddpg_ext, worst run"][1] == f"{min(returns):,.3f}"
    # With two runs the resamples are either run twice or their mean, so the interval spans both.
    assert cells["95 % bootstrap interval of the IQM"][1] == f"{min(returns):,.3f} to {max(returns):,.3f}"
    assert FIGURES <= {path.name for path in Path("out").iterdir()}


def test_runs_by_number_and_best_models(logs: Path, workdir: Path, error_line: Callable[..., str]) -> None:
    assert evaluate("AdSpend-v0", "-f", str(logs), "-n", "1", "--exp-id", "1", "--load-best")[-1]["run"] == "run 1"
    assert "run 2" in error_line(
        "evaluate", "--algo", "ddpg_ext", "--env", "AdSpend-v0", "-f", str(logs), "--exp-id", "2", "--load-best", code=2
    )


def test_a_model_without_a_run(logs: Path, workdir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shutil.copy(logs / "ddpg_ext" / "AdSpend-v0_1" / "AdSpend-v0.zip", "mine.zip")
    records = evaluate("AdSpend-v0", "--model", "mine.zip", "-n", "1", "--env-kwargs", "budget:50000")
    assert [row["run"] for row in records if row["kind"] == "agent"] == ["mine.zip"]
    even = CampaignSimulator(AdSpendEnv().market, 50_000, 28).plan_value(np.full((28, 2), 50_000 / 56))
    assert float(records[2]["value"]) == pytest.approx(even, rel=1e-5)
    assert "no learning curve" in capfd.readouterr().err
    assert not Path("out", "learning_curve.png").exists()


def test_other_environments_normalized_and_on_paired_seeds(logs: Path, workdir: Path) -> None:
    records = evaluate("Pendulum-v1", "-f", str(logs), "-n", "2", "--seed", "50", algo="ppo")
    (record,) = records
    folder = logs / "ppo" / "Pendulum-v1_1"
    env = VecNormalize.load(
        str(folder / "Pendulum-v1" / "vecnormalize.pkl"), DummyVecEnv([lambda: gym.make(record["environment"])])
    )
    env.training = env.norm_reward = False
    model = PPO.load(folder / "Pendulum-v1.zip")
    returns = []
    for seed in (50, 51):
        env.seed(seed)
        observation, done, total = env.reset(), False, 0.0
        while not done:
            observation, reward, dones, _ = env.step(model.predict(observation, deterministic=True)[0])
            total, done = total + float(reward[0]), bool(dones[0])
        returns.append(total)
    assert float(record["mean_return"]) == pytest.approx(np.mean(returns), rel=1e-5)
    assert float(record["std_return"]) == pytest.approx(np.std(returns), rel=1e-4)
    assert float(record["worst_return"]) == pytest.approx(min(returns), rel=1e-5)
    assert record["value"] == record["percent_of_optimum"] == ""
    assert "learning_curve.png" in {path.name for path in Path("out").iterdir()}
    assert "spend_plan.png" not in {path.name for path in Path("out").iterdir()}


def test_an_id_with_a_namespace_is_normalized_too(logs: Path, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(gym.registry, "Swings/Pendulum-v1", replace(gym.spec("Pendulum-v1"), id="Swings/Pendulum-v1"))
    run = Path("logs", "ppo", "Swings-Pendulum-v1_1")
    shutil.copytree(logs / "ppo" / "Pendulum-v1_1", run)
    for saved in (run / "Pendulum-v1.zip", run / "Pendulum-v1"):
        saved.rename(saved.with_name(f"Swings-{saved.name}"))
    (plain,) = evaluate("Pendulum-v1", "-f", str(logs), "-n", "2", algo="ppo")
    (namespaced,) = evaluate("Swings/Pendulum-v1", "-f", "logs", "-n", "2", algo="ppo")
    assert namespaced["mean_return"] == plain["mean_return"]


def test_learning_curves_are_compared_only_with_the_problem_they_were_learned_on(
    logs: Path, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[dict[str, float]] = []

    def learning_curve(steps: object, returns: object, *, references: dict[str, float], **_: object) -> Figure:
        drawn.append(references)
        return Figure()

    monkeypatch.setattr("sb3_ext.evaluation.figures.learning_curve", learning_curve)
    evaluate("AdSpend-v0", "-f", str(logs), "-n", "1")
    evaluate("AdSpend-v0", "-f", str(logs), "-n", "1", "--env-kwargs", "budget:50000")
    assert drawn == [{"certified optimum": 100.0, "even pacing": pytest.approx(99.13, abs=0.01)}, {}]


def test_training_seeds_are_warned_about(logs: Path, workdir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ["evaluate", "--algo", "ddpg_ext", "--env", "AdSpend-v0", "-f", str(logs), "-n", "3", "--seed"]
    assert main([*arguments, "6"]) == 0
    assert "also an evaluation seed" in capfd.readouterr().err
    assert main([*arguments, "9"]) == 0
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["--algo", "ddpg_exd"], 2, "Did you mean 'ddpg_ext'?"),
        (["--env", "AdSpent-v0"], 2, "Did you mean 'AdSpend-v0'?"),
        (["-f", "nowhere"], 2, "train one first"),
        (["--exp-id", "5"], 2, r"there are the runs [1, 2]"),
        (["--exp-id", "first"], 2, "0 for the latest, or all"),
        (["-n", "0"], 2, "a number >= 1"),
        (["--seed", "-1"], 2, "give a number from 0"),
        (["--model", "missing.zip"], 2, "there is no file 'missing.zip'"),
        (["--model", "text.zip"], 1, "cannot load 'text.zip' as ddpg_ext"),
        (["--model", "a.zip", "--exp-id", "1"], 2, "leave out --exp-id"),
        (["--output", "text.zip"], 2, "is no folder that can be written to"),
        (["--env-kwargs", "budget:-1"], 1, "budget must be a finite number"),
        (["--env-kwargs", "budget:("], 2, "give NAME:VALUE in Python"),
        (["--env-kwargs", "obs_mode:'spend'"], 1, "give the --env-kwargs of its training"),
        (["--wrong-flag"], 2, "unrecognized arguments: --wrong-flag"),
    ],
)
def test_mistakes_are_one_line(
    logs: Path, workdir: Path, error_line: Callable[..., str], arguments: list[str], code: int, expected: str
) -> None:
    Path("text.zip").write_text("no model")
    defaults = {"--algo": "ddpg_ext", "--env": "AdSpend-v0", "-f": str(logs), "-n": "1"}
    given = [text for flag, value in defaults.items() if flag not in arguments for text in (flag, value)]
    before = set(workdir.iterdir())
    assert expected in error_line("evaluate", *given, *arguments, code=code)
    assert set(workdir.iterdir()) == before


def test_another_algorithms_model(logs: Path, workdir: Path, error_line: Callable[..., str]) -> None:
    model = str(logs / "ppo" / "Pendulum-v1_1" / "Pendulum-v1.zip")
    line = error_line("evaluate", "--algo", "ddpg_ext", "--env", "Pendulum-v1", "--model", model, code=1)
    assert "as ddpg_ext" in line


def test_runs_on_different_problems(logs: Path, workdir: Path, error_line: Callable[..., str]) -> None:
    shutil.copytree(logs, "logs")
    settings = Path("logs/ddpg_ext/AdSpend-v0_1/AdSpend-v0/config.yml")
    hyperparams = yaml.load(settings.read_text(), Loader=yaml.UnsafeLoader)
    settings.write_text(yaml.dump({**hyperparams, "env_kwargs": {"budget": 50_000}}))
    arguments = ["evaluate", "--algo", "ddpg_ext", "--env", "AdSpend-v0", "--exp-id", "all", "-n", "1"]
    assert "different problems" in error_line(*arguments, code=2)
    assert main([*arguments, "--env-kwargs", "budget:60000"]) == 0


def test_help_has_examples_and_a_warning(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--help"]) == 0
    text = capfd.readouterr().out
    assert "sb3-ext evaluate --algo ddpg_ext --env AdSpend-v0 -f logs --output results" in text
    assert "only for files you trust" in text


def test_damaged_settings(logs: Path, workdir: Path, error_line: Callable[..., str]) -> None:
    shutil.copytree(logs, "logs")
    Path("logs/ddpg_ext/AdSpend-v0_2/AdSpend-v0/config.yml").write_text("!!python/object/apply:int [[]]")
    assert "cannot read config.yml" in error_line("evaluate", "--algo", "ddpg_ext", "--env", "AdSpend-v0", code=1)
