"""DuelingDQN in the battery."""

from typing import Any

import torch as th
from algorithm_battery import Case, identity, several
from gymnasium import spaces
from stable_baselines3.common.buffers import NStepReplayBuffer
from stable_baselines3.common.envs import FakeImageEnv, SimpleMultiObsEnv
from stable_baselines3.common.vec_env import VecEnv, VecFrameStack
from stable_baselines3.dqn import MlpPolicy as PlainPolicy

from sb3_ext import DuelingDQN
from sb3_ext.replay import FrameReplayBuffer

PRIORITIZED = {"prioritized_replay": True, "n_steps": 3}
cart_pole = several("CartPole-v1")
images = several(lambda: FakeImageEnv(2, 36, 40))
IMAGES = {"policy": "CnnPolicy", "env": images, "learning_starts": 8, "batch_size": 4, "policy_kwargs": {}}
SMALL = {"net_arch": [8], "features_extractor_kwargs": {"cnn_output_dim": 16}}
DICT = {"policy": "MultiInputPolicy", "env": several(SimpleMultiObsEnv), "policy_kwargs": SMALL}


def frames(n_envs: int = 1) -> VecEnv:
    return VecFrameStack(several(lambda: FakeImageEnv(2, 36, 36, n_channels=1))(n_envs), 4)


FRAMES = {**IMAGES, "env": frames, "n_steps": 2, "replay_buffer_class": FrameReplayBuffer}


def env(n_envs: int = 1) -> VecEnv:
    return identity(n_envs, ep_length=10)


def make(env_: Any = None, policy: Any = "MlpPolicy", seed: int | None = 0, **kwargs: Any) -> DuelingDQN:
    defaults: dict[str, Any] = {
        "learning_starts": 20,
        "batch_size": 8,
        "buffer_size": 200,
        "target_update_interval": 10,
        "policy_kwargs": {"net_arch": [8, 8]},
    }
    return DuelingDQN(policy, env_ or env(), seed=seed, device="cpu", **{**defaults, **kwargs})


def half(progress_remaining: float) -> float:
    return 0.5


CASE = Case(
    algorithm=DuelingDQN,
    make=make,
    env=env,
    steps=60,
    options={
        "defaults": {},
        "plain": {"dueling": False, "double_q": False},
        "only dueling": {"double_q": False},
        "only double": {"dueling": False},
        "n-step": {"n_steps": 3, "gamma": 0.9},
        "n-step, SB3's buffer": {"n_steps": 3, "replay_buffer_class": NStepReplayBuffer},
        "prioritized": {"prioritized_replay": True},
        "everything": {**PRIORITIZED, "loss": "mse", "max_grad_norm": None, "tau": 0.1},
        "prioritized, arguments": {
            "prioritized_replay": True,
            "replay_buffer_kwargs": {"alpha": 0.3, "beta": half, "epsilon": 0.01},
        },
        "steps": {"train_freq": (4, "step"), "gradient_steps": 2},
        "as many gradient steps": {"train_freq": 5, "gradient_steps": -1},
        "no gradient steps": {"gradient_steps": 0},
        "soft target": {"tau": 0.01, "target_update_interval": 1},
        "exponential exploration": {"exploration_decay": "exponential", "exploration_fraction": 0.8},
        "own exploration": {"exploration_decay": half},
        "schedule": {"learning_rate": "lin_0.01"},
        "memory": {"optimize_memory_usage": True, "replay_buffer_kwargs": {"handle_timeout_termination": False}},
        "SB3's policy": {"policy": PlainPolicy, "dueling": False},
        "policy": {
            "policy_kwargs": {"net_arch": [], "optimizer_class": th.optim.RMSprop, "optimizer_kwargs": {"eps": 1e-4}}
        },
        "other": {"gamma": 0.0, "stats_window_size": 7, "learning_starts": 0, "seed": None},
    },
    spaces={
        "images": IMAGES,
        "small images": {
            **IMAGES,
            "policy_kwargs": {"features_extractor_kwargs": {"layers": [[8, 5, 5], [8, 3, 2]]}, "net_arch": [16]},
        },
        "images with a fully connected layer": {
            **IMAGES,
            "policy_kwargs": {"features_extractor_kwargs": {"features_dim": 16}, "net_arch": [8]},
        },
        "images in floats": {**IMAGES, "policy_kwargs": {"normalize_images": False}},
        "frames": FRAMES,
        "frames, prioritized": {**FRAMES, "prioritized_replay": True},
        "dictionaries": DICT,
        "dictionaries, prioritized": {**DICT, **PRIORITIZED},
    },
    bad=[
        ("tau", 0.0),
        ("tau", 1.1),
        ("gamma", -0.1),
        ("gamma", float("nan")),
        ("batch_size", 0),
        ("buffer_size", 0),
        ("learning_starts", -1),
        ("gradient_steps", -2),
        ("n_steps", 0),
        ("train_freq", 0),
        ("target_update_interval", 0),
        ("target_update_interval", 2.5),
        ("exploration_fraction", 0.0),
        ("exploration_initial_eps", 1.1),
        ("exploration_final_eps", -0.1),
        ("exploration_decay", "cosine"),
        ("exploration_decay", lambda progress: 2 * progress, "exploration_decay must return a probability"),
        ("exploration_decay", lambda progress: "half", "exploration_decay must return a probability"),
        ("dueling", "no"),
        ("double_q", 0),
        ("prioritized_replay", "no"),
        ("replay_buffer_class", "FrameReplayBuffer"),
        ("replay_buffer_class", int),
        ("max_grad_norm", 0.0),
        ("loss", "mae"),
        ("loss", ["mse"]),
        ("learning_rate", -1e-3),
        ("learning_rate", "lin_fast"),
    ],
    dictionaries={
        "policy_kwargs": {"net_arch": [8], "optimizer_kwargs": {"eps": 1e-5}},
        "replay_buffer_kwargs": {"handle_timeout_termination": True},
    },
    seeded={"uniform": {"env": cart_pole}, "prioritized": {"env": cart_pole, **PRIORITIZED}},
    continued={
        "uniform": {"env": cart_pole, "learning_rate": "lin_0.1"},
        "prioritized": {"env": cart_pole, "learning_rate": "lin_0.1", **PRIORITIZED},
    },
    unsupported=spaces.Box(-1, 1, (1,)),
    # the last row is written at step 60, before its update
    logged={"train/learning_rate": 1e-4, "train/loss": None, "train/n_updates": 9, "rollout/exploration_rate": 0.05},
)
