"""The main job on real input: a fitted media-mix model becomes a market, and an agent learns to spend on it."""

import csv
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.noise import NormalActionNoise

from sb3_ext import DDPG
from sb3_ext.cli import main
from sb3_ext.envs.ad_spend import AdSpendEnv, Market, baselines, plan_optimal

ROBYN = Path(__file__).resolve().parents[2] / "shared/data/robyn_model_3_165_9.json"
needs_robyn = pytest.mark.skipif(not ROBYN.is_file(), reason=f"no Robyn export at {ROBYN}")


@needs_robyn
def test_ddpg_trains_on_a_robyn_model(tmp_path: Path) -> None:
    market = Market.from_robyn(ROBYN)
    env = Monitor(AdSpendEnv(market, periods=26), info_keywords=("campaign_value", "utilization"))
    noise = NormalActionNoise(np.zeros(5), 0.1 * np.ones(5))
    policy_kwargs = {"net_arch": [32, 32], "initial_action": -0.75}
    model = DDPG("MlpPolicy", env, action_noise=noise, gamma=1.0, policy_kwargs=policy_kwargs, seed=0, device="cpu")
    model.learn(520)
    assert all(info["utilization"] <= 1.0 + 1e-9 for info in model.ep_info_buffer)

    campaign = env.unwrapped
    plan = plan_optimal(market, campaign.budget, campaign.periods)
    values = {
        name: evaluate_policy(policy, env, n_eval_episodes=1)[0] * campaign.reward_scale
        for name, policy in {"agent": model, **baselines.all_baselines(env, seed=0)}.items()
    }
    assert max(values.values()) <= plan.upper_bound
    assert values["open-loop optimum"] == pytest.approx(plan.value, rel=1e-4)
    assert values["agent"] > 0.0

    model.save(tmp_path / "model")
    loaded = DDPG.load(tmp_path / "model", env=env)
    assert evaluate_policy(loaded, env, n_eval_episodes=1)[0] * campaign.reward_scale == pytest.approx(values["agent"])


@needs_robyn
def test_a_market_file_goes_through_the_zoo(tmp_path: Path) -> None:
    market_file, logs, results = tmp_path / "market.json", tmp_path / "logs", tmp_path / "results"
    Market.from_robyn(ROBYN).save(market_file)
    run = ["--algo", "ddpg_ext", "--env", "AdSpend-v0", "-f", str(logs)]
    market = ["--env-kwargs", f"market:'{market_file}'", "periods:26"]
    assert main(["train", *run, *market, "-n", "300", "--seed", "1", "--eval-freq", "-1", "--verbose", "0"]) == 0
    assert main(["evaluate", *run, "-n", "1", "--output", str(results)]) == 0
    table = (results / "results.md").read_text()
    assert "certified optimum" in table and "open-loop optimum" in table


@pytest.mark.slow
def test_ddpg_learns_to_spend_better_than_even_pacing(tmp_path: Path) -> None:
    """Even pacing earns 99.1 % of the optimum."""
    run = ["--algo", "ddpg_ext", "--env", "AdSpend-v0", "-f", str(tmp_path / "logs")]
    assert main(["train", *run, "--seed", "1", "--eval-freq", "2000", "--eval-episodes", "1", "--verbose", "0"]) == 0
    env = Monitor(AdSpendEnv("static"))
    model = DDPG.load(tmp_path / "logs/ddpg_ext/AdSpend-v0_1/best_model.zip")
    even, _ = evaluate_policy(baselines.even_pacing(env), env, n_eval_episodes=1)
    assert evaluate_policy(model, env, n_eval_episodes=1)[0] > even


@pytest.mark.slow
def test_the_agent_of_the_quickstart_beats_replanning_every_day(tmp_path: Path) -> None:
    script = (Path(__file__).resolve().parents[1] / "scripts/quickstart.sh").read_text(encoding="utf-8")
    script = script.replace("\\\n", " ").replace("$output", str(tmp_path)).replace("--progress", "")
    for name, arguments in re.findall(r"^python scripts/(\w+)\.py (.*)$", script, re.MULTILINE):
        assert main([name, *shlex.split(arguments)]) == 0
    lines = (tmp_path / "results/results.csv").read_text(encoding="utf-8").splitlines()
    value = {row["setting"]: float(row["value"]) for row in csv.DictReader(lines)}
    assert value["ppo"] > value["certainty-equivalent MPC"] > value["open-loop optimum"]
