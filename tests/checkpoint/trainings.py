"""Trainings that end within a second, one for every algorithm and kind of environment."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import ale_py
import gymnasium as gym
import numpy as np
from gymnasium.wrappers import NormalizeObservation, RecordEpisodeStatistics
from sb3_contrib import QRDQN, TQC, TRPO, CrossQ, RecurrentPPO
from stable_baselines3 import A2C, DDPG, DQN, PPO, SAC, TD3
from stable_baselines3.common.atari_wrappers import AtariWrapper
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.noise import NormalActionNoise, OrnsteinUhlenbeckActionNoise
from stable_baselines3.common.vec_env import SubprocVecEnv, VecEnv, VecFrameStack, VecNormalize

import sb3_ext
from sb3_ext.vec_env import GymnasiumVecEnv
from sb3_ext.wrappers import TerminalPenalty

gym.register_envs(ale_py)

SMALL = dict(policy_kwargs=dict(net_arch=[8]), seed=0)
REPLAY: dict[str, Any] = dict(learning_starts=20, buffer_size=90, batch_size=8, **SMALL)
ROLLOUT: dict[str, Any] = dict(n_steps=16, batch_size=16, **SMALL)


def wrapped_pendulum() -> gym.Env[Any, Any]:
    env = RecordEpisodeStatistics(gym.make("Pendulum-v1", max_episode_steps=30))
    return TerminalPenalty(NormalizeObservation(env), -1.0)


def image() -> VecEnv:
    return VecFrameStack(
        make_vec_env("MsPacmanNoFrameskip-v4", 1, wrapper_class=AtariWrapper, wrapper_kwargs=dict(screen_size=36)), 4
    )


def native() -> VecEnv:
    return GymnasiumVecEnv(gym.make_vec("AdSpendShock-v0", num_envs=4))


def cart_poles() -> VecEnv:
    return GymnasiumVecEnv(gym.make_vec("CartPole-v1", num_envs=2))


def normalized() -> VecEnv:
    return VecNormalize(make_vec_env("Pendulum-v1", 2))


def several(env_id: str = "Acrobot-v1") -> VecEnv:
    return make_vec_env(env_id, 2)


def in_processes() -> VecEnv:
    return make_vec_env("CartPole-v1", 2, vec_env_cls=SubprocVecEnv)


class Training:
    """How to make a model, with what environments, and for how many steps."""

    def __init__(
        self,
        algorithm: type[BaseAlgorithm],
        env: str | Callable[[], Any],
        steps: int = 100,
        every: int = 30,
        **options: Any,
    ) -> None:
        policy = options.pop("policy", "MlpPolicy")
        self.steps, self.every, self.algorithm = steps, every, algorithm
        self.made_again = isinstance(env, str)
        self.make_env = (lambda: env) if isinstance(env, str) else env
        self._policy, self._options = policy, options

    def make(self) -> BaseAlgorithm:
        return self.algorithm(self._policy, self.make_env(), **deepcopy(self._options))


TRAININGS: dict[str, Training] = {
    "ddpg": Training(
        sb3_ext.DDPG, "Pendulum-v1", action_noise=OrnsteinUhlenbeckActionNoise(np.zeros(1), 0.1 * np.ones(1)), **REPLAY
    ),
    "ddpg on unknown curves": Training(
        sb3_ext.DDPG, "AdSpendUncertain-v0", action_noise=NormalActionNoise(np.zeros(2), 0.1 * np.ones(2)), **REPLAY
    ),
    "ddpg with wrappers": Training(sb3_ext.DDPG, wrapped_pendulum, n_steps=2, **REPLAY),
    "dueling_dqn, prioritized": Training(
        sb3_ext.DuelingDQN, "CartPole-v1", prioritized_replay=True, n_steps=3, train_freq=4, **REPLAY
    ),
    "dueling_dqn, several": Training(sb3_ext.DuelingDQN, several, **REPLAY),
    "ppo_penalty": Training(sb3_ext.PPOPenalty, "CartPole-v1", **ROLLOUT),
    "ppo_fast": Training(sb3_ext.fast.PPO, "CartPole-v1", **ROLLOUT),
    "reinforce": Training(sb3_ext.REINFORCE, "CartPole-v1", steps=600, every=100, **SMALL),
    "genetic": Training(
        sb3_ext.GeneticSearch, "CartPole-v1", steps=800, every=100, population_size=6, n_survivors=2, **SMALL
    ),
    "policy_search": Training(
        sb3_ext.PolicySearch, "CartPole-v1", steps=800, every=100, strategy="hill_climbing", population_size=6, **SMALL
    ),
    "q_learning": Training(sb3_ext.QLearning, "Taxi-v4", seed=0),
    "sb3 ddpg": Training(DDPG, "MountainCarContinuous-v0", **REPLAY),
    "td3": Training(TD3, "Pendulum-v1", **REPLAY),
    "sac": Training(SAC, "Pendulum-v1", use_sde=True, train_freq=8, gradient_steps=2, **REPLAY),
    "dqn": Training(
        DQN,
        "CartPole-v1",
        optimize_memory_usage=True,
        replay_buffer_kwargs=dict(handle_timeout_termination=False),
        **REPLAY,
    ),
    "dqn on images": Training(
        DQN,
        image,
        learning_starts=20,
        buffer_size=60,
        batch_size=2,
        train_freq=20,
        steps=100,
        every=30,
        **SMALL,
    ),
    "qrdqn": Training(QRDQN, "MountainCar-v0", **REPLAY),
    "tqc": Training(TQC, "Pendulum-v1", **REPLAY),
    "crossq": Training(CrossQ, "Pendulum-v1", **REPLAY),
    "a2c": Training(A2C, "CartPole-v1", **SMALL),
    "ppo, normalized": Training(PPO, normalized, use_sde=True, **ROLLOUT),
    "ppo, native": Training(PPO, native, **ROLLOUT),
    "ppo, vector of Gymnasium": Training(PPO, cart_poles, **ROLLOUT),
    "ppo, processes": Training(PPO, in_processes, **ROLLOUT),
    "trpo": Training(TRPO, "CartPole-v1", **ROLLOUT),
    "recurrent ppo": Training(
        RecurrentPPO,
        "CartPole-v1",
        policy="MlpLstmPolicy",
        n_steps=16,
        batch_size=16,
        policy_kwargs=dict(net_arch=[8], lstm_hidden_size=4),
        seed=0,
    ),
}
