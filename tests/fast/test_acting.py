"""Acting in NumPy gives what the network gives, and only stands in where it does."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3.common.env_util import make_vec_env
from torch import nn

from sb3_ext import DDPG, DuelingDQN
from sb3_ext.ddpg.policies import CenteredSigmoid
from sb3_ext.dueling_dqn.policies import DuelingHead
from sb3_ext.fast import acting
from sb3_ext.fast.acting import SMALL_BATCH, forward_numpy, is_plain
from sb3_ext.fast.training_flag import TrainingSwitch

PLAIN: list[nn.Module] = [
    nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2, bias=False), nn.Tanh()),
    nn.Sequential(nn.Flatten(), nn.Linear(3, 1), CenteredSigmoid()),
    nn.Sequential(),
    DuelingHead(3, 4, []),
    DuelingHead(3, 4, [5]),
    DuelingHead(3, 4, [6, 5], nn.Tanh),
]


@pytest.mark.parametrize("network", PLAIN, ids=str)
def test_numpy_computes_what_torch_computes(network: nn.Module) -> None:
    assert is_plain(network)
    x = th.randn(5, 3)
    before = x.clone()
    for _ in range(2):
        with th.no_grad():
            np.testing.assert_allclose(forward_numpy(network, x.numpy()), network(x), rtol=1e-5, atol=1e-6)
            for parameter in network.parameters():
                parameter.add_(0.1)  # in place, as an optimizer does
    assert th.equal(x, before)


@pytest.mark.parametrize(
    "network",
    [
        nn.Sequential(nn.Linear(3, 2), nn.ELU()),
        nn.Sequential(nn.Linear(3, 2), nn.Dropout()),
        nn.Linear(3, 2).double(),
        DuelingHead(3, 4, [5], nn.GELU),
    ],
    ids=str,
)
def test_other_networks_are_left_to_torch(network: nn.Module) -> None:
    assert not is_plain(network)


def test_networks_with_hooks_are_left_to_torch() -> None:
    network = nn.Linear(3, 2)
    network.register_forward_hook(lambda module, inputs, output: None)
    assert not is_plain(network)


def training_actions(model: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[np.ndarray, list[int]]:
    """What the model answers in training, and how many NumPy passes that took."""
    calls: list[int] = []
    original = acting.forward_numpy
    monkeypatch.setattr(acting, "forward_numpy", lambda *args: calls.append(1) or original(*args))
    model.learning_starts = 10**6
    model.learn(2 * model.n_envs)
    calls.clear()
    actions, _ = model._sample_action(0, None, model.n_envs)
    return actions, calls


@pytest.mark.parametrize("n_envs", [1, 3])
@pytest.mark.parametrize("algorithm", [DDPG, DuelingDQN])
def test_training_acts_as_predict_does(algorithm: Any, n_envs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    env = make_vec_env("Pendulum-v1" if algorithm is DDPG else "CartPole-v1", n_envs)
    options = {} if algorithm is DDPG else {"exploration_initial_eps": 0.0, "exploration_final_eps": 0.0}
    model = algorithm("MlpPolicy", env, seed=0, device="cpu", buffer_size=100, **options)
    actions, calls = training_actions(model, monkeypatch)
    np.testing.assert_allclose(actions, model.predict(model._last_obs, deterministic=True)[0], rtol=1e-5, atol=1e-6)
    assert calls


def test_many_environments_and_other_policies_are_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    many = make_vec_env("Pendulum-v1", SMALL_BATCH + 1)
    model = DDPG("MlpPolicy", many, seed=0, device="cpu", buffer_size=100)
    actions, calls = training_actions(model, monkeypatch)
    np.testing.assert_allclose(actions, model.predict(model._last_obs)[0], rtol=1e-5, atol=1e-6)
    assert not calls

    class Opposite(DDPG.policy_aliases["MlpPolicy"]):  # type: ignore[misc]
        def _predict(self, observation: Any, deterministic: bool = False) -> th.Tensor:
            action: th.Tensor = -super()._predict(observation, deterministic)
            return action

    model = DDPG(Opposite, "Pendulum-v1", seed=0, device="cpu", buffer_size=100)
    actions, calls = training_actions(model, monkeypatch)
    np.testing.assert_allclose(actions, model.predict(model._last_obs)[0], rtol=1e-5, atol=1e-6)
    assert not calls


def test_observations_that_are_no_vectors_are_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    class Numbered(gym.Env[int, np.ndarray]):
        observation_space = spaces.Discrete(3)
        action_space = spaces.Box(-1, 1, (1,))

        def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[int, dict[str, Any]]:
            super().reset(seed=seed)
            return 1, {}

        def step(self, action: np.ndarray) -> tuple[int, float, bool, bool, dict[str, Any]]:
            return 2, 0.0, False, False, {}

    model = DDPG("MlpPolicy", Numbered(), seed=0, device="cpu", buffer_size=100)
    actions, calls = training_actions(model, monkeypatch)
    np.testing.assert_allclose(actions, model.predict(model._last_obs)[0], rtol=1e-5, atol=1e-6)
    assert not calls


@pytest.mark.parametrize("custom", [False, True])
def test_switch_sets_what_train_sets(custom: bool) -> None:
    class Frozen(nn.BatchNorm1d):
        def train(self, mode: bool = True) -> "Frozen":
            return super().train(False)

    def make() -> nn.Sequential:
        return nn.Sequential(nn.Linear(2, 2), nn.Sequential(Frozen(2) if custom else nn.BatchNorm1d(2)), nn.Dropout())

    switched, trained, switch = make(), make(), TrainingSwitch()
    for mode in (False, True, False):
        switch([switched], mode)
        trained.train(mode)
        assert [m.training for m in switched.modules()] == [m.training for m in trained.modules()]
