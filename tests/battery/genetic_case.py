"""GeneticSearch in the battery."""

from typing import Any

import gymnasium as gym
import torch as th
from algorithm_battery import Case, identity, identity_box, several
from gymnasium import spaces
from stable_baselines3.common.envs import FakeImageEnv, SimpleMultiObsEnv
from stable_baselines3.common.policies import ActorCriticPolicy

from sb3_ext import GeneticSearch

cart_pole = several("CartPole-v1")
FEW = {"population_size": 3, "n_survivors": 1}


def make(env: Any = None, policy: Any = "MlpPolicy", seed: int | None = 0, **kwargs: Any) -> GeneticSearch:
    defaults: dict[str, Any] = {"population_size": 6, "n_survivors": 2}
    if policy == "MlpPolicy":
        defaults["policy_kwargs"] = {"net_arch": [8]}
    return GeneticSearch(policy, env or identity(), seed=seed, device="cpu", **{**defaults, **kwargs})


def check(model: GeneticSearch) -> None:
    assert model.generation > 1
    assert len(model.population) == model.population_size


CASE = Case(
    algorithm=GeneticSearch,
    make=make,
    env=identity,
    steps=150,
    options={
        "defaults": {},
        "one survivor": {"population_size": 2, "n_survivors": 1},
        "uneven": {"population_size": 7, "n_survivors": 4, "mutation_std": 0.5},
        "evaluation": {"n_eval_episodes": 3, "reevaluate_survivors": False, "max_episode_steps": 5},
        "proof": {"n_proof_episodes": 2, "target_return": 100.0},
        "schedule": {"mutation_std": lambda p: 0.1 + 0.1 * p},
        "linear schedule": {"mutation_std": "lin_0.2"},
        "linear": {"policy": "LinearPolicy", "policy_kwargs": {"with_bias": True}},
        "actor-critic": {"policy": ActorCriticPolicy, "policy_kwargs": {"net_arch": [4], "activation_fn": th.nn.ELU}},
        "other": {"stats_window_size": 7, "seed": None},
        "squashed": {"env": identity_box},
        "clipped": {"env": identity_box, "policy_kwargs": {"squash_output": False}},
        "linear actions": {"env": identity_box, "policy": "LinearPolicy"},
    },
    spaces={
        "images": {
            "env": several(lambda: gym.wrappers.TimeLimit(FakeImageEnv(2, 36, 36), 10)),
            "policy": "CnnPolicy",
            "policy_kwargs": {"features_extractor_kwargs": {"features_dim": 16}},
            **FEW,
        },
        "dictionaries": {
            "env": several(lambda: gym.wrappers.TimeLimit(SimpleMultiObsEnv(), 10)),
            "policy": "MultiInputPolicy",
            "policy_kwargs": {"net_arch": [8], "features_extractor_kwargs": {"cnn_output_dim": 16}},
            **FEW,
        },
    },
    bad=[
        ("population_size", 1),
        ("population_size", 10.0),
        ("population_size", True),
        ("n_survivors", 0),
        ("n_survivors", 6),
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
    ],
    dictionaries={"policy_kwargs": {"net_arch": [8]}},
    seeded={"defaults": {"env": cart_pole}},
    continued={"defaults": {"env": cart_pole}},
    not_finite=r"generation 1 has a return that is not finite",
    unsupported=spaces.MultiDiscrete([2, 2]),
    log_options={"mutation_std": lambda p: 0.2 + p},
    # the fifth generation begins after 120 of 150 steps
    logged={
        **dict.fromkeys(("genetic/best", "genetic/mean", "genetic/best_episodes")),
        "genetic/generation": 5,
        "genetic/mutation_std": 0.4,
    },
    progress=lambda model: model.generation,
    state=("num_timesteps", "generation"),
    check=check,
)
