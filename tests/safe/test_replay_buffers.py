"""Replay buffers come back as they were, and nothing that a stranger's file holds is executed."""

import pickle
from pathlib import Path
from typing import Any

import hostile
import models
import numpy as np
import pytest
from stable_baselines3 import DQN
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from sb3_ext import DuelingDQN
from sb3_ext.cli import main
from sb3_ext.safe import load_replay_buffer

SMALL: dict[str, Any] = dict(policy_kwargs=dict(net_arch=[4]), buffer_size=60, learning_starts=9, batch_size=4, seed=0)


def assert_same(found: Any, wanted: Any) -> None:
    assert type(found) is type(wanted)
    if isinstance(wanted, np.ndarray):
        assert found.dtype == wanted.dtype
        assert found.flags.writeable
        np.testing.assert_array_equal(found, wanted)
    elif isinstance(wanted, dict):
        assert found.keys() == wanted.keys()
        for name, value in wanted.items():
            assert_same(found[name], value)
    elif isinstance(wanted, (list, tuple)):
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            assert_same(one, other)
    elif type(wanted).__module__.startswith(("sb3_ext", "stable_baselines3")) and not hasattr(wanted, "name"):
        assert_same(vars(found), vars(wanted))
    else:
        assert found == wanted


def off_policy() -> dict[str, Any]:
    chosen = {"SAC": "MultiInputPolicy", "DQN": "MultiInputPolicy", "contrib.TQC": "", "ext.DDPG": ""}
    found = {f"{i} {name}": make for i, (name, make, _) in enumerate(models.MODELS) if name in chosen}
    found["prioritized"] = lambda: DuelingDQN("MlpPolicy", "CartPole-v1", prioritized_replay=True, **SMALL).learn(30)
    return found


@pytest.mark.parametrize("name", off_policy())
def test_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    model: OffPolicyAlgorithm = off_policy()[name]()
    model.save_replay_buffer(tmp_path / "buffer.pkl")
    found, wanted = load_replay_buffer(tmp_path / "buffer.pkl"), pickle.loads((tmp_path / "buffer.pkl").read_bytes())
    assert_same(found, wanted)


@pytest.fixture(scope="module")
def buffer() -> Any:
    model = DQN("MlpPolicy", "CartPole-v1", **SMALL).learn(30)
    return model.replay_buffer


def refused(content: bytes, path: Path) -> str:
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^cannot load ") as caught:
        load_replay_buffer(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_code_and_bombs_are_refused(buffer: Any, tmp_path: Path, marker: Path) -> None:
    path = tmp_path / "buffer.pkl"
    for name, pickled in (*hostile.code(marker), *hostile.bombs()):
        assert refused(pickled, path), name
        assert not marker.exists(), name
    for name in ("rewards", "device", "observation_space", "predict"):
        changed = pickle.loads(pickle.dumps(buffer))
        vars(changed)[name] = hostile.Touch(marker)
        assert "posix.mkdir" in refused(pickle.dumps(changed), path)
    assert not marker.exists()


@pytest.mark.parametrize("change", [{"pos": 10**9}, {"full": 1}, {"buffer_size": 10**9}, {"sample": 1}, {"rewards": 1}])
def test_what_does_not_fit_is_refused(buffer: Any, change: dict[str, Any], tmp_path: Path) -> None:
    changed = pickle.loads(pickle.dumps(buffer))
    vars(changed).update(change)
    assert refused(pickle.dumps(changed), tmp_path / "buffer.pkl")


def test_mutated_files_load_or_are_refused(buffer: Any, tmp_path: Path) -> None:
    content, draw = pickle.dumps(buffer), np.random.default_rng(0)
    starts = hostile.opcodes(content)
    for _ in range(150):
        (tmp_path / "x").write_bytes(hostile.mutated(content, int(draw.choice(starts)), int(draw.integers(256))))
        try:
            load_replay_buffer(tmp_path / "x")
        except ValueError as error:
            assert "\n" not in str(error)


def test_the_command_runs_nothing_of_an_agent(workdir: Path, marker: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``train -i``, in the model, in its normalization and in its replay buffer."""
    Path("own.yml").write_text("CartPole-v1: {n_timesteps: 20, policy: MlpPolicy, normalize: true, buffer_size: 60}")
    train = ["train", "--algo", "dqn", "--env", "CartPole-v1", "--conf-file", "own.yml", "--eval-freq", "-1"]
    assert main([*train, "--save-replay-buffer"]) == 0
    run = Path("logs", "dqn", "CartPole-v1_1")
    files = [run / "CartPole-v1.zip", run / "CartPole-v1" / "vecnormalize.pkl", run / "replay_buffer.pkl"]
    touch = pickle.dumps(hostile.Touch(marker))
    for path in files:
        before = path.read_bytes()
        path.write_bytes(hostile.with_data(before, verbose=touch) if path.suffix == ".zip" else touch)
        capsys.readouterr()
        assert main([*train, "-i", str(files[0])]) == 1
        assert "--no-safe" in capsys.readouterr().err
        assert not marker.exists()
        main([*train, "-i", str(files[0]), "--no-safe"])
        assert marker.is_dir()
        marker.rmdir()
        path.write_bytes(before)
