"""Bad arguments are refused at the door; an environment that never ends an episode is an error, not a hang."""

import pathlib
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.envs import IdentityEnv
from stable_baselines3.common.vec_env import DummyVecEnv

from sb3_ext.genetic import GeneticSearch


def make(env: Any = None, policy: str = "MlpPolicy", **kwargs: Any) -> GeneticSearch:
    defaults: dict[str, Any] = {"population_size": 4, "n_survivors": 2, "policy_kwargs": {"net_arch": [4]}}
    return GeneticSearch(policy, env or IdentityEnv(2, ep_length=5), **{**defaults, **kwargs})


BAD: list[tuple[str, Any]] = [
    ("population_size", 1),
    ("population_size", 10.0),
    ("population_size", True),
    ("n_survivors", 0),
    ("n_survivors", 4),
    ("n_survivors", None),
    ("mutation_std", -0.1),
    ("mutation_std", float("nan")),
    ("mutation_std", "exp_0.1"),
    ("mutation_std", lambda progress: 1 - 2 * progress),
    ("n_eval_episodes", 0),
    ("n_eval_episodes", 1.5),
    ("reevaluate_survivors", "yes"),
    ("n_proof_episodes", 0),
    ("target_return", float("inf")),
    ("target_return", "500"),
    ("max_episode_steps", 0),
    ("max_episode_steps", None),
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
            GeneticSearch.load(tmp_path / "model", **{name: value})


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


def test_an_environment_without_end_that_has_nothing_to_play_does_no_harm() -> None:
    lengths = [NeverEnding(50), *(NeverEnding(2) for _ in range(3)), NeverEnding()]
    model = make(DummyVecEnv([lambda e=e: e for e in lengths]), max_episode_steps=50).learn(10)  # type: ignore[misc]
    assert model.generation == 1


def test_longest_episode_allowed() -> None:
    make(NeverEnding(50), max_episode_steps=50).learn(100)
    with pytest.raises(RuntimeError, match="max_episode_steps=49"):
        make(NeverEnding(50), max_episode_steps=49).learn(100)


def test_default_bound_ends_within_seconds() -> None:
    assert make().max_episode_steps <= 50_000


@pytest.mark.parametrize("reward", [np.nan, np.inf])
def test_non_finite_return_is_an_error_that_no_search_skips(reward: float) -> None:
    model = make(NeverEnding(5, reward))
    with pytest.raises(RuntimeError, match=r"generation 1 has a return that is not finite") as error:
        model.learn(10)
    assert "\n" not in str(error.value)
    assert not model.population.episodes.any() and model.generation == 0


def test_unsupported_action_space() -> None:
    env = NeverEnding()
    env.action_space = spaces.MultiDiscrete([2, 2])  # type: ignore[assignment]
    with pytest.raises(AssertionError, match="only supports"):
        make(env)
