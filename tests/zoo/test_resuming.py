"""``train --resume`` after a SIGKILL gives what a training that was not killed gives, to the bit."""

import contextlib
import json
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch as th
from folders import inside
from rl_zoo3.utils import ALGOS
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sb3_ext.checkpoint import storage
from sb3_ext.cli import main
from sb3_ext.zoo import register

ErrorLine = Callable[..., str]

PPO = "CartPole-v1: {n_timesteps: 1200, policy: MlpPolicy, n_steps: 32, normalize: true, n_envs: 2}"
DDPG = """Pendulum-v1: {n_timesteps: 1200, policy: MlpPolicy, learning_starts: 100, buffer_size: 1000, batch_size: 16,
  normalize: true, noise_type: normal, noise_std: 0.1, policy_kwargs: "dict(net_arch=[16])"}"""
TRAININGS = {"ppo": ("CartPole-v1", PPO), "ddpg_ext": ("Pendulum-v1", DDPG)}


def arguments(algo: str, *more: str) -> list[str]:
    env_id, block = TRAININGS[algo]
    Path("own.yml").write_text(block)
    evaluations = ["--eval-freq", "500", "--eval-episodes", "1"]
    flags = ["--seed", "3", "--conf-file", "own.yml", "--checkpoint-freq", "300", *evaluations]
    return ["train", "--algo", algo, "--env", env_id, *flags, *more]


def checkpoints(run: Path) -> list[Path]:
    return sorted(run.glob("checkpoints/[0-9]*"), key=lambda path: int(path.name.partition("_")[0]))


@contextlib.contextmanager
def in_own_process(argv: list[str]) -> Iterator[None]:
    """As users run it: what other tests leave in their process changes the last digit of a product."""
    with subprocess.Popen([sys.executable, "-m", "sb3_ext", *argv], stdout=subprocess.DEVNULL) as process:
        yield
    assert process.returncode == 0


def kill_after_the_first_checkpoint(argv: list[str], run: Path, seconds: float) -> None:
    with open("killed.txt", "w") as output:
        process = subprocess.Popen([sys.executable, "-m", "sb3_ext", *argv], stdout=output, stderr=output)
    try:
        while not checkpoints(run):
            assert process.poll() is None, Path("killed.txt").read_text()
            time.sleep(0.01)
        time.sleep(seconds)
    finally:
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL


def episodes(path: Path) -> list[list[str]]:
    """The lines but for their times."""
    return [line.split(",")[:2] for line in path.read_text().splitlines()[2:]]


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.purge_orphaned_data = False
    events.Reload()
    names = [name for name in events.Tags()["scalars"] if not name.startswith("time/")]
    return {name: [(event.step, event.value) for event in events.Scalars(name)] for name in names}


@pytest.mark.parametrize("algo", TRAININGS)
def test_goes_on_exactly(algo: str, workdir: Path) -> None:
    env_id, _ = TRAININGS[algo]
    runs = {name: workdir / name / algo / f"{env_id}_1" for name in ("whole", "part")}
    with in_own_process(arguments(algo, "-f", "whole", "-tb", "whole_tb")):
        delay = float(np.random.default_rng().uniform(0.0, 0.2))
        kill_after_the_first_checkpoint(arguments(algo, "-f", "part", "-tb", "part_tb"), runs["part"], delay)
        assert not (runs["part"] / f"{env_id}.zip").exists()
        with in_own_process(["train", "--resume", "part", "--progress"]):
            pass
    register()
    models = {name: ALGOS[algo].load(run / f"{env_id}.zip") for name, run in runs.items()}
    assert models["part"].num_timesteps == models["whole"].num_timesteps
    for key, value in models["whole"].policy.state_dict().items():
        assert th.equal(models["part"].policy.state_dict()[key], value), key
    for name in ("0.monitor.csv", *(["1.monitor.csv"] if algo == "ppo" else [])):
        assert episodes(runs["part"] / name) == episodes(runs["whole"] / name)
        assert len(episodes(runs["part"] / name)) > 5
    with np.load(runs["part"] / "evaluations.npz") as part, np.load(runs["whole"] / "evaluations.npz") as whole:
        for key in whole.files:
            np.testing.assert_array_equal(part[key], whole[key])
        assert len(part["timesteps"]) >= 2
    part_scalars, whole_scalars = (
        scalars(Path(f"{name}_tb", env_id, f"{model.__class__.__name__}_1")) for name, model in sorted(models.items())
    )
    assert part_scalars == whole_scalars
    assert part_scalars["eval/mean_reward"]
    # normalization, best reward so far and all else at the last checkpoint
    assert [len(checkpoints(run)) for run in runs.values()] == [1, 1]
    documents = [storage.read(checkpoints(run)[-1]) for run in runs.values()]
    assert documents[0][0]["num_timesteps"] == documents[1][0]["num_timesteps"]
    loaded = [pickle.loads((run / env_id / "vecnormalize.pkl").read_bytes()) for run in runs.values()]
    np.testing.assert_array_equal(loaded[0].obs_rms.mean, loaded[1].obs_rms.mean)
    assert loaded[0].ret_rms.var == loaded[1].ret_rms.var


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log folder with a finished run, and copies of it as if it had ended early."""
    folder = tmp_path_factory.mktemp("runs")
    with inside(folder):
        assert main(arguments("ppo", "-n", "500", "-f", "finished")) == 0
        for name, ready in (("early", True), ("unready", False)):
            shutil.copytree("finished", name)
            run = Path(name, "ppo", "CartPole-v1_1")
            first = run / "checkpoints" / "first_command.json"
            first.write_text(json.dumps({**json.loads(first.read_text()), "finished": False}))
            if not ready:
                for path in checkpoints(run):
                    shutil.rmtree(path)
    return folder


@pytest.mark.parametrize(
    ("argv", "code", "text"),
    [
        (["nowhere"], 2, "there is no folder 'nowhere'"),
        ([""], 2, "several trainings in .* can go on; name one of early/ppo/CartPole-v1_1, unready"),
        (["finished"], 2, "all trainings in 'finished' have finished"),
        (["finished/ppo/CartPole-v1_1"], 2, "the training in .* has finished"),
        (["unready"], 2, "ended before its first checkpoint"),
        (["early/ppo/CartPole-v1_1/CartPole-v1"], 2, "there is no checkpoint in .*: train with --checkpoint-freq"),
        (["early", "-n", "900"], 2, "--n-timesteps was 500 there, not 900"),
        (["early", "--algo", "a2c"], 2, "--algo was 'ppo' there, not 'a2c'"),
        (["early", "-params", "n_steps:8"], 2, "--hyperparams was None there"),
    ],
)
def test_what_cannot_go_on_is_told(argv: list[str], code: int, text: str, runs: Path, error_line: ErrorLine) -> None:
    with inside(runs):
        monitor = Path("early/ppo/CartPole-v1_1/0.monitor.csv").read_text()
        argv = [argv[0] or ".", *argv[1:]]
        assert re.search(text, error_line("train", "--resume", *argv, code=code))
        assert Path("early/ppo/CartPole-v1_1/0.monitor.csv").read_text() == monitor


def test_the_same_flags_may_be_given_again_and_another_folder_may_be_current(runs: Path, workdir: Path) -> None:
    shutil.copytree(runs / "early", workdir / "moved" / "logs")
    argv = ["train", "--resume", str(workdir / "moved"), "--algo", "ppo", "-n", "500", "--verbose", "0"]
    assert main(argv) == 0
    run = workdir / "moved" / "logs" / "ppo" / "CartPole-v1_1"
    assert ALGOS["ppo"].load(run / "CartPole-v1.zip").num_timesteps >= 500
    assert not (workdir / "logs").exists()
    first = json.loads((run / "checkpoints" / "first_command.json").read_text())
    assert first["finished"]
