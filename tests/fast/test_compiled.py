"""A compiled update does what the update does."""

import copy
import functools
import pathlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import pytest
import torch as th
from algorithm_battery import assert_survives_save_and_load, save_and_load, train_seeded
from stable_baselines3.common.envs import FakeImageEnv
from stable_baselines3.common.logger import configure
from stable_baselines3.common.torch_layers import FlattenExtractor
from torch import nn

from sb3_ext import DDPG, DuelingDQN

Make = Callable[..., Any]


def ddpg(**kwargs: Any) -> DDPG:
    defaults: dict[str, Any] = {
        "learning_rate": "lin_0.001",
        "critic_learning_rate": 0.002,
        "critic_weight_decay": 0.01,
        "max_grad_norm": 1.0,
        "n_steps": 3,
        "policy_kwargs": {"net_arch": [16, 16], "invert_gradients": True},
    }
    return filled(DDPG("MlpPolicy", "Pendulum-v1", seed=0, device="cpu", buffer_size=500, **{**defaults, **kwargs}))


def dueling_dqn(**kwargs: Any) -> DuelingDQN:
    defaults: dict[str, Any] = {
        "learning_rate": "lin_0.001",
        "prioritized_replay": True,
        "policy_kwargs": {"net_arch": [16, 16]},
    }
    env = gym.make("CartPole-v1")
    return filled(DuelingDQN("MlpPolicy", env, seed=0, device="cpu", buffer_size=500, **{**defaults, **kwargs}))


def filled(model: Any) -> Any:
    """The replay buffer full of random play, and no update yet."""
    model.learning_starts = 400
    model.learn(400)
    model.set_logger(configure(None, []))
    return model


class InFloat64(FlattenExtractor):
    def forward(self, observations: th.Tensor) -> th.Tensor:
        return super().forward(observations).double()


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Iterator[None]:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    with th._inductor.config.patch({"cpp.cxx": ("no-such-compiler",), "fx_graph_cache": False}):
        yield


@pytest.mark.slow  # a difference after a few updates shows below, where compiling is switched on and off
@pytest.mark.parametrize("make", [ddpg, functools.partial(dueling_dqn, prioritized_replay=False)])
def test_a_thousand_updates_are_those_of_the_eager_path(make: Make) -> None:
    """In float64, where a difference would be one of the mathematics and not of rounding.

    Without priorities: by them the smallest difference draws other transitions.
    """
    parameters = []
    for mode in (False, True):
        model = make(compile=mode, policy_kwargs={"net_arch": [16, 16], "features_extractor_class": InFloat64})
        model.policy.double()
        for step in model._descend.values():
            step.optimizer.state.clear()  # moments in float32
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "compile=")
            train_seeded(model, 1, 500, 32)
        model._current_progress_remaining = 0.5  # the learning rate changes, and nothing is compiled again
        parameters.append(train_seeded(model, 2, 500, 32))
        assert model._run_update.compiles == mode
    for name in parameters[0]["policy"]:
        th.testing.assert_close(parameters[1]["policy"][name], parameters[0]["policy"][name], rtol=1e-4, atol=1e-6)


def test_updates_on_images_are_those_of_the_eager_path() -> None:
    parameters = []
    for mode in (False, True):
        env = FakeImageEnv(screen_height=20, screen_width=20, n_channels=2, channel_first=True)
        env.observation_space.seed(0)
        layers = {"features_extractor_kwargs": {"layers": [(4, 4, 2)]}, "net_arch": [8]}
        model = DuelingDQN("CnnPolicy", env, seed=0, device="cpu", buffer_size=200, policy_kwargs=layers, compile=mode)
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "compile=")
            parameters.append(train_seeded(filled(model), 1, 20, 16)["policy"])
    for name, value in parameters[0].items():
        th.testing.assert_close(parameters[1][name], value, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("make", [ddpg, dueling_dqn])
def test_compiling_can_be_switched_on_and_off_and_saved(make: Make, tmp_path: pathlib.Path) -> None:
    eager, mixed = make(), make(compile=True)
    train_seeded(eager, 1, 5, 16)
    train_seeded(mixed, 1, 5, 16)
    assert_survives_save_and_load(mixed, tmp_path, mixed.env)
    replay = mixed.replay_buffer
    mixed = save_and_load(mixed, tmp_path, mixed.env, compile=False)
    mixed.replay_buffer = replay
    mixed.set_logger(configure(None, []))
    expected, found = train_seeded(eager, 2, 5, 16), train_seeded(mixed, 2, 5, 16)
    for name in expected["policy"]:
        th.testing.assert_close(found["policy"][name], expected["policy"][name], rtol=1e-3, atol=1e-5)
    optimizer = next(name for name in expected if "optimizer" in name)
    steps = [parameters[optimizer]["state"][0]["step"].item() for parameters in (expected, found)]
    assert steps == [10, 10]


@pytest.mark.usefixtures("no_compiler")
def test_compile_is_followed_after_the_construction() -> None:
    model = dueling_dqn()
    model.compile = True
    with pytest.warns(UserWarning, match="cannot be compiled"):
        train_seeded(model, 1, 1, 16)
    model.compile = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train_seeded(model, 1, 1, 16)
    model.compile = "fast"
    with pytest.raises(ValueError, match="compile='fast' is not valid"):
        train_seeded(model, 1, 1, 16)


def test_batches_of_another_size_and_copies_of_the_model() -> None:
    eager, compiled = ddpg(), ddpg(compile=True)
    for size in (16, 24):
        train_seeded(eager, 1, 2, size)
        train_seeded(compiled, 1, 2, size)
    twin = copy.deepcopy(compiled)
    before = copy.deepcopy(compiled.get_parameters()["policy"])
    train_seeded(twin, 2, 2, 16)
    for name, value in compiled.get_parameters()["policy"].items():
        assert th.equal(value, before[name])  # the copy has a graph of its own
    expected = train_seeded(eager, 2, 2, 16)["policy"]
    for name, value in twin.get_parameters()["policy"].items():
        th.testing.assert_close(value, expected[name], rtol=1e-3, atol=1e-5)


def test_numbers_and_weights_may_change_between_updates() -> None:
    found = []
    for mode in (False, True):
        model = ddpg(compile=mode)
        train_seeded(model, 1, 2, 16)
        saved = copy.deepcopy(model.get_parameters())
        train_seeded(model, 1, 2, 16)
        model.set_parameters(saved)
        model.tau, model.gamma, model.critic_weight_decay = 0.5, 0.5, 0.0
        found.append(train_seeded(model, 1, 2, 16)["policy"])
    for name, value in found[0].items():
        th.testing.assert_close(found[1][name], value, rtol=1e-3, atol=1e-5)


@pytest.mark.usefixtures("no_compiler")
def test_without_a_compiler_it_warns_once_and_goes_on() -> None:
    eager, compiled = ddpg(), ddpg(compile=True)
    expected = train_seeded(eager, 1, 4, 16)
    with pytest.warns(UserWarning, match="cannot be compiled") as caught:
        found = train_seeded(compiled, 1, 4, 16)
    assert len([one for one in caught if "cannot be compiled" in str(one.message)]) == 1
    assert expected["policy"].keys() == found["policy"].keys()
    assert all(th.equal(found["policy"][name], expected["policy"][name]) for name in expected["policy"])
    assert found["critic.optimizer"]["state"][0]["step"].item() == 4


class Unpredictable(FlattenExtractor):
    """Decides in Python by the values of a tensor, which no graph can hold."""

    def forward(self, observations: th.Tensor) -> th.Tensor:
        flat = super().forward(observations)
        return flat if flat.sum().item() > 1e9 else nn.functional.relu(flat)


def test_a_network_that_cannot_be_compiled_is_used_as_it_is() -> None:
    kwargs: Any = {"policy_kwargs": {"net_arch": [16], "features_extractor_class": Unpredictable}}
    eager, compiled = ddpg(**kwargs), ddpg(compile=True, **kwargs)
    expected = train_seeded(eager, 1, 3, 16)["policy"]
    with pytest.warns(UserWarning, match="cannot be compiled"):
        found = train_seeded(compiled, 1, 3, 16)["policy"]
    assert all(th.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"compile": "fast"}, "compile='fast' is not valid; pass False, True or 'reduce-overhead'"),
        ({"compile": True, "policy_kwargs": {"optimizer_class": th.optim.SGD}}, "needs the optimizer Adam"),
    ],
)
def test_what_is_refused(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DDPG("MlpPolicy", "Pendulum-v1", **kwargs)
