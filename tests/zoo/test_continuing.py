"""``train -i``: an agent goes on with what was saved with it, or what is missing is told."""

import json
import pickle
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from folders import inside
from stable_baselines3 import DDPG

from sb3_ext.cli import main

ErrorLine = Callable[..., str]

BLOCK = """Pendulum-v1: {n_timesteps: 600, policy: MlpPolicy, learning_starts: 300, buffer_size: 1000, batch_size: 8,
  normalize: true, policy_kwargs: "dict(net_arch=[8])"}"""
TRAIN = ("train", "--algo", "ddpg", "--env", "Pendulum-v1", "--conf-file", "own.yml", "--seed", "5", "--verbose", "0")


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("logs")
    with inside(folder):
        Path("own.yml").write_text(BLOCK)
        saving = ("--save-freq", "200", "--save-replay-buffer", "--eval-freq", "300", "--eval-episodes", "1")
        assert main([*TRAIN, *saving]) == 0
    return folder / "logs" / "ddpg"


@pytest.fixture
def run(logs: Path, workdir: Path) -> Path:
    """A copy of the run, to damage."""
    (workdir / "own.yml").write_text(BLOCK)
    shutil.copytree(logs, workdir / "logs" / "ddpg")
    return workdir / "logs" / "ddpg" / "Pendulum-v1_1"


def more(run: Path, model: str, *flags: str) -> int:
    return main([*TRAIN, "--eval-freq", "-1", "-n", "200", "-i", str(run / model), *flags])


def data(model: Path, name: str) -> int:
    with zipfile.ZipFile(model) as archive:
        return int(json.loads(archive.read("data"))[name])


def test_of_a_step_goes_on_with_all_of_that_step(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "replay_buffer.pkl").unlink()
    (run / "Pendulum-v1" / "vecnormalize.pkl").write_bytes(b"of the end")
    assert more(run, "rl_model_400_steps.zip", "--save-replay-buffer") == 0
    assert "warning" not in capsys.readouterr().err
    again = run.with_name("Pendulum-v1_2")
    assert DDPG.load(again / "Pendulum-v1.zip").num_timesteps == 600
    before, after = (
        pickle.loads(path.read_bytes())
        for path in (run / "rl_model_replay_buffer_400_steps.pkl", again / "replay_buffer.pkl")
    )
    assert (before.pos, after.pos) == (399, 599)  # SB3 saves before it stores the last transition
    np.testing.assert_array_equal(before.observations[:399], after.observations[:399])
    counts = [
        pickle.loads(path.read_bytes()).obs_rms.count
        for path in (run / "rl_model_vecnormalize_400_steps.pkl", again / "Pendulum-v1" / "vecnormalize.pkl")
    ]
    assert counts[1] == pytest.approx(counts[0] + 201)
    # the same seed, but not the episodes of the first training again
    first = [(path / "0.monitor.csv").read_text().splitlines()[2].split(",")[0] for path in (run, again)]
    assert first[0] != first[1]
    assert data(again / "Pendulum-v1.zip", "_n_updates") == 200 + data(run / "rl_model_400_steps.zip", "_n_updates")


def test_without_a_replay_buffer_is_told(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "rl_model_replay_buffer_400_steps.pkl").unlink()
    assert more(run, "rl_model_400_steps.zip") == 0
    (warning,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning")]
    assert "rl_model_replay_buffer_400_steps.pkl" in warning
    assert more(run, "best_model.zip") == 0
    warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning")]
    assert len(warnings) == 2
    assert DDPG.load(run.with_name("Pendulum-v1_3") / "Pendulum-v1.zip").num_timesteps == 500


@pytest.mark.parametrize(
    ("damaged", "model", "text"),
    [
        ("rl_model_vecnormalize_400_steps.pkl", "rl_model_400_steps.zip", "normalization of .*400.* is missing"),
        ("Pendulum-v1/vecnormalize.pkl", "Pendulum-v1.zip", "normalization of .*Pendulum-v1.zip.* is missing"),
        ("cut Pendulum-v1/vecnormalize.pkl", "Pendulum-v1.zip", "cannot read the normalization .*may be cut off"),
        ("cut replay_buffer.pkl", "Pendulum-v1.zip", "cannot read the replay buffer .*may be cut off"),
        ("cut Pendulum-v1.zip", "Pendulum-v1.zip", "cannot read the agent .*Pendulum-v1.zip.*may be cut off"),
    ],
)
def test_what_is_missing_or_broken_is_told(
    damaged: str, model: str, text: str, run: Path, error_line: ErrorLine
) -> None:
    path = run / damaged.removeprefix("cut ")
    if damaged.startswith("cut "):
        path.write_bytes(path.read_bytes()[:-200])
    else:
        path.unlink()
    line = error_line(
        *TRAIN, "--eval-freq", "-1", "-n", "200", "-i", str(run / model), code=1 if "cut" in damaged else 2
    )
    assert re.search(text, line)
    assert not run.with_name("Pendulum-v1_2").exists()


def test_a_normalization_cut_off_is_told_by_those_who_play(run: Path, error_line: ErrorLine) -> None:
    path = run / "Pendulum-v1" / "vecnormalize.pkl"
    path.write_bytes(path.read_bytes()[:-200])
    agent = ("--algo", "ddpg", "--env", "Pendulum-v1", "-f", "logs")
    for safe in ("--safe", "--no-safe"):
        line = error_line("enjoy", *agent, "-n", "5", "--no-render", safe, code=1)
        assert re.search("cannot (read|load) .*vecnormalize.pkl", line)
