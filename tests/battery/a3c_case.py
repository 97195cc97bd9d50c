"""A3C in the battery, with one worker, whose trainings can be repeated."""

from typing import Any

from algorithm_battery import Case, identity, identity_box, several
from gymnasium import spaces
from stable_baselines3.common.envs import FakeImageEnv, IdentityEnvMultiDiscrete, SimpleMultiObsEnv
from stable_baselines3.common.sb2_compat.rmsprop_tf_like import RMSpropTFLike

from sb3_ext import A3C

NAN, INF = float("nan"), float("inf")
TF_LIKE = {"optimizer_class": RMSpropTFLike, "optimizer_kwargs": {"alpha": 0.9, "eps": 1e-4}}
cart_pole = several("CartPole-v1")


def make(env: Any = None, policy: Any = "MlpPolicy", seed: int | None = 0, **kwargs: Any) -> A3C:
    defaults: dict[str, Any] = {"n_workers": 1, "policy_kwargs": {"net_arch": [8]}}
    return A3C(policy, env or identity(), seed=seed, **{**defaults, **kwargs})


CASE = Case(
    algorithm=A3C,
    make=make,
    env=identity,
    steps=40,
    options={
        "defaults": {},
        "workers": {"n_workers": 2, "seed": None},
        "weights": {"ent_coef": 0.1, "vf_coef": 0.1, "max_grad_norm": 0.1, "normalize_advantage": True},
        "steps": {"n_steps": 7, "gamma": 0.0, "gae_lambda": 0.9, "stats_window_size": 7},
        "linear rate": {"learning_rate": "lin_0.01"},
        "the paper": {"ent_coef": 0.01, "policy_kwargs": {"net_arch": [8], **TF_LIKE}},
        "gSDE, squashed": {
            "env": identity_box,
            "use_sde": True,
            "sde_sample_freq": 2,
            "policy_kwargs": {"squash_output": True},
        },
    },
    spaces={
        "Box": {"env": identity_box},
        "MultiDiscrete": {"env": several(lambda: IdentityEnvMultiDiscrete(3, 5))},
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
        ("n_workers", 0),
        ("n_workers", 2.0),
        ("n_workers", True),
        ("start_method", "fork"),
        ("start_method", 1),
        ("n_steps", 0),
        ("n_steps", 5.0),
        ("gamma", -0.1),
        ("gamma", NAN),
        ("gae_lambda", 1.1),
        ("ent_coef", -0.01),
        ("ent_coef", INF),
        ("vf_coef", "0.5"),
        ("max_grad_norm", 0.0),
        ("max_grad_norm", None),
        ("normalize_advantage", "yes"),
        ("sde_sample_freq", 0),
        ("learning_rate", -1e-3),
        ("learning_rate", "exp_0.1"),
        ("learning_rate", lambda progress: 1 - 2 * progress),
    ],
    dictionaries={"policy_kwargs": {"net_arch": [8], "optimizer_kwargs": {"eps": 1e-4}}},
    seeded={"defaults": {"env": cart_pole}},
    continued={"linear rate": {"env": cart_pole, "learning_rate": "lin_0.01"}},
    not_finite=r"A3C: worker 0 failed: FloatingPointError: .* gradient",
    unsupported=spaces.Tuple([spaces.Discrete(2)]),
    log_options={"env": identity_box, "learning_rate": lambda p: 1e-2 * p},
    logged={
        **dict.fromkeys(f"train/{key}" for key in ("policy_loss", "value_loss", "entropy_loss", "std")),
        **dict.fromkeys(("train/explained_variance", "time/iterations")),
        # the last row is written at step 40, before its update: rate and count are those of step 35
        "train/learning_rate": 1e-2 / 8,
        "train/n_updates": 7,
    },
)
