"""DDPG in the battery."""

from typing import Any

import numpy as np
import torch as th
from algorithm_battery import Case, identity_box, several
from gymnasium import spaces
from stable_baselines3.common.buffers import NStepReplayBuffer
from stable_baselines3.common.envs import FakeImageEnv, SimpleMultiObsEnv
from stable_baselines3.common.noise import NormalActionNoise, OrnsteinUhlenbeckActionNoise
from stable_baselines3.common.vec_env import VecEnv
from torch import nn

from sb3_ext import DDPG

ZERO, SIGMA = np.zeros(1), np.full(1, 0.3)
NORMAL = NormalActionNoise(ZERO, SIGMA)
OU = OrnsteinUhlenbeckActionNoise(ZERO, SIGMA, dt=1.0)
NAN, INF = float("nan"), float("inf")

pendulum = several("Pendulum-v1", env_kwargs={"max_episode_steps": 10})
images = several(lambda: FakeImageEnv(2, 36, 36, discrete=False))
dictionaries = several(lambda: SimpleMultiObsEnv(discrete_actions=False))
IMAGES = {"policy": "CnnPolicy", "env": images, "learning_starts": 8, "batch_size": 4}
SMALL = {"net_arch": [8], "features_extractor_kwargs": {"cnn_output_dim": 16}}
DICT = {"policy": "MultiInputPolicy", "env": dictionaries, "policy_kwargs": SMALL}


def env(n_envs: int = 1) -> VecEnv:
    return identity_box(n_envs, ep_length=10)


def make(env_: Any = None, policy: Any = "MlpPolicy", seed: int | None = 0, **kwargs: Any) -> DDPG:
    defaults: dict[str, Any] = {
        "learning_starts": 20,
        "batch_size": 8,
        "buffer_size": 200,
        "policy_kwargs": {"net_arch": [8, 8]},
    }
    return DDPG(policy, env_ or env(), seed=seed, device="cpu", **{**defaults, **kwargs})


CASE = Case(
    algorithm=DDPG,
    make=make,
    env=env,
    steps=60,
    options={
        "defaults": {},
        "steps": {"train_freq": (4, "step"), "gradient_steps": 2},
        "as many gradient steps": {"train_freq": 5, "gradient_steps": -1},
        "no gradient steps": {"gradient_steps": 0},
        "n-step": {"n_steps": 3, "gamma": 0.9},
        "n-step, own class": {"n_steps": 3, "replay_buffer_class": NStepReplayBuffer},
        "huber, clipping": {"critic_loss": "huber", "max_grad_norm": 0.5},
        "normal noise": {"action_noise": NORMAL},
        "OU noise": {"action_noise": OU},
        "one critic rate": {"critic_learning_rate": None},
        "schedules": {"learning_rate": lambda p: 1e-3 * p, "critic_learning_rate": "lin_2e-3"},
        "linear actor rate": {"learning_rate": "lin_0.01", "critic_learning_rate": lambda p: 1e-4 + p},
        "memory": {"optimize_memory_usage": True, "replay_buffer_kwargs": {"handle_timeout_termination": False}},
        "the paper": {
            "policy_kwargs": {"net_arch": [8, 6], "action_layer": 1, "final_init": 3e-3, "initial_action": -0.5},
            "critic_weight_decay": 1e-2,
            "tau": 0.001,
        },
        "policy": {
            "policy_kwargs": {
                "net_arch": {"pi": [4], "qf": [8, 6, 4]},
                "squash": "sigmoid",
                "invert_gradients": True,
                "action_layer": 2,
                "activation_fn": nn.Tanh,
                "optimizer_class": th.optim.RMSprop,
                "optimizer_kwargs": {"eps": 1e-4},
            }
        },
        "other": {"tau": 1.0, "gamma": 0.0, "stats_window_size": 7, "learning_starts": 0, "seed": None},
    },
    spaces={
        "images": {**IMAGES, "policy_kwargs": {"net_arch": [8]}},
        "normalised images": {
            **IMAGES,
            "policy_kwargs": {
                "net_arch": [8],
                "normalize_images": False,
                "features_extractor_kwargs": {"features_dim": 16},
            },
        },
        "dictionaries": DICT,
        "dictionaries, n-step": {**DICT, "n_steps": 3},
    },
    bad=[
        ("tau", 0.0),
        ("tau", 1.1),
        ("tau", NAN),
        ("gamma", -0.1),
        ("gamma", 1.01),
        ("gamma", "0.9"),
        ("batch_size", 0),
        ("batch_size", 8.0),
        ("buffer_size", 0),
        ("buffer_size", True),
        ("learning_starts", -1),
        ("gradient_steps", -2),
        ("n_steps", 0),
        ("n_steps", "3"),
        ("train_freq", 0),
        ("train_freq", (0, "episode")),
        ("train_freq", (1, "hour"), "unit of the `train_freq` must be"),
        ("critic_loss", "mae"),
        ("critic_loss", ["mse"]),
        ("critic_weight_decay", -1e-3),
        ("critic_weight_decay", INF),
        ("max_grad_norm", 0.0),
        ("max_grad_norm", NAN),
        ("action_noise", 0.1),
        ("learning_rate", -1e-3),
        ("learning_rate", INF),
        ("learning_rate", lambda progress: 1 - 2 * progress),
        ("critic_learning_rate", NAN),
        ("critic_learning_rate", "exp_0.1"),
        ("critic_learning_rate", "lin_fast"),
        ("critic_learning_rate", "lin_-0.1"),
        ("critic_learning_rate", "1e-3"),
        ("critic_learning_rate", [1e-3]),
        ("critic_learning_rate", True),
    ],
    dictionaries={
        "policy_kwargs": {"net_arch": [8], "optimizer_kwargs": {"eps": 1e-5}},
        "replay_buffer_kwargs": {"handle_timeout_termination": True},
    },
    seeded={"n-step": {"env": pendulum, "n_steps": 3}, "OU noise": {"env": pendulum, "action_noise": OU}},
    continued={"defaults": {"env": pendulum, "critic_weight_decay": 0.1, "critic_learning_rate": "lin_0.1"}},
    unsupported=spaces.Discrete(2),
    log_options={"learning_rate": 1e-3, "critic_learning_rate": lambda p: 1e-2 * p},
    # the last row is written at step 60, before its update: rates and counts are those of step 59
    logged={
        **dict.fromkeys(("train/actor_loss", "train/critic_loss")),
        "train/learning_rate": 1e-3,
        "train/critic_learning_rate": 1e-2 / 60,
        "train/n_updates": 39,
    },
)
