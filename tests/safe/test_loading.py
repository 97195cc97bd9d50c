"""Models that people save load safely: they act and go on learning as those that SB3 loads."""

import io
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
import torch as th
from models import MODELS, Make, acts, saved
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.policies import ActorCriticPolicy

import sb3_ext

RARE = ("contrib.ARS", "contrib.CrossQ", "contrib.MaskablePPO", "contrib.TQC", "contrib.TRPO")
"""Models of which only the slow tests load one."""


def assert_equal(one: Any, other: Any) -> None:
    """Nested dictionaries and lists of tensors and numbers."""
    if isinstance(one, th.Tensor):
        assert th.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key, value in one.items():
            assert_equal(value, other[key])
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for value, its in zip(one, other, strict=True):
            assert_equal(value, its)
    else:
        assert one == other


@pytest.mark.parametrize(
    ("name", "make", "make_env"),
    [pytest.param(*one, marks=[pytest.mark.slow] * (one[0] in RARE), id=one[0]) for one in MODELS],
)
def test_it_acts_and_learns_on_as_loaded_by_sb3(name: str, make: Make, make_env: Any, tmp_path: Path) -> None:
    trained = make()
    file = saved(trained)
    safe = sb3_ext.safe_load(file, make_env(), device="cpu")
    file.seek(0)
    usual = type(trained).load(file, make_env(), device="cpu")
    sb3_ext.export(trained, tmp_path / "model.zip")
    exported = sb3_ext.safe_load(tmp_path / "model.zip", make_env(), device="cpu")
    assert acts(exported) == acts(safe) == acts(usual) == acts(trained)
    for model in (safe, exported):
        assert type(model) is type(trained)
        assert vars(model).keys() == vars(usual).keys()
        assert (model.observation_space, model.action_space) == (usual.observation_space, usual.action_space)
    ended = []
    for model in (usual, safe, exported):
        model.env.seed(3)  # type: ignore[union-attr]
        model.set_random_seed(3)
        model.learn(30)
        ended.append(model.get_parameters())
    assert_equal(ended[0], ended[1])
    assert_equal(ended[0], ended[2])


def test_a_path_a_suffix_and_further_arguments_are_those_of_sb3(tmp_path: Path) -> None:
    PPO("MlpPolicy", "CartPole-v1", n_steps=8, batch_size=8).save(tmp_path / "model")
    for path in (tmp_path / "model", str(tmp_path / "model.zip")):
        loaded = sb3_ext.safe_load(path, gym.make("CartPole-v1"), n_epochs=3, tensorboard_log="logs")
        assert (type(loaded), loaded.n_epochs, loaded.tensorboard_log) == (PPO, 3, "logs")  # type: ignore[attr-defined]
    with pytest.raises(FileNotFoundError):
        sb3_ext.safe_load(tmp_path / "other")


def test_it_says_that_a_file_is_of_another_algorithm_or_environment(tmp_path: Path) -> None:
    file = saved(PPO("MlpPolicy", "CartPole-v1", n_steps=8, batch_size=8))
    with pytest.raises(ValueError, match="cannot load 'the stream'"):
        sb3_ext.safe_load(file, algorithm=SAC)
    with pytest.raises(ValueError, match="spaces do not match"):
        sb3_ext.safe_load(file, gym.make("Pendulum-v1"))
    with pytest.raises(ValueError, match="is no class of an algorithm"):
        sb3_ext.safe_load(file, algorithm="PPO")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="cannot load"):
        sb3_ext.safe_load(tmp_path)


class OwnPolicy(ActorCriticPolicy):
    """A class that only its author has."""


def test_classes_of_ones_own_are_given_by_hand() -> None:
    file = saved(PPO(OwnPolicy, "CartPole-v1", n_steps=8, batch_size=8))
    with pytest.raises(ValueError, match=r"OwnPolicy'.*custom_objects=\{'policy_class': \.\.\.\}"):
        sb3_ext.safe_load(file)
    loaded = sb3_ext.safe_load(file, algorithm=PPO, custom_objects={"policy_class": OwnPolicy})
    assert type(loaded.policy) is OwnPolicy
    assert sb3_ext.safe_load(io.BytesIO(file.getvalue()), algorithm=PPO, custom_objects={"policy_class": OwnPolicy})
