"""Statistics of VecNormalize load without being unpickled, and normalize as those that SB3 loads."""

import io
import pickle
from pathlib import Path
from typing import Any

import gymnasium as gym
import hostile
import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.envs import SimpleMultiObsEnv
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

import sb3_ext
from sb3_ext.safe import load_normalization


def envs(env: Any = "Pendulum-v1", n: int = 1) -> DummyVecEnv:
    return DummyVecEnv([lambda: gym.make(env) if isinstance(env, str) else env()] * n)


def used(**options: Any) -> VecNormalize:
    env = VecNormalize(envs(), **options)
    env.seed(1)
    env.reset()
    for _ in range(20):
        env.step(np.zeros((1, 1)))
    return env


@pytest.mark.parametrize("options", [{}, {"norm_reward": False, "clip_obs": 0.5}, {"norm_obs": False, "gamma": 0.5}])
def test_it_normalizes_as_loaded_by_sb3(options: dict[str, Any], tmp_path: Path) -> None:
    used(**options).save(str(tmp_path / "n.pkl"))
    usual = VecNormalize.load(str(tmp_path / "n.pkl"), envs(n=2))
    safe = load_normalization(tmp_path / "n.pkl", envs(n=2))
    assert vars(safe).keys() == vars(usual).keys()
    seen = []
    for env in (usual, safe):
        env.seed(3)
        first = env.reset()
        seen.append((first, *[env.step(np.zeros((2, 1)))[:2] for _ in range(5)]))
    assert str(seen[0]) == str(seen[1])


def test_dictionaries_are_normalized_by_key(tmp_path: Path) -> None:
    make = lambda: SimpleMultiObsEnv(2, 2)  # noqa: E731
    VecNormalize(envs(make), norm_obs_keys=["vec"]).save(str(tmp_path / "n.pkl"))
    assert load_normalization(tmp_path / "n.pkl", envs(make)).norm_obs_keys == ["vec"]


def test_an_exported_model_has_its_normalization(tmp_path: Path) -> None:
    env = used(clip_obs=2.0)
    sb3_ext.export(PPO("MlpPolicy", env, n_steps=8, batch_size=8), tmp_path / "model.zip")
    loaded = load_normalization(tmp_path / "model.zip", envs())
    one = np.ones((1, 3))
    np.testing.assert_array_equal(loaded.normalize_obs(one), env.normalize_obs(one))
    assert loaded.normalize_reward(np.ones(1)) == env.normalize_reward(np.ones(1))
    sb3_ext.export(PPO("MlpPolicy", "CartPole-v1"), tmp_path / "other.zip")
    with pytest.raises(ValueError, match="it holds no normalization"):
        load_normalization(tmp_path / "other.zip", envs())


def test_code_and_damage_are_refused_in_one_line(tmp_path: Path, marker: Path) -> None:
    file = tmp_path / "n.pkl"
    used().save(str(file))
    whole = file.read_bytes()
    other = io.BytesIO()
    pickle.dump(VecNormalize(envs("CartPole-v1")), other)
    contents = [*hostile.code(marker), *hostile.bombs(), ("text", b"hello"), ("a zip", b"PK\x03\x04")]
    contents += [(f"{share:.0%}", whole[: int(share * len(whole))]) for share in (0.1, 0.5, 0.9)]
    contents += [("another environment", other.getvalue()), ("a number", pickle.dumps(3))]
    for name, content in contents:
        file.write_bytes(content)
        with pytest.raises(ValueError, match=r"^cannot load ") as caught:
            load_normalization(file, envs())
        assert "\n" not in str(caught.value), name
    assert not marker.exists()
    draw = np.random.default_rng(3)
    for _ in range(50):
        file.write_bytes(hostile.mutated(whole, int(draw.integers(len(whole))), int(draw.integers(256))))
        try:
            load_normalization(file, envs())
        except ValueError as error:
            assert "\n" not in str(error)
