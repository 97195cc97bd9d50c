"""PPO computes what SB3's PPO computes."""

import copy
import functools
import io
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import stable_baselines3
import torch as th
from algorithm_battery import assert_equal_state, identity_box
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.envs import IdentityEnvMultiBinary, IdentityEnvMultiDiscrete, SimpleMultiObsEnv
from stable_baselines3.common.utils import set_random_seed
from stable_baselines3.common.vec_env import VecEnv
from torch import nn

from sb3_ext.fast import PPO
from sb3_ext.fast.collecting import LeanForward, acting_leanly
from sb3_ext.vec_env import GymnasiumVecEnv

SMALL: dict[str, Any] = {
    "n_steps": 16,
    "batch_size": 16,
    "n_epochs": 2,
    "policy_kwargs": {"net_arch": [8]},
    "seed": 3,
    "device": "cpu",
}


class Table(gym.Env[Any, Any]):
    """Observations and actions are tables."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.observation_space = self.action_space = spaces.Box(-1, 1, shape)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.state = np.zeros(self.observation_space.shape, np.float32)
        return self.state, {}

    def step(self, action: Any) -> Any:
        assert action in self.action_space
        self.state = (self.state + action) / 2
        return self.state, float(self.state.sum()), bool(self.np_random.random() < 0.1), False, {}


def made(env: Any, n_envs: int = 2) -> VecEnv:
    """The same environments at every call, also of those that draw from their spaces."""
    set_random_seed(1)
    envs = make_vec_env(env, n_envs)
    for index, one in enumerate(envs.unwrapped.envs):  # type: ignore[attr-defined]
        one.unwrapped.action_space.seed(index)
    return envs


PENDULUM = functools.partial(made, "Pendulum-v1")
CART_POLE = functools.partial(made, "CartPole-v1", 3)
TABLE = functools.partial(made, lambda: Table((2, 3)))


def train(algorithm: type[Any], env: VecEnv, policy: str = "MlpPolicy", **arguments: Any) -> Any:
    return algorithm(policy, env, **{**SMALL, **arguments}).learn(2 * 16 * env.num_envs)


def assert_near(first: BaseAlgorithm, second: BaseAlgorithm) -> None:
    others = second.policy.state_dict()
    for key, value in first.policy.state_dict().items():
        th.testing.assert_close(others[key], value, rtol=2e-4, atol=2e-6, msg=key)


@pytest.mark.parametrize(
    ("make_env", "arguments"),
    [
        (CART_POLE, {"clip_range": 0.02, "ent_coef": 0.01}),
        (CART_POLE, {"batch_size": 13, "clip_range_vf": lambda progress: 0.1 + progress}),
        (CART_POLE, {"policy_kwargs": {"optimizer_class": th.optim.RMSprop, "activation_fn": nn.ReLU}}),
        (PENDULUM, {"normalize_advantage": False, "learning_rate": lambda progress: 1e-3 * progress}),
        (TABLE, {}),
        (PENDULUM, {"use_sde": True, "sde_sample_freq": 4}),
        (PENDULUM, {"use_sde": True, "policy_kwargs": {"squash_output": True, "net_arch": [8]}}),
        (PENDULUM, {"target_kl": 1e-4, "learning_rate": 1e-2}),
        (functools.partial(made, lambda: IdentityEnvMultiDiscrete(3, 5)), {}),
        (functools.partial(made, lambda: IdentityEnvMultiBinary(3, 5)), {}),
        (functools.partial(made, SimpleMultiObsEnv), {"policy": "MultiInputPolicy"}),
        (lambda: GymnasiumVecEnv(gym.make_vec("AdSpendShock-v0", num_envs=8)), {"gamma": 1.0}),
    ],
)
def test_learns_what_that_of_sb3_learns(make_env: Callable[[], VecEnv], arguments: dict[str, Any]) -> None:
    theirs, ours = (train(algorithm, make_env(), **arguments) for algorithm in (stable_baselines3.PPO, PPO))
    assert_near(theirs, ours)
    assert ours._n_updates == theirs._n_updates
    found = ours.logger.name_to_value
    for key, value in theirs.logger.name_to_value.items():
        if not key.startswith("time/"):
            assert found[key] == pytest.approx(value, rel=1e-3, abs=1e-5), key


def test_compiled_it_learns_the_same() -> None:
    eager, compiled = (train(PPO, CART_POLE(), batch_size=13, compile=mode) for mode in (False, True))
    assert_near(eager, compiled)
    assert compiled._find_gradients.compiles, "it has not given up"
    compiled.policy.value_net = nn.Linear(8, 1)
    compiled.policy.optimizer = th.optim.Adam(compiled.policy.parameters(), eps=1e-5)
    before = compiled.policy.value_net.weight.clone()
    compiled.learn(48, reset_num_timesteps=False)
    assert not th.equal(compiled.policy.value_net.weight, before), "a layer that was replaced learns"


def test_files_of_either_are_loaded_by_the_other() -> None:
    for saver, loader in ((stable_baselines3.PPO, PPO), (PPO, stable_baselines3.PPO)):
        first = train(saver, CART_POLE())
        file = io.BytesIO()
        first.save(file)
        second = loader.load(file, CART_POLE(), device="cpu")
        assert_equal_state(first.policy.state_dict(), second.policy.state_dict())
        for model in (first, second):
            model.set_random_seed(5)
            model.learn(48)
        assert_near(first, second)


@pytest.mark.parametrize("make_env", [CART_POLE, PENDULUM, TABLE])
def test_acting_in_numpy_draws_the_same(make_env: Callable[[], VecEnv]) -> None:
    policy: Any = PPO("MlpPolicy", make_env(), **{**SMALL, "policy_kwargs": {}}).policy
    if hasattr(policy, "log_std"):
        nn.init.constant_(policy.log_std, -0.7)
    observations = th.randn(20, *policy.observation_space.shape)
    with th.no_grad():
        th.manual_seed(1)
        expected = policy(observations)
        state = th.get_rng_state()
        th.manual_seed(1)
        with acting_leanly(policy):
            assert isinstance(policy.forward, LeanForward)
            found = policy(observations)
            twin = copy.deepcopy(policy)
        assert th.equal(th.get_rng_state(), state)
        assert "forward" not in vars(policy)
    th.testing.assert_close(found, expected)
    nn.init.zeros_(policy.value_net.weight)
    assert twin(observations)[1].std() > 0, "a copy made on the way acts by its own networks"


def test_other_policies_act_as_they_are() -> None:
    for arguments in ({"use_sde": True}, {"policy_kwargs": {"activation_fn": nn.ELU}}):
        policy: Any = PPO("MlpPolicy", identity_box(), **{**SMALL, **arguments}).policy
        with acting_leanly(policy):
            assert "forward" not in vars(policy)
    policy = PPO("MlpPolicy", CART_POLE(), **SMALL).policy
    seen: list[int] = []
    policy.action_net.register_forward_hook(lambda *_: seen.append(1))
    with acting_leanly(policy), th.no_grad():
        policy(th.zeros(1, 4))
    assert seen


def test_actions_count_from_the_start_of_the_space() -> None:
    class Strict(gym.Env[Any, Any]):
        observation_space = spaces.Box(-1, 1, (2,))
        action_space = spaces.Discrete(3, start=2)

        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            return np.zeros(2, np.float32), {}

        def step(self, action: Any) -> Any:
            assert action in self.action_space
            return np.zeros(2, np.float32), 0.0, False, False, {}

    train(PPO, make_vec_env(Strict, 2))


@pytest.mark.parametrize("arguments", [{"target_kl": 0.0}, {"max_grad_norm": -1}, {"compile": "fast"}])
def test_bad_arguments_are_named(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"PPO: {next(iter(arguments))}="):
        PPO("MlpPolicy", "CartPole-v1", **arguments)


def test_rewards_that_are_no_numbers_are_reported() -> None:
    model = PPO("MlpPolicy", CART_POLE(), **SMALL)
    model.learn(48)
    model.rollout_buffer.returns[:] = np.nan
    with pytest.raises(RuntimeError, match="non-finite observations and rewards"):
        model.train()
