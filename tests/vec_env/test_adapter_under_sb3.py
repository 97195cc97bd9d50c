"""SB3 trains, normalizes, saves and evaluates on Gymnasium's vector environments as on its own."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from stable_baselines3 import DDPG, DQN, PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecEnv, VecFrameStack, VecMonitor, VecNormalize
from vector_envs import MODES, Counters, cart_poles, compare, scripted

from sb3_ext.vec_env import GymnasiumVecEnv


class TestUnderStableBaselines:
    @pytest.mark.parametrize(
        "learn",
        [
            lambda: PPO("MlpPolicy", cart_poles(4), n_steps=32, batch_size=64, n_epochs=1, device="cpu").learn(128),
            lambda: DQN("MlpPolicy", cart_poles(4), learning_starts=40, buffer_size=200, device="cpu").learn(80),
            lambda: DDPG("MlpPolicy", pendulums(2), learning_starts=20, buffer_size=200, device="cpu").learn(60),
            lambda: PPO("MultiInputPolicy", scripted(2, adapted=True), n_steps=16, batch_size=32).learn(32),
        ],
    )
    def test_learns(self, learn: Callable[[], Any]) -> None:
        model = learn()
        assert model.num_timesteps >= 32

    def test_episodes_reach_the_algorithm(self) -> None:
        model = PPO("MlpPolicy", cart_poles(4), n_steps=64, batch_size=64, n_epochs=1, device="cpu").learn(256)
        assert model.ep_info_buffer and all(episode["r"] == episode["l"] for episode in model.ep_info_buffer)

    def test_algorithms_clip_before_the_environment(self) -> None:
        vector = gym.make_vec("Pendulum-v1", 1, "sync")
        seen: list[float] = []
        step = vector.step
        vector.step = lambda actions: (seen.append(float(np.abs(actions).max())), step(actions))[1]
        policy_kwargs = {"log_std_init": 2.0, "net_arch": [8]}
        model = PPO("MlpPolicy", GymnasiumVecEnv(vector), n_steps=64, n_epochs=1, policy_kwargs=policy_kwargs)
        model.learn(64)
        assert max(seen) == 2.0

    def test_normalised_stacked_saved_and_evaluated(self, tmp_path: Path) -> None:
        env = VecFrameStack(VecNormalize(cart_poles(4)), 2)
        model = PPO("MlpPolicy", env, n_steps=32, batch_size=64, n_epochs=1, device="cpu", seed=0).learn(256)
        model.save(tmp_path / "model")
        env.venv.save(tmp_path / "normalize.pkl")

        def evaluate(inner: VecEnv) -> tuple[list[float], list[int]]:
            normalized = VecNormalize.load(str(tmp_path / "normalize.pkl"), inner)
            normalized.training = normalized.norm_reward = False
            loaded = PPO.load(tmp_path / "model", device="cpu")
            normalized.seed(1)
            return evaluate_policy(loaded, VecFrameStack(normalized, 2), 6, return_episode_rewards=True)

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            returns, lengths = evaluate(GymnasiumVecEnv(gym.make_vec("CartPole-v1", 3, "sync")))
        assert (returns, lengths) == evaluate(make_vec_env("CartPole-v1", 3))

    @pytest.mark.parametrize(
        "space", [spaces.MultiBinary(3), spaces.Box(-3, 3, (2,), np.int8), spaces.Box(0, 255, (1,), np.uint8)], ids=str
    )
    @pytest.mark.parametrize("kind", ["sync", "async"])
    def test_actions_that_are_whole_numbers(self, space: spaces.Space[Any], kind: str) -> None:
        makers = [lambda: Strict(space)] * 2
        env = GymnasiumVecEnv(SyncVectorEnv(makers) if kind == "sync" else AsyncVectorEnv(makers))
        model = PPO("MlpPolicy", env, n_steps=16, batch_size=32, n_epochs=1, device="cpu", policy_kwargs=WILD).learn(32)
        evaluate_policy(model, env, n_eval_episodes=2)
        env.close()

    def test_actions_as_a_list(self) -> None:
        env, other = cart_poles(2), cart_poles(2)
        for one in (env, other):
            one.seed(0)
            one.reset()
        compare(env.step([1, 0]), other.step(np.array([1, 0])))
        pendulum = pendulums(2)
        pendulum.reset()
        pendulum.step([[1], [0.5]])
        with pytest.raises(ValueError, match="shape"):
            env.step([1])

    @pytest.mark.parametrize("mode", MODES)
    def test_last_observations_are_copies(self, mode: AutoresetMode) -> None:
        """``VecFrameStack`` writes into them, which may be an environment's own dictionary."""
        adapted = GymnasiumVecEnv(
            SyncVectorEnv([lambda length=length: OneDictionary(length) for length in (2, 3)], autoreset_mode=mode)
        )
        env = VecFrameStack(adapted, 2)
        env.reset()
        seen: list[Any] = []
        for _ in range(12):
            dones, infos = env.step(np.zeros(2, np.int64))[2:]
            seen += [
                (int(index), infos[index]["terminal_observation"]["t"].tolist()) for index in np.flatnonzero(dones)
            ]
        assert seen.count((0, [1, 2])) == 6 and seen.count((1, [2, 3])) == 4 and len(seen) == 10

    def test_under_vec_monitor(self) -> None:
        with pytest.warns(UserWarning, match="Monitor"):
            env = VecMonitor(GymnasiumVecEnv(Counters()))
        env.reset()
        infos = [env.step(np.zeros((3, 1)))[3] for _ in range(4)][3]
        assert infos[2]["episode"]["r"] == 4


WILD = {"log_std_init": 3.0, "net_arch": [8]}


class Strict(gym.Env[Any, Any]):
    """Refuses actions outside of its space."""

    observation_space = spaces.Box(-1, 1, (2,))

    def __init__(self, space: spaces.Space[Any]) -> None:
        self.action_space, self.t = space, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.t = 0
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert action in self.action_space and action.dtype == self.action_space.dtype, action
        self.t += 1
        return self.observation_space.sample(), 1.0, self.t == 5, False, {}


class OneDictionary(gym.Env[Any, Any]):
    """Gives the same dictionary at every step of an episode, and notices what others put into it later."""

    observation_space = spaces.Dict({"t": spaces.Box(0, 10, (1,))})
    action_space = spaces.Discrete(2)

    def __init__(self, length: int) -> None:
        self.length = length
        self.episodes: list[dict[str, Any]] = []

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.episodes.append({"t": np.zeros(1, np.float32)})
        return self.episodes[-1], {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert all(observation["t"].shape == (1,) for observation in self.episodes)
        self.episodes[-1]["t"] += 1
        return self.episodes[-1], 1.0, bool(self.episodes[-1]["t"][0] == self.length), False, {}


def pendulums(n: int) -> GymnasiumVecEnv:
    return GymnasiumVecEnv(gym.make_vec("Pendulum-v1", n, "sync", max_episode_steps=10))
