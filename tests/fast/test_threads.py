"""Small networks train on one thread, large ones and images on all cores."""

import os
import pathlib
from typing import Any

import pytest
import torch as th
from stable_baselines3.common.envs import FakeImageEnv

from sb3_ext import DDPG, REINFORCE, DuelingDQN
from sb3_ext.cli import main
from sb3_ext.fast.threads import choose_threads


@pytest.fixture(autouse=True)
def cores(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(6), raising=False)
    before = th.get_num_threads()
    yield
    th.set_num_threads(before)


def test_by_the_size_of_an_update() -> None:
    def ddpg(units: int, batch_size: int) -> DDPG:
        return DDPG("MlpPolicy", "Pendulum-v1", batch_size=batch_size, policy_kwargs={"net_arch": [units, units]})

    assert choose_threads(ddpg(64, 64)) == 1
    assert choose_threads(ddpg(400, 256)) == 6
    assert choose_threads(REINFORCE("MlpPolicy", "CartPole-v1")) == 1
    images = DuelingDQN("CnnPolicy", FakeImageEnv(n_channels=4, channel_first=True), buffer_size=10)
    assert choose_threads(images) == 6


@pytest.mark.parametrize(("flags", "threads"), [([], 1), (["--num-threads", "2"], 2)])
def test_train_says_what_it_chose(
    flags: list[str], threads: int, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    th.set_num_threads(3)
    train = "train --algo ddpg_ext --env Pendulum-v1 -n 50 --eval-freq -1 -f".split()
    assert main([*train, str(tmp_path), *flags]) == 0
    assert th.get_num_threads() == threads
    assert ("Threads of PyTorch: 1 (--num-threads" in capsys.readouterr().out) == (not flags)
