"""Bad arguments are refused at the door; an environment that never ends an episode is an error, not a hang."""

import pathlib
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.envs import IdentityEnv
from stable_baselines3.common.vec_env import DummyVecEnv

from sb3_ext.reinforce import REINFORCE


def make(env: Any = None, policy: str = "MlpPolicy", **kwargs: Any) -> REINFORCE:
    kwargs = {"policy_kwargs": {"net_arch": [4]}, **kwargs}
    return REINFORCE(policy, env or IdentityEnv(2, ep_length=5), device="cpu", **kwargs)


BAD: list[tuple[str, Any]] = [
    ("n_episodes", 0),
    ("n_episodes", 2.0),
    ("n_episodes", True),
    ("max_steps", 0),
    ("max_steps", "many"),
    ("max_episode_steps", 0),
    ("max_episode_steps", None),
    ("gamma", -0.1),
    ("gamma", 1.01),
    ("gamma", float("nan")),
    ("baseline", "median"),
    ("baseline", None),
    ("baseline", ["mean"]),
    ("normalize_advantage", "yes"),
    ("ent_coef", -0.01),
    ("ent_coef", float("inf")),
    ("vf_coef", -1),
    ("vf_coef", "0.5"),
    ("max_grad_norm", 0.0),
    ("max_grad_norm", float("nan")),
    ("sde_sample_freq", 0),
    ("sde_sample_freq", -2),
    ("learning_rate", -1e-3),
    ("learning_rate", float("inf")),
    ("learning_rate", "exp_0.1"),
    ("learning_rate", lambda progress: 1 - 2 * progress),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_bad_value(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name) as error:
        make(**{name: value})
    assert "\n" not in str(error.value)


def test_bad_value_at_load(tmp_path: pathlib.Path) -> None:
    make().save(tmp_path / "model")
    for name, value in BAD:
        with pytest.raises(ValueError, match=name):
            REINFORCE.load(tmp_path / "model", **{name: value})


def test_state_dependent_exploration_needs_a_box(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match="gSDE"):
        make(use_sde=True)
    make().save(tmp_path / "model")
    with pytest.raises(ValueError, match="use_sde=True"):
        REINFORCE.load(tmp_path / "model", use_sde=True)


class NeverEnding(gym.Env[np.ndarray, int]):
    """Ends no episode, or all but those of one environment."""

    observation_space = spaces.Box(-1, 1, (1,))
    action_space = spaces.Discrete(2)

    def __init__(self, length: float = np.inf, reward: float = 1.0) -> None:
        self.length, self.reward, self.t = length, reward, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.t = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.t += 1
        return np.zeros(1, np.float32), self.reward, self.t >= self.length, False, {}


def test_environment_without_end() -> None:
    model = make(NeverEnding(), max_episode_steps=50)
    with pytest.raises(RuntimeError, match=r"not ended after max_episode_steps=50 steps.*TimeLimit") as error:
        model.learn(10)
    assert "\n" not in str(error.value)
    assert model.num_timesteps == 50


def test_one_of_several_environments_without_end() -> None:
    env = DummyVecEnv([lambda: NeverEnding(3), lambda: NeverEnding()])
    with pytest.raises(RuntimeError, match="max_episode_steps=20"):
        make(env, max_episode_steps=20).learn(10)


def test_longest_episode_allowed() -> None:
    make(NeverEnding(50), max_episode_steps=50, n_episodes=2).learn(100)
    with pytest.raises(RuntimeError, match="max_episode_steps=49"):
        make(NeverEnding(50), max_episode_steps=49, n_episodes=2).learn(100)


def test_default_bound_ends_within_seconds() -> None:
    assert make().max_episode_steps <= 50_000


@pytest.mark.parametrize("reward", [np.nan, np.inf])
def test_non_finite_loss_is_an_error_that_no_search_skips(reward: float) -> None:
    model = make(NeverEnding(5, reward))
    before = {name: value.clone() for name, value in model.policy.state_dict().items()}
    with pytest.raises(RuntimeError, match=r"loss (nan|inf) after 0 updates"):
        model.learn(10)
    assert all(value.equal(before[name]) for name, value in model.policy.state_dict().items())


def test_unsupported_action_space() -> None:
    env = NeverEnding()
    env.action_space = spaces.Tuple([spaces.Discrete(2)])  # type: ignore[assignment]
    with pytest.raises(AssertionError, match="only supports"):
        make(env)
