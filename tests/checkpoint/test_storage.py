"""A checkpoint is whole or not there, costs what is new in it, and is refused in one line if it is damaged."""

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import DQN
from stable_baselines3.common.base_class import BaseAlgorithm

from sb3_ext import checkpoint
from sb3_ext.checkpoint import CheckpointEvery, storage


def small_model() -> BaseAlgorithm:
    return DQN("MlpPolicy", gym.make("CartPole-v1"), policy_kwargs=dict(net_arch=[4]), buffer_size=100, seed=0)


def test_large_arrays_come_back_and_only_what_is_new_is_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    large = rng.normal(size=(100_000, 3)).astype(np.float32)
    storage.write(tmp_path / "one", None, [large, np.arange(3)], lambda _: None, None)
    large[500] += 1.0
    storage.write(tmp_path / "two", {"a": [1, None]}, [large, np.arange(4)], lambda _: None, tmp_path / "one")
    document, (found, small) = storage.read(tmp_path / "two")
    assert document == {"a": [1, None]}
    np.testing.assert_array_equal(found, large)
    np.testing.assert_array_equal(small, np.arange(4))
    new = [path for path in (tmp_path / "two" / "blocks").iterdir() if path.stat().st_nlink == 1]
    assert len(new) == 1
    assert storage.read(tmp_path / "one")[1][0][500, 0] == found[500, 0] - np.float32(1.0)


def test_more_arrays_than_a_plain_zip_holds_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 2)  # in place of 65 535
        storage.write(tmp_path / "one", None, [np.arange(length) for length in range(4)], lambda _: None, None)
    assert [len(array) for array in storage.read(tmp_path / "one")[1]] == [0, 1, 2, 3]


def test_an_error_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail(_: Path) -> None:
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk is full"):
        storage.write(tmp_path / "one", None, [np.arange(3)], fail, None)
    assert list(tmp_path.iterdir()) == []

    small_model().learn(100, callback=CheckpointEvery(20, tmp_path, keep=2))
    steps = [json.loads((path / "state.json").read_text())["document"]["num_timesteps"] for path in tmp_path.iterdir()]
    assert sorted(steps) == [80, 100] or sorted(steps) == [84, 100]
    assert checkpoint.load(tmp_path).num_timesteps == 100


def test_saving_again_replaces(tmp_path: Path) -> None:
    model = small_model()
    for _ in range(3):
        model.learn(10, reset_num_timesteps=False)
        checkpoint.save(model, tmp_path / "saved")
    assert len(list((tmp_path / "saved").iterdir())) == 1
    assert checkpoint.load(tmp_path / "saved").num_timesteps == model.num_timesteps


@pytest.mark.parametrize("damage", ["truncated", "missing arrays", "other format", "no JSON", "block"])
def test_a_damaged_one_is_refused(damage: str, tmp_path: Path) -> None:
    folder = tmp_path / "one"
    storage.write(folder, {}, [np.zeros((300_000, 2)), np.arange(5)], lambda _: None, None)
    state = folder / "state.json"
    if damage == "truncated":
        state.write_text(state.read_text()[:-10])
    elif damage == "missing arrays":
        (folder / "arrays.npz").unlink()
    elif damage == "other format":
        state.write_text(json.dumps({**json.loads(state.read_text()), "format": 99}))
    elif damage == "no JSON":
        state.write_bytes(b"\x80\x04")
    else:
        block = next((folder / "blocks").iterdir())
        block.write_bytes(block.read_bytes()[:-1] + b"\x01")
    with pytest.raises(ValueError, match="no whole checkpoint") as error:
        storage.read(folder)
    assert "\n" not in str(error.value)


def test_what_a_killed_process_left_is_no_checkpoint_and_goes(tmp_path: Path) -> None:
    half_written = tmp_path / ".900_steps-9-0123456789abcdef"
    half_written.mkdir()
    (half_written / "state.json").write_text("{}")
    with pytest.raises(FileNotFoundError):
        checkpoint.load(tmp_path)
    checkpoint.save(small_model(), tmp_path)
    assert not half_written.exists()
    assert checkpoint.load(tmp_path).num_timesteps == 0


def test_none_at_all(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        checkpoint.load(tmp_path / "nothing")


def test_environments_made_before_the_zoo_was_imported_can_be_made_again(tmp_path: Path) -> None:
    model = small_model()
    import rl_zoo3.import_envs  # noqa: F401  (it replaces Gymnasium's TimeLimit)

    checkpoint.save(model, tmp_path)
    assert checkpoint.load(tmp_path).env is not None


@pytest.mark.parametrize("option", [dict(steps=0), dict(steps=1.5), dict(steps=5, keep=0)])
def test_bad_numbers(option: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="CheckpointEvery"):
        CheckpointEvery(**option)


WRITER = """
import sys
from pathlib import Path
import numpy as np
from sb3_ext.checkpoint import storage

folder = Path(sys.argv[1])
before = None
print("begins", flush=True)
for i in range(100_000):
    path = folder / f"{i}"
    storage.write(path, i, [np.full(400_000, i), np.arange(10)], lambda p: (p / "more").write_text("x"), before)
    before = path
"""


@pytest.mark.slow
def test_killed_while_writing_none_is_broken(tmp_path: Path) -> None:
    (tmp_path / "write.py").write_text(WRITER)
    rng, n_read = np.random.default_rng(), 0
    for i in range(60):
        folder = tmp_path / f"run{i}"
        process = subprocess.Popen([sys.executable, str(tmp_path / "write.py"), str(folder)], stdout=subprocess.PIPE)
        assert process.stdout is not None and process.stdout.readline() == b"begins\n"
        time.sleep(rng.uniform(0.0, 0.15))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        for path in folder.glob("[0-9]*"):
            document, (array, _) = storage.read(path)
            assert array[0] == document == int(path.name)
            n_read += 1
    assert n_read > 50
