"""A training that is interrupted saves its model, and its exit code says so: ``train && evaluate`` stops."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from stable_baselines3 import PPO

from sb3_ext.zoo import interruption

CONF = "CartPole-v1: {n_timesteps: 1000000000, policy: MlpPolicy, n_steps: 32, n_epochs: 1, normalize: true}"


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(
    ("number", "vec_env", "code", "more"),
    # Ctrl-C, what a batch system sends to all processes, and a terminal, with checkpoints
    [
        (signal.SIGINT, "dummy", 130, []),
        (signal.SIGTERM, "subproc", 143, []),
        (signal.SIGINT, "subproc", 130, ["--checkpoint-freq", "1000000000"]),
    ],
)
def test_the_model_is_saved(workdir: Path, number: signal.Signals, vec_env: str, code: int, more: list[str]) -> None:
    (workdir / "own.yml").write_text(CONF)
    agent = ("--algo", "ppo", "--env", "CartPole-v1", "--conf-file", "own.yml", "--eval-freq", "-1")
    run = workdir / "logs" / "ppo" / "CartPole-v1_1"
    command = [sys.executable, "-m", "sb3_ext", "train", *agent, "--vec-env", vec_env, *more]
    with open("output.txt", "w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    try:
        monitor = run / "0.monitor.csv"
        while not (monitor.is_file() and monitor.read_text().count("\n") > 5):
            assert process.poll() is None, Path("output.txt").read_text()
            time.sleep(0.1)
        if vec_env == "subproc":
            os.killpg(process.pid, number)
        if not more:
            process.send_signal(number)
        assert process.wait(120) == code, Path("output.txt").read_text()
    finally:
        process.kill()
    steps = PPO.load(run / "CartPole-v1.zip").num_timesteps
    assert steps > 0
    if more:  # the training went on to where a checkpoint is exact
        (written,) = run.glob("checkpoints/[0-9]*")
        assert written.name == f"{steps}_steps-1"
        assert steps % 32 == 0
    assert (run / "CartPole-v1" / "vecnormalize.pkl").is_file()


DIES = """
import os, signal
import gymnasium as gym

class Dies(gym.Wrapper):
    def __init__(self, env, how):
        super().__init__(env)
        self.left, self.how = 10, how

    def step(self, action):
        self.left -= 1
        if self.left == 0:
            if self.how == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            raise ArithmeticError
        return super().step(action)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(
    ("how", "told"),
    [("killed", "by SIGKILL"), pytest.param("wrong", "by an error, which is told above", marks=pytest.mark.slow)],
)
def test_a_process_of_the_environments_that_dies_is_told(
    workdir: Path, monkeypatch: pytest.MonkeyPatch, error_line: Callable[..., str], how: str, told: str
) -> None:
    monkeypatch.syspath_prepend(workdir)
    (workdir / "dying.py").write_text(DIES)
    (workdir / "own.yml").write_text(CONF.replace("}", f", n_envs: 2, env_wrapper: [dying.Dies: {{how: {how}}}]}}"))
    agent = ("--algo", "ppo", "--env", "CartPole-v1", "--conf-file", "own.yml", "--eval-freq", "-1")
    assert told in error_line("train", *agent, "--vec-env", "subproc", code=1)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_signal_waits_for_a_checkpoint_once_and_for_a_save(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, interruption.handled():
        with interruption.ignored():
            signal.raise_signal(signal.SIGINT)
        assert interruption.received == [signal.SIGINT]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert ended.value.code == 130
    with pytest.raises(SystemExit) as ended, interruption.handled(), interruption.once_deferred():
        signal.raise_signal(signal.SIGTERM)
        assert "next checkpoint" in capfd.readouterr().err
        signal.raise_signal(signal.SIGTERM)  # repeated by who sends it
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert ended.value.code == 143
