"""PPOPenalty in the battery."""

from typing import Any

from algorithm_battery import Case, identity, identity_box, several
from gymnasium import spaces
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.envs import (
    FakeImageEnv,
    IdentityEnvMultiBinary,
    IdentityEnvMultiDiscrete,
    SimpleMultiObsEnv,
)

from sb3_ext import PPOPenalty

cart_pole = several("CartPole-v1")


def make(env: Any = None, policy: Any = "MlpPolicy", seed: int | None = 0, **kwargs: Any) -> PPOPenalty:
    defaults: dict[str, Any] = {"n_steps": 8, "batch_size": 4, "n_epochs": 2, "policy_kwargs": {"net_arch": [8]}}
    return PPOPenalty(policy, env or identity(), seed=seed, device="cpu", **{**defaults, **kwargs})


def check(model: PPOPenalty) -> None:
    assert model.beta != model.initial_beta


CASE = Case(
    algorithm=PPOPenalty,
    make=make,
    env=identity,
    steps=40,
    options={
        "defaults": {},
        "penalty": {"target_kl": 0.1, "initial_beta": 3.0},
        "weights": {"ent_coef": 0.1, "vf_coef": 0.1, "max_grad_norm": 0.1, "normalize_advantage": False},
        "batches": {"n_steps": 7, "batch_size": 3, "n_epochs": 1, "gamma": 0.0, "gae_lambda": 1.0},
        "schedule": {"learning_rate": lambda p: 1e-3 * p},
        "linear rate": {"learning_rate": "lin_0.01"},
        "clipped values": {"clip_range_vf": 0.2},
        "no clipping": {"max_grad_norm": None, "clip_range_vf": lambda p: 0.1 + p},
        "other": {"stats_window_size": 7, "seed": None, "rollout_buffer_class": RolloutBuffer},
        "Gaussian": {"env": identity_box},
        "gSDE": {"env": identity_box, "use_sde": True},
        "gSDE, squashed": {
            "env": identity_box,
            "use_sde": True,
            "sde_sample_freq": 2,
            "policy_kwargs": {"squash_output": True},
        },
    },
    spaces={
        "MultiDiscrete": {"env": several(lambda: IdentityEnvMultiDiscrete(3, 5))},
        "MultiBinary": {"env": several(lambda: IdentityEnvMultiBinary(3, 5))},
        "images": {
            "env": several(lambda: FakeImageEnv(2, 36, 36)),
            "policy": "CnnPolicy",
            "policy_kwargs": {"features_extractor_kwargs": {"features_dim": 16}},
        },
        "dictionaries": {
            "env": several(SimpleMultiObsEnv),
            "policy": "MultiInputPolicy",
            "policy_kwargs": {"net_arch": [8], "features_extractor_kwargs": {"cnn_output_dim": 16}},
        },
    },
    bad=[
        *(
            (name, value)
            for name in ("target_kl", "initial_beta")
            for value in (0.0, -1.0, None, True, "0.1", float("nan"), float("inf"))
        ),
        ("learning_rate", -1e-3),
        ("learning_rate", "lin_fast"),
        ("clip_range_vf", 0.0),
        ("clip_range_vf", "0.2"),
        ("max_grad_norm", -1.0),
    ],
    dictionaries={"policy_kwargs": {"net_arch": [8], "optimizer_kwargs": {"eps": 1e-5}}},
    seeded={"defaults": {"env": cart_pole}},
    continued={"defaults": {"env": cart_pole}},
    not_finite=r"loss (nan|inf) after 0 epochs",
    unsupported=spaces.Tuple([spaces.Discrete(2)]),
    log_options={"env": identity_box, "clip_range_vf": 0.2},
    logged={
        **dict.fromkeys(("train/kl", "train/beta", "train/policy_loss")),
        # those of SB3's PPO
        **dict.fromkeys(f"train/{name}" for name in ("loss", "policy_gradient_loss", "value_loss", "entropy_loss")),
        **dict.fromkeys(("train/approx_kl", "train/explained_variance", "train/std", "time/iterations")),
        "train/learning_rate": 3e-4,
        # the last row is written at step 40, before its update
        "train/n_updates": 8,
        "train/clip_range_vf": 0.2,
    },
    state=("num_timesteps", "_n_updates", "beta"),
    check=check,
)
