"""Small models of every algorithm, with the arguments that people give."""

import functools
import io
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import gymnasium as gym
import numpy as np
import sb3_contrib
import stable_baselines3
import torch as th
from gymnasium import spaces
from sb3_contrib.common.envs import InvalidActionEnvDiscrete
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.envs import BitFlippingEnv, SimpleMultiObsEnv
from stable_baselines3.common.noise import NormalActionNoise, OrnsteinUhlenbeckActionNoise, VectorizedActionNoise
from stable_baselines3.common.utils import LinearSchedule, set_random_seed

import sb3_ext
from sb3_ext.replay import PrioritizedReplayBuffer

SMALL = {"net_arch": [4]}
NOISE = {"action_noise": NormalActionNoise(np.zeros(1), np.full(1, 0.2))}
OFF_POLICY: dict[str, Any] = {"learning_starts": 10, "buffer_size": 100, "batch_size": 4, "seed": 1}
ON_POLICY: dict[str, Any] = {"n_steps": 16, "seed": 1}

Make = Callable[[], BaseAlgorithm]


def model(
    name: str, env: str | Callable[[], gym.Env[Any, Any]], policy: str = "MlpPolicy", **arguments: Any
) -> tuple[str, Make, Callable[[], gym.Env[Any, Any]]]:
    """A model that has learned for a few steps, by the algorithm's name in SB3, contrib or here."""
    package, _, name_there = name.rpartition(".")
    algorithm = getattr(
        {"": stable_baselines3, "contrib": sb3_contrib, "ext": sb3_ext, "fast": sb3_ext.fast}[package], name_there
    )

    def make_env() -> gym.Env[Any, Any]:
        set_random_seed(3)
        made: gym.Env[Any, Any] = gym.make(env) if isinstance(env, str) else env()
        made.action_space.seed(3)
        return made

    def make() -> BaseAlgorithm:
        # a copy, since SB3 adds to policy_kwargs
        trained: BaseAlgorithm = algorithm(policy, make_env(), device="cpu", **deepcopy(arguments))
        return trained.learn(200 if name in ("ext.GeneticSearch", "ext.PolicySearch", "contrib.ARS") else 20)

    return name, make, make_env


MODELS = [
    model("A2C", "CartPole-v1", **ON_POLICY),
    model("PPO", "CartPole-v1", **ON_POLICY, batch_size=8, n_epochs=2, clip_range=LinearSchedule(0.2, 0.1, 1.0)),
    model(
        "PPO",
        "Pendulum-v1",
        **ON_POLICY,
        batch_size=8,
        n_epochs=2,
        clip_range_vf=0.3,
        policy_kwargs={
            "net_arch": {"pi": [4], "vf": [5, 3]},
            "activation_fn": functools.partial(th.nn.LeakyReLU, negative_slope=0.2),
            "optimizer_class": th.optim.AdamW,
            "optimizer_kwargs": {"weight_decay": 0.01},
        },
        use_sde=True,
    ),
    model("DQN", "CartPole-v1", **OFF_POLICY, policy_kwargs=SMALL, exploration_fraction=0.5),
    model("DDPG", "Pendulum-v1", **OFF_POLICY, **NOISE, policy_kwargs=SMALL),
    model(
        "TD3",
        "Pendulum-v1",
        **OFF_POLICY,
        policy_kwargs={"net_arch": {"pi": [4], "qf": [5]}, "activation_fn": th.nn.Tanh},
        train_freq=(2, "step"),
        learning_rate=LinearSchedule(1e-3, 0.0, 1.0),
        action_noise=VectorizedActionNoise(OrnsteinUhlenbeckActionNoise(np.zeros(1), np.full(1, 0.1)), 1),
    ),
    model("SAC", "Pendulum-v1", **OFF_POLICY, policy_kwargs=SMALL, ent_coef="auto_0.1", target_entropy=-2.0),
    model(
        "SAC",
        lambda: BitFlippingEnv(4, continuous=True),
        "MultiInputPolicy",
        **OFF_POLICY,
        policy_kwargs=SMALL,
        replay_buffer_class=stable_baselines3.HerReplayBuffer,
        replay_buffer_kwargs={"n_sampled_goal": 2, "goal_selection_strategy": "final"},
    ),
    model(
        "DQN",
        lambda: SimpleMultiObsEnv(2, 2),
        "MultiInputPolicy",
        **OFF_POLICY,
        policy_kwargs={**SMALL, "features_extractor_kwargs": {"cnn_output_dim": 4}},
    ),
    model("contrib.QRDQN", "CartPole-v1", **OFF_POLICY, policy_kwargs={**SMALL, "n_quantiles": 5}),
    model("contrib.TQC", "Pendulum-v1", **OFF_POLICY, policy_kwargs={**SMALL, "n_critics": 1}),
    model("contrib.CrossQ", "Pendulum-v1", **OFF_POLICY, policy_kwargs=SMALL),
    model("contrib.TRPO", "CartPole-v1", **ON_POLICY, batch_size=8),
    model("contrib.ARS", "CartPole-v1", "LinearPolicy", n_delta=2, seed=1),
    model(
        "contrib.RecurrentPPO",
        "CartPole-v1",
        "MlpLstmPolicy",
        **ON_POLICY,
        batch_size=8,
        n_epochs=1,
        policy_kwargs={"lstm_hidden_size": 4, "net_arch": [4]},
    ),
    model("contrib.MaskablePPO", lambda: InvalidActionEnvDiscrete(4, 2), **ON_POLICY, batch_size=8, n_epochs=1),
    model("ext.DDPG", "Pendulum-v1", **OFF_POLICY, **NOISE, policy_kwargs=SMALL),
    model(
        "ext.DDPG",
        "AdSpend-v0",
        **OFF_POLICY,
        policy_kwargs={**SMALL, "invert_gradients": True},
        learning_rate="lin_0.001",
        replay_buffer_class=PrioritizedReplayBuffer,
    ),
    model("ext.DuelingDQN", "CartPole-v1", **OFF_POLICY, policy_kwargs=SMALL, n_steps=2),
    model("ext.REINFORCE", "CartPole-v1", seed=1, policy_kwargs=SMALL),
    model("ext.PPOPenalty", "CartPole-v1", **ON_POLICY, batch_size=8),
    model("fast.PPO", "CartPole-v1", **ON_POLICY, batch_size=8),
    model("ext.A3C", "CartPole-v1", **ON_POLICY, n_workers=1),
    model("ext.GeneticSearch", "CartPole-v1", "LinearPolicy", population_size=4, n_survivors=2, seed=1),
    model(
        "ext.PolicySearch",
        "CartPole-v1",
        policy_kwargs=SMALL,
        strategy="hill_climbing",
        strategy_kwargs={"noise_std": 0.3},
        population_size=4,
        seed=1,
    ),
    model("ext.PolicySearch", "CartPole-v1", "LinearPolicy", strategy="nelder_mead", population_size=4, seed=1),
    model("ext.QLearning", "FrozenLake-v1", "TablePolicy", seed=1),
]


def saved(trained: BaseAlgorithm) -> io.BytesIO:
    """The file of a model."""
    file = io.BytesIO()
    trained.save(file)
    file.seek(0)
    return file


def observations(space: spaces.Space[Any]) -> list[Any]:
    """A few of a space."""
    space.seed(1)
    return [space.sample() for _ in range(5)]


def acts(trained: BaseAlgorithm) -> list[Any]:
    """Deterministic actions."""
    return [trained.predict(one, deterministic=True)[0].tolist() for one in observations(trained.observation_space)]
