"""QLearning in the battery."""

from typing import Any

import numpy as np
from algorithm_battery import Case, several

from sb3_ext import QLearning

NAN, INF = float("nan"), float("inf")
BONUS = {"exploration_bonus": 10.0, "exploration_initial_eps": 0.0, "exploration_final_eps": 0.0}
toy = several("ThreeStateMDP-v0", env_kwargs={"max_episode_steps": 20})


def make(env: Any = None, policy: str = "TablePolicy", seed: int | None = 0, **kwargs: Any) -> QLearning:
    return QLearning(policy, env or toy(1), seed=seed, **kwargs)


def check(model: QLearning) -> None:
    assert model.num_timesteps == model._n_updates == model.visit_counts.sum()


CASE = Case(
    algorithm=QLearning,
    make=make,
    env=toy,
    steps=200,
    options={
        "defaults": {},
        "decay": {"learning_rate": 0.05, "learning_rate_decay": 0.005},
        "schedule": {"learning_rate": lambda progress: 0.5 * progress + 0.1},
        "linear": {"learning_rate": "lin_0.5", "gamma": 1.0},
        "bonus": BONUS,
        "sarsa": {"update": "sarsa"},
        "expected_sarsa": {"update": "expected_sarsa", **BONUS},
        "double_q": {"update": "double_q"},
        "random": {"exploration_initial_eps": 1.0, "exploration_final_eps": 1.0, "exploration_fraction": 1.0},
        "optimism": {"policy_kwargs": {"q_init": 100.0}, "exploration_initial_eps": 0.0},
        "other": {"gamma": 0.0, "stats_window_size": 7, "seed": None},
    },
    spaces={},
    bad=[
        ("learning_rate", -0.1),
        ("learning_rate", 1.5),
        ("learning_rate", "lin_2"),
        ("learning_rate", "0.1"),
        ("learning_rate", NAN),
        ("learning_rate_decay", -1),
        ("learning_rate_decay", INF),
        ("gamma", 1.01),
        ("gamma", "0.9"),
        ("exploration_fraction", 0.0),
        ("exploration_fraction", 2),
        ("exploration_initial_eps", -0.1),
        ("exploration_final_eps", 1.1),
        ("exploration_bonus", -1),
        ("exploration_bonus", NAN),
        ("update", "Q"),
    ],
    dictionaries={"policy_kwargs": {"q_init": 3.0}},
    # environments without chance: only the exploration can differ
    seeded={
        "epsilon": {},
        "bonus": BONUS,
        "double_q": {"update": "double_q"},
        "exploration alone": {"env": several("CliffWalking-v1")},
    },
    continued={"decay": {"learning_rate_decay": 0.1}},
    unsupported=None,
    log_options={"learning_rate": 0.5, "learning_rate_decay": 0.1},
    logged={
        "time/episodes": 10,
        "rollout/ep_len_mean": 20,
        "rollout/exploration_rate": 0.05,
        "train/learning_rate": 0.5 / 21,
        "train/n_updates": 200,
        "train/td_error": None,
    },
    progress=lambda model: np.array(model.q_table),
    check=check,
)
