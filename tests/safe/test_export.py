"""What export writes is read by others, holds nothing that could be executed, and is refused where it is damaged."""

import functools
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import gymnasium as gym
import hostile
import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from models import observations
from reader import Agent
from stable_baselines3 import DQN, PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.envs import IdentityEnv
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

import sb3_ext


def identity(space: spaces.Space[Any]) -> DummyVecEnv:
    return DummyVecEnv([lambda: IdentityEnv(space=space)])


def cart_pole() -> VecNormalize:
    return VecNormalize(DummyVecEnv([lambda: gym.make("CartPole-v1")]), clip_obs=1.5)


TINY: dict[str, Any] = {"policy_kwargs": {"net_arch": [5, 4]}}
LEAKY = {"net_arch": [6], "activation_fn": functools.partial(th.nn.LeakyReLU, negative_slope=0.3)}
PLAIN = [
    lambda: DQN("MlpPolicy", "CartPole-v1", **TINY),
    lambda: SAC("MlpPolicy", "Pendulum-v1", policy_kwargs={"net_arch": [4], "activation_fn": th.nn.ELU}),
    lambda: TD3("MlpPolicy", "Pendulum-v1", **TINY),
    lambda: PPO("MlpPolicy", "Pendulum-v1", policy_kwargs=LEAKY),
    lambda: PPO("MlpPolicy", identity(spaces.MultiDiscrete([2, 3])), **TINY),
    lambda: PPO("MlpPolicy", identity(spaces.MultiBinary(3)), **TINY),
    lambda: PPO("MlpPolicy", identity(spaces.Discrete(4)), **TINY),
    lambda: PPO("MlpPolicy", cart_pole(), n_steps=32, batch_size=8, **TINY).learn(32),
    lambda: sb3_ext.DDPG("MlpPolicy", "AdSpend-v0", policy_kwargs={"net_arch": [4]}),
    lambda: sb3_ext.DuelingDQN("MlpPolicy", "CartPole-v1", **TINY),
    lambda: sb3_ext.DuelingDQN("MlpPolicy", "CartPole-v1", policy_kwargs={"net_arch": []}),
    lambda: sb3_ext.PPOPenalty("MlpPolicy", "Pendulum-v1", **TINY),
]


@pytest.mark.parametrize("make", PLAIN)
def test_a_reader_without_pytorch_and_sb3_acts_alike(make: Any, tmp_path: Path) -> None:
    model = make()
    sb3_ext.export(model, tmp_path / "model.zip")
    agent = Agent(tmp_path / "model.zip")
    normalize = model.get_vec_normalize_env()
    for one in observations(model.observation_space):
        seen = one if normalize is None else normalize.normalize_obs(one)
        action, _ = model.predict(seen, deterministic=True)
        np.testing.assert_allclose(agent.act(one), action.tolist(), rtol=1e-4, atol=1e-4)


def test_what_an_export_holds(tmp_path: Path) -> None:
    sb3_ext.export(TD3("MlpPolicy", "Pendulum-v1", seed=4, tensorboard_log="logs", **TINY), tmp_path / "model.zip")
    with zipfile.ZipFile(tmp_path / "model.zip") as archive:
        assert archive.namelist() == ["model.json", "tensors.safetensors"]
        document = json.loads(archive.read("model.json"))
    assert (document["format"], document["algorithm"]) == ("sb3-ext-model/1", "stable_baselines3:TD3")
    attributes = document["attributes"]
    assert (attributes["seed"], attributes["gamma"]) == (4, 0.99)
    assert attributes["policy_kwargs"]["dict"]["net_arch"] == [5, 4]
    assert attributes["action_space"]["object"] == "gymnasium.spaces.box.Box"
    assert document["normalization"] is None
    assert "logs" not in json.dumps(document)


class Local(ActorCriticPolicy):
    """A class that only its author has."""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"learning_rate": lambda _: 1e-3}, "its 'learning_rate' holds the code of a function or class"),
        ({"policy": Local}, "its 'policy_class' names '.*Local'"),
        ({"policy_kwargs": {"activation_fn": lambda: th.nn.ReLU()}}, "its 'policy_kwargs' holds the code"),
    ],
)
def test_what_it_cannot_describe_it_names(arguments: dict[str, Any], told: str, tmp_path: Path) -> None:
    model = PPO(**({"policy": "MlpPolicy", "env": "CartPole-v1"} | arguments))
    (tmp_path / "model.zip").write_text("older")
    with pytest.raises(ValueError, match=f"^cannot export this PPO: {told}") as caught:
        sb3_ext.export(model, tmp_path / "model.zip")
    assert "custom_objects" not in str(caught.value)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["older"]


def test_an_algorithm_of_ones_own_is_refused(tmp_path: Path) -> None:
    own = type("Own", (PPO,), {})
    with pytest.raises(ValueError, match="Own is none of the known algorithms"):
        sb3_ext.export(own("MlpPolicy", "CartPole-v1"), tmp_path / "model.zip")


def test_it_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = PPO("MlpPolicy", "CartPole-v1", **TINY)
    sb3_ext.export(model, tmp_path / "model.zip")
    before = (tmp_path / "model.zip").read_bytes()

    def full(archive: zipfile.ZipFile, name: str, content: Any) -> None:
        assert archive.fp is not None
        archive.fp.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(OSError, match="No space left"):
        sb3_ext.export(model, tmp_path / "model.zip")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [before]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("exported") / "model.zip"
    sb3_ext.export(DQN("MlpPolicy", "CartPole-v1", seed=1, buffer_size=10, policy_kwargs={"net_arch": [4]}), path)
    return path.read_bytes()


def load(content: bytes, **changes: Any) -> BaseAlgorithm:
    entries = hostile.parts(content)
    document = json.loads(entries["model.json"])
    for path, value in changes.items():
        *parents, last = path.split("__")
        owner = document
        for parent in parents:
            owner = owner[parent]
        owner[last] = value
    return sb3_ext.safe_load(io.BytesIO(hostile.joined({**entries, "model.json": json.dumps(document).encode()})))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"format": "sb3-ext-model/2"}, "is no export of the format 'sb3-ext-model/1'"),
        ({"algorithm": "os:system"}, "'os:system' is none of the known algorithms"),
        ({"attributes": []}, "parts have no names"),
        ({"attributes__env": "os:CartPole-v1"}, "sets 'env'"),
        ({"attributes__learn": 1}, "sets 'learn'"),
        ({"attributes__policy_class": {"class": "os.system"}}, "holds 'policy_class', which names 'os.system'"),
        ({"attributes__x": {"object": "os.PathLike", "attributes": {}}}, "holds a damaged object"),
        ({"attributes__x": {"call": "os.system"}}, "unknown kind of object, 'call'"),
        ({"attributes__x": {"partial": "os.system", "args": [], "kwargs": {"dict": {}}}}, "names 'os.system'"),
        ({"attributes__x": {"number": 9, "dtype": "V999999999999"}}, "numbers of the kind"),
        ({"attributes__x": {"array": "other"}}, "holds a damaged array"),
        ({"attributes__x": {}}, "unknown kind of object"),
        ({"parameters__policy": {"dict": {}}}, "Missing key"),
        ({"attributes__observation_space": 3}, "holds no observation_space"),
    ],
)
def test_harm_and_damage_in_an_export_is_refused(exported: bytes, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told) as caught:
        load(exported, **changes)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("cannot load 'the stream': ")


def test_an_export_takes_custom_objects(exported: bytes) -> None:
    loaded = sb3_ext.safe_load(io.BytesIO(exported), custom_objects={"learning_rate": 0.5, "unknown": 1})
    assert loaded.learning_rate == 0.5
    assert not hasattr(loaded, "unknown")


def test_mutated_exports_load_or_are_refused(exported: bytes) -> None:
    draw = np.random.default_rng(2)
    entries = hostile.parts(exported)
    refused = 0
    for trial in range(40):
        name = ("model.json", "tensors.safetensors")[trial % 2]
        at = int(draw.integers(len(entries[name]) if name == "model.json" else 600))
        content = hostile.mutated(entries[name], at, int(draw.integers(32, 127)))
        try:
            sb3_ext.safe_load(io.BytesIO(hostile.joined({**entries, name: content})))
        except ValueError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 13
