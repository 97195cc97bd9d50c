import json
import re
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard

from sb3_ext import safe_load
from sb3_ext.cli import main

AGENT = ("--algo", "ppo", "--env", "CartPole-v1", "-f", "logs")
SMALL = ("-n", "64", "-params", "n_steps:32", "n_envs:1", "batch_size:32", "normalize:True")


@pytest.fixture
def trained(workdir: Path) -> Path:
    """A folder with a log folder of one short run, whose observations are normalized."""
    train = ["train", *AGENT, *SMALL, "--eval-freq", "32", "--eval-episodes", "1", "--seed", "5", "--verbose", "0"]
    assert main(train) == 0
    return workdir


def share(*arguments: str) -> Path:
    assert main(["share", *AGENT, "--output", "shared", "-n", "4", *arguments]) == 0
    return Path("shared")


def test_the_folder_is_one_that_the_zoo_reads(trained: Path) -> None:
    folder = share("--no-video")
    run = Path("logs", "ppo", "CartPole-v1_1")
    for copy, source in {
        "ppo-CartPole-v1.zip": "CartPole-v1.zip",
        "args.yml": "CartPole-v1/args.yml",
        "config.yml": "CartPole-v1/config.yml",
        "vec_normalize.pkl": "CartPole-v1/vecnormalize.pkl",
    }.items():
        assert (folder / copy).read_bytes() == (run / source).read_bytes()
    assert yaml.safe_load((folder / "env_kwargs.yml").read_text()) == {}
    with zipfile.ZipFile(folder / "train_eval_metrics.zip") as archive:
        assert set(archive.namelist()) == {"0.monitor.csv", "evaluations.npz"}
    assert safe_load(folder / "ppo-CartPole-v1.zip").num_timesteps == 64


def test_the_card_tells_what_was_measured(trained: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = share("--no-video")
    results = json.loads((folder / "results.json").read_text())
    assert results["n_eval_episodes"] == 4 and results["is_deterministic"]
    low, high = results["mean_reward_interval"]
    assert results["worst_reward"] <= low <= results["mean_reward"] <= high
    card = ModelCard.load(folder / "README.md")
    (metric,) = card.data.eval_results
    assert metric.dataset_type == "CartPole-v1" and metric.metric_type == "mean_reward"
    assert metric.metric_value == f"{results['mean_reward']:.2f} +/- {results['std_reward']:.2f}"
    assert "reinforcement-learning" in card.data.tags and card.data.library_name == "stable-baselines3"
    for said in ("with seed 5", "64 steps", "sb3-ext share --algo ppo", "torch 2.", "normalize: true", "n_steps: 32"):
        assert said in card.text
    assert "<video" not in card.text
    # the same episodes as those of an evaluation
    capfd.readouterr()
    assert main(["evaluate", *AGENT, "-n", "4", "--json"]) == 0
    (evaluated,) = json.loads(capfd.readouterr().out)["runs"]
    assert evaluated["mean_return"] == results["mean_reward"]


def test_a_video_is_there_where_it_can_be_made(
    trained: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("moviepy")
    pytest.importorskip("pygame")
    folder = share()
    assert b"ftyp" in (folder / "replay.mp4").read_bytes()[:16]
    assert "replay.mp4" in (folder / "README.md").read_text()
    monkeypatch.setitem(sys.modules, "moviepy", None)
    capfd.readouterr()
    share()
    assert "left out: the video: the video needs moviepy: pip install 'moviepy>=" in capfd.readouterr().out
    assert not (folder / "replay.mp4").exists(), "it would be of another agent"
    assert "replay.mp4" not in (folder / "README.md").read_text()


def test_what_a_run_holds_neither_stops_nor_spoils_the_card(trained: Path) -> None:
    settings = Path("logs", "ppo", "CartPole-v1_1", "CartPole-v1")
    (settings / "command.txt").write_text("sb3-ext train --storage postgresql://me:secret@host/db --study-name s")
    with (settings / "args.yml").open("a") as file:
        file.write("  - - storage\n    - postgresql://me:secret@host/db\n")
    with (settings / "config.yml").open("a") as file:
        file.write("  - - policy_kwargs\n    - activation_fn: !!python/name:torch.nn.modules.activation.ReLU ''\n")
        file.write('  - - note\n    - "one\\n```\\n<b>two"\n')
    folder = share("--no-video")
    card = (folder / "README.md").read_text()
    assert "--storage postgresql://me:***@host/db --study-name s" in card
    assert not [path for path in folder.iterdir() if b"secret" in path.read_bytes()]
    assert "torch.nn.modules.activation.ReLU" in card
    blocks = re.findall(r"^(`{3,})yaml$(.*?)^\1$", card, re.MULTILINE | re.DOTALL)
    assert [text.count("<b>two") for _, text in blocks] == [1] and card.count("<b>two") == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--upload", "somewhere"], "--upload is 'somewhere': give OWNER/NAME"),
        (["--upload", "me/agent"], "needs a token"),
        (["-n", "1"], "an interval needs 2 or more"),
        (["--exp-id", "7"], "no trained agent of ppo on CartPole-v1"),
    ],
)
def test_mistakes_are_told_before_anything_is_measured(
    arguments: list[str],
    expected: str,
    workdir: Path,
    error_line: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    assert expected in error_line("share", *AGENT, "--output", "shared", *arguments, code=2)
    assert not list(workdir.iterdir())
