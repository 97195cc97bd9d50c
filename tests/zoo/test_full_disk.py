"""On a full disk a command ends in one line, and what stood in a file stands there still."""

import contextlib
import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import optuna
import pytest
from stable_baselines3 import PPO

from sb3_ext.cli import main
from sb3_ext.zoo.storage import open_storage

ErrorLine = Callable[..., str]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")

TRAIN = (
    "train",
    "--algo",
    "ppo",
    "--env",
    "CartPole-v1",
    "--eval-freq",
    "-1",
    "--verbose",
    "0",
    "--conf-file",
    "own.yml",
)
SMALL = "CartPole-v1: {n_timesteps: 64, policy: MlpPolicy, n_steps: 32, n_epochs: 1, normalize: true}"


@contextlib.contextmanager
def files_of_at_most(n_bytes: int) -> Iterator[None]:
    """Let writing fail as it does on a full disk, beyond so many bytes of a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_training(workdir: Path, error_line: ErrorLine, monkeypatch: pytest.MonkeyPatch) -> None:
    (workdir / "own.yml").write_text(SMALL)
    assert main([*TRAIN]) == 0
    saved = workdir / "logs" / "ppo" / "CartPole-v1_1"
    kept = {path: path.read_bytes() for path in saved.rglob("*") if path.suffix in (".zip", ".pkl", ".yml")}
    # Write into the same folder again
    monkeypatch.setattr("rl_zoo3.exp_manager.get_latest_run_id", lambda *_: 0)
    with files_of_at_most(10_000):
        line = error_line(*TRAIN, code=1)
    assert line.endswith("cannot write: File too large: logs/ppo/CartPole-v1_1/CartPole-v1.zip")
    assert not list(saved.rglob(".*"))
    assert (saved / "CartPole-v1.zip").read_bytes() == kept[saved / "CartPole-v1.zip"]
    assert PPO.load(saved / "CartPole-v1.zip").num_timesteps == 64
    # and with checkpoints on the way, which are larger
    with files_of_at_most(10_000):
        line = error_line(*TRAIN, "--checkpoint-freq", "32", code=1)
    assert "cannot write: File too large: logs/ppo/CartPole-v1_1/checkpoints/32_steps-1" in line
    assert not list((saved / "checkpoints").glob("*_steps*"))


def test_evaluations(workdir: Path) -> None:
    from stable_baselines3.common import callbacks

    from sb3_ext.zoo import patches

    np.savez("evaluations.npz", results=np.arange(10))
    with patches.whole_files(), files_of_at_most(1_000), pytest.raises(OSError, match=r"evaluations\.npz"):
        callbacks.np.savez("evaluations", results=np.arange(1_000))  # type: ignore[attr-defined]
    assert np.load("evaluations.npz")["results"].tolist() == list(range(10))
    assert [path.name for path in workdir.iterdir()] == ["evaluations.npz"]


def test_a_search_in_a_journal(workdir: Path, error_line: ErrorLine) -> None:
    agent = ("--algo", "ppo", "--env", "CartPole-v1", "-n", "64")
    search = ("train", *agent, "--optimize", "--n-trials", "1", "--storage", "study.log", "--study-name", "s")
    optuna.create_study(storage=open_storage("study.log"), study_name="s", direction="maximize")
    size = (workdir / "study.log").stat().st_size
    with files_of_at_most(size + 200):
        assert "File too large" in error_line(*search, code=1)
    study = optuna.load_study(study_name="s", storage=open_storage("study.log"))
    study.add_trial(optuna.create_trial(value=1.0))
    assert study.best_value == 1.0
    with files_of_at_most((workdir / "study.log").stat().st_size + 300):
        line = error_line("tune", *agent, "--storage", "study.log", "--study-name", "t", "--n-trials", "2", code=1)
    assert "--storage: lost 'study.log'" in line
    assert "File too large" in line
    assert optuna.load_study(study_name="s", storage=open_storage("study.log")).best_value == 1.0
