"""What the battery knows about an algorithm, and the checks that other tests of algorithms share."""

import csv
import dataclasses
import inspect
import pathlib
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar

import gymnasium as gym
import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.envs import IdentityEnv, IdentityEnvBox
from stable_baselines3.common.logger import configure
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.utils import set_random_seed
from stable_baselines3.common.vec_env import VecEnv

Model = TypeVar("Model", bound=BaseAlgorithm)
MakeVecEnv: TypeAlias = Callable[[int], VecEnv]
Options: TypeAlias = Mapping[str, dict[str, Any]]

NOT_HYPERPARAMETERS = {"self", "env", "device", "_init_setup_model"}
ATTRIBUTES = {"policy": "policy_class", "stats_window_size": "_stats_window_size"}


@dataclasses.dataclass(frozen=True)
class Case:
    """
    An algorithm in the battery. Among its arguments, ``env`` is a function of the number of environments.

    ``make(env, **arguments)`` builds a small model, ``steps`` are enough for a few updates of it.
    """

    algorithm: Any
    make: Callable[..., Any]
    env: MakeVecEnv
    steps: int
    options: Options
    """Arguments that run, by a name."""
    spaces: Options
    """The same for other spaces of observations and actions."""
    bad: list[tuple[Any, ...]]
    """An argument, a value that is refused, and what else the error says than ``<argument>=<value> is not valid``."""
    dictionaries: dict[str, dict[str, Any]]
    """Arguments that are dictionaries."""
    seeded: Options
    """Arguments of trainings that a seed repeats."""
    continued: Options
    """Arguments of trainings that go on after loading."""
    unsupported: Any
    """A space of actions that SB3 refuses."""
    logged: dict[str, Any]
    """Columns of the last row of a training, and the value of some."""
    not_finite: str = ""
    """What the error says about rewards that are not finite, before the policy has changed."""
    log_options: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Arguments of that training."""
    state: tuple[str, ...] = ("num_timesteps", "_n_updates")
    """Attributes beside the arguments that saving keeps."""
    progress: Callable[[Any], Any] = lambda model: model.policy.state_dict()
    """What training changes."""
    check: Callable[[Any], None] = lambda model: None
    """What else holds after training with any option."""

    def build(self, options: dict[str, Any], n_envs: int = 1, **more: Any) -> Any:
        """Make a model with some of the options above."""
        arguments = {**options, **more}
        env = arguments.pop("env", self.env)
        return self.make(env(n_envs), **arguments)


def identity(n_envs: int = 1, ep_length: int = 5, dim: int = 3) -> VecEnv:
    """The reward is for the action that is the observation."""
    return seeded(make_vec_env(lambda: IdentityEnv(dim, ep_length=ep_length), n_envs=n_envs))


def identity_box(n_envs: int = 1, ep_length: int = 5) -> VecEnv:
    """The same with numbers."""
    return seeded(make_vec_env(lambda: IdentityEnvBox(ep_length=ep_length), n_envs=n_envs))


def several(make_env: Any, **kwargs: Any) -> MakeVecEnv:
    """Any number of environments."""
    return lambda n_envs: make_vec_env(make_env, n_envs=n_envs, **kwargs)


class Steady(gym.Env[np.ndarray, int]):
    """Nothing changes: episodes of one length, by default without end, and the same reward at every step."""

    observation_space = spaces.Box(-1, 1, (1,))
    action_space: spaces.Space[Any] = spaces.Discrete(2)

    def __init__(self, length: float = np.inf, reward: float = 1.0) -> None:
        self.length, self.reward, self.t = length, reward, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.t = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.t += 1
        return np.zeros(1, np.float32), self.reward, self.t >= self.length, False, {}


def logged_rows(model: BaseAlgorithm, folder: pathlib.Path, *args: Any, **kwargs: Any) -> list[dict[str, str]]:
    """What a training writes into its table; it writes for TensorBoard too."""
    model.set_logger(configure(str(folder), ["csv", "tensorboard"]))
    model.learn(*args, **kwargs)
    assert list(folder.glob("events.out.tfevents*"))
    with open(folder / "progress.csv", newline="") as file:
        return list(csv.DictReader(file))


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


def assert_equal_predictions(first: Any, second: Any, n: int = 20) -> None:
    """Compare deterministic actions on random observations."""
    space = first.observation_space
    space.seed(0)
    for _ in range(n):
        observation = space.sample()
        a, _ = first.predict(observation, deterministic=True)
        b, _ = second.predict(observation, deterministic=True)
        np.testing.assert_array_equal(a, b)


def equal(first: Any, second: Any) -> bool:
    """Compare state dictionaries, tables or numbers."""
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(th.equal(value, second[key]) for key, value in first.items())
    return bool(np.array_equal(first, second))


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


def assert_survives_save_and_load(model: Model, folder: pathlib.Path, env: VecEnv | None = None) -> Model:
    """A loaded model predicts the same, and has every hyperparameter, parameter and optimizer state of the original."""
    before = hyperparameters(model)
    loaded = save_and_load(model, folder, env)
    assert_equal_predictions(model, loaded)
    assert hyperparameters(loaded) == before
    assert hyperparameters(model) == before
    assert_equal_state(model.get_parameters(), loaded.get_parameters())
    again = save_and_load(loaded, folder, env)
    assert hyperparameters(again) == before
    return again


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
