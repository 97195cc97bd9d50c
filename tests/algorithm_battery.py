"""Checks that every algorithm must pass, shared by the tests of each."""

import inspect
import pathlib
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.utils import set_random_seed
from stable_baselines3.common.vec_env import VecEnv

Model = TypeVar("Model", bound=BaseAlgorithm)

NOT_HYPERPARAMETERS = {"self", "env", "device", "_init_setup_model"}
ATTRIBUTES = {"policy": "policy_class", "stats_window_size": "_stats_window_size"}


def hyperparameters(model: BaseAlgorithm) -> dict[str, Any]:
    """Every constructor argument of the model with its value, in a form that compares with ``==``."""
    names = inspect.signature(type(model).__init__).parameters.keys() - NOT_HYPERPARAMETERS
    return {name: comparable(getattr(model, ATTRIBUTES.get(name, name))) for name in sorted(names)}


def comparable(value: Any) -> Any:
    """Replace noises by what they print, and schedules by their values."""
    if isinstance(value, ActionNoise):
        return repr(value)
    if callable(value) and not isinstance(value, type):
        return [value(progress) for progress in (1.0, 0.7, 0.1, 0.0)]
    return value


def save_and_load(model: Model, folder: pathlib.Path, env: VecEnv | None = None, **changes: Any) -> Model:
    """Round trip through a file."""
    model.save(folder / "model")
    return type(model).load(folder / "model", env=env, device="cpu", **changes)


def assert_equal_predictions(first: BaseAlgorithm, second: BaseAlgorithm, n: int = 20) -> None:
    """Compare deterministic actions on random observations."""
    space = first.observation_space
    space.seed(0)
    for _ in range(n):
        observation = space.sample()
        a, _ = first.predict(observation, deterministic=True)
        b, _ = second.predict(observation, deterministic=True)
        np.testing.assert_array_equal(a, b)


def assert_equal_state(first: Any, second: Any) -> None:
    """Compare nested state dictionaries (of networks and optimizers) bit by bit."""
    if isinstance(first, th.Tensor):
        assert th.equal(first, second)
    elif isinstance(first, dict):
        assert first.keys() == second.keys()
        for key in first:
            assert_equal_state(first[key], second[key])
    elif isinstance(first, (list, tuple)):
        assert len(first) == len(second)
        for a, b in zip(first, second, strict=True):
            assert_equal_state(a, b)
    else:
        assert first == second


def assert_survives_save_and_load(model: BaseAlgorithm, folder: pathlib.Path, env: VecEnv | None = None) -> None:
    """A loaded model predicts the same, and has every hyperparameter, parameter and optimizer state of the original."""
    before = hyperparameters(model)
    loaded = save_and_load(model, folder, env)
    assert_equal_predictions(model, loaded)
    assert hyperparameters(loaded) == before
    assert hyperparameters(model) == before
    assert_equal_state(model.get_parameters(), loaded.get_parameters())
    again = save_and_load(loaded, folder, env)
    assert hyperparameters(again) == before


def assert_seeded_runs_equal(make: Callable[[int], BaseAlgorithm], total_timesteps: int) -> None:
    """Two runs with one seed end in the same parameters bit by bit; another seed does not."""
    runs = [make(seed).learn(total_timesteps).get_parameters() for seed in (3, 3, 4)]
    assert_equal_state(runs[0], runs[1])
    assert any(not th.equal(runs[0]["policy"][key], runs[2]["policy"][key]) for key in runs[0]["policy"])


def train_seeded(model: Any, seed: int, gradient_steps: int, batch_size: int) -> dict[str, Any]:
    """Train from a fixed state of the generators; return the parameters."""
    set_random_seed(seed)
    model.train(gradient_steps=gradient_steps, batch_size=batch_size)
    parameters: dict[str, Any] = model.get_parameters()
    return parameters


def seeded(env: VecEnv) -> VecEnv:
    """SB3's identity environments draw their states from their spaces, which no seed of a model reaches."""
    for number, single in enumerate(env.get_attr("unwrapped")):
        single.action_space.seed(number)
        single.observation_space.seed(number)
    return env
