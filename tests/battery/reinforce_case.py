"""REINFORCE in the battery."""

from typing import Any

import torch as th
from algorithm_battery import Case, identity, identity_box, several
from gymnasium import spaces
from stable_baselines3.common.envs import (
    FakeImageEnv,
    IdentityEnvMultiBinary,
    IdentityEnvMultiDiscrete,
    SimpleMultiObsEnv,
)

from sb3_ext import REINFORCE

NAN, INF = float("nan"), float("inf")
VALUE = {"baseline": "value"}
SQUASHED = {"use_sde": True, "policy_kwargs": {"squash_output": True}}
cart_pole = several("CartPole-v1")


def make(env: Any = None, policy: Any = "MlpPolicy", seed: int | None = 0, **kwargs: Any) -> REINFORCE:
    defaults: dict[str, Any] = {"n_episodes": 4, "policy_kwargs": {"net_arch": [8]}}
    return REINFORCE(policy, env or identity(), seed=seed, device="cpu", **{**defaults, **kwargs})


CASE = Case(
    algorithm=REINFORCE,
    make=make,
    env=identity,
    steps=60,
    options={
        "defaults": {},
        "mean": {"baseline": "mean", "normalize_advantage": False},
        "value": {**VALUE, "vf_coef": 0.1, "gamma": 1.0},
        "the paper": {
            "normalize_advantage": False,
            "learning_rate": 0.1,
            "policy_kwargs": {"optimizer_class": th.optim.SGD},
        },
        "entropy, clipping": {"ent_coef": 0.1, "max_grad_norm": 0.5},
        "bounds": {"max_steps": 7, "max_episode_steps": 5},
        "schedule": {"learning_rate": lambda p: 1e-3 * p},
        "linear rate": {"learning_rate": "lin_0.01"},
        "policy": {
            **VALUE,
            "policy_kwargs": {
                "net_arch": {"pi": [4], "vf": [6, 4]},
                "activation_fn": th.nn.ELU,
                "ortho_init": False,
                "share_features_extractor": False,
                "optimizer_kwargs": {"eps": 1e-4},
            },
        },
        "other": {"n_episodes": 1, "gamma": 0.0, "stats_window_size": 7, "seed": None},
        "small noise": {"env": identity_box, "policy_kwargs": {"log_std_init": -1.0}},
        "gSDE": {"env": identity_box, "use_sde": True},
        "gSDE, squashed": {"env": identity_box, "sde_sample_freq": 2, **SQUASHED},
    },
    spaces={
        "Box": {"env": identity_box, **VALUE},
        "MultiDiscrete": {"env": several(lambda: IdentityEnvMultiDiscrete(3, 5)), **VALUE},
        "MultiBinary": {"env": several(lambda: IdentityEnvMultiBinary(3, 5)), **VALUE},
        "images": {
            "env": several(lambda: FakeImageEnv(2, 36, 36)),
            "policy": "CnnPolicy",
            "policy_kwargs": {"features_extractor_kwargs": {"features_dim": 16}},
            "n_episodes": 2,
        },
        "dictionaries": {
            "env": several(SimpleMultiObsEnv),
            "policy": "MultiInputPolicy",
            "policy_kwargs": {"net_arch": [8], "features_extractor_kwargs": {"cnn_output_dim": 16}},
            **VALUE,
        },
    },
    bad=[
        ("n_episodes", 0),
        ("n_episodes", 2.0),
        ("n_episodes", True),
        ("max_steps", 0),
        ("max_steps", "many"),
        ("max_episode_steps", 0),
        ("max_episode_steps", None),
        ("gamma", -0.1),
        ("gamma", 1.01),
        ("gamma", NAN),
        ("baseline", "median"),
        ("baseline", None),
        ("baseline", ["mean"]),
        ("normalize_advantage", "yes"),
        ("ent_coef", -0.01),
        ("ent_coef", INF),
        ("vf_coef", -1),
        ("vf_coef", "0.5"),
        ("max_grad_norm", 0.0),
        ("max_grad_norm", NAN),
        ("sde_sample_freq", 0),
        ("sde_sample_freq", -2),
        ("learning_rate", -1e-3),
        ("learning_rate", INF),
        ("learning_rate", "exp_0.1"),
        ("learning_rate", lambda progress: 1 - 2 * progress),
    ],
    dictionaries={"policy_kwargs": {"net_arch": [8], "optimizer_kwargs": {"eps": 1e-5}}},
    seeded={"none": {"env": cart_pole}, "value": {"env": cart_pole, **VALUE, "ent_coef": 0.01}},
    continued={"linear rate": {"env": cart_pole, "learning_rate": "lin_0.01"}},
    not_finite=r"loss (nan|inf) after 0 updates",
    unsupported=spaces.Tuple([spaces.Discrete(2)]),
    log_options={"env": identity_box, **VALUE, "learning_rate": lambda p: 1e-2 * p, "n_episodes": 3},
    # the last row is written at step 60, before its update: rate and count are those of step 45
    logged={
        **dict.fromkeys(f"train/{key}" for key in ("policy_loss", "value_loss", "entropy_loss", "std")),
        **dict.fromkeys(("train/explained_variance", "time/iterations")),
        "train/learning_rate": 1e-2 / 4,
        "train/n_updates": 3,
    },
)
