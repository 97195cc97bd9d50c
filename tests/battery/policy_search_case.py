"""PolicySearch in the battery."""

from typing import Any

from algorithm_battery import Case, identity, identity_box, several
from gymnasium import spaces

from sb3_ext import PolicySearch

cart_pole = several("CartPole-v1")
SAID = r"^PolicySearch: strategy_kwargs=.* is not valid; {}"


def make(env: Any = None, policy: Any = "MlpPolicy", seed: int | None = 0, **kwargs: Any) -> PolicySearch:
    defaults: dict[str, Any] = {"population_size": 6}
    if policy == "MlpPolicy":
        defaults["policy_kwargs"] = {"net_arch": [4]}
    return PolicySearch(policy, env or identity(), seed=seed, device="cpu", **{**defaults, **kwargs})


def check(model: PolicySearch) -> None:
    assert model.generation > 1
    assert model._episode_num >= model.generation + model.population_size - 1


def strategy(name: str, **arguments: Any) -> dict[str, Any]:
    return {"strategy": name, "strategy_kwargs": arguments}


CASE = Case(
    algorithm=PolicySearch,
    make=make,
    env=identity,
    steps=150,
    options={
        "defaults": {},
        "crossover": strategy("genetic", n_survivors=2, mutation_std="lin_0.2", crossover="uniform"),
        "hill climbing": strategy("hill_climbing", noise_std=0.5, min_noise_std=0.1, max_noise_std=1.0),
        "annealing": strategy("simulated_annealing", temperature=0.5, noise_std="lin_0.5"),
        "cross-entropy": {**strategy("cross_entropy", elite_fraction=0.5, extra_std=0.0), "population_size": 2},
        "simplex": {**strategy("nelder_mead", initial_step=0.5), "policy": "LinearPolicy"},
        "random": strategy("random"),
        "evaluation": {"n_eval_episodes": 3, "reevaluate_survivors": False, "max_episode_steps": 5},
        "squashed": {"env": identity_box, **strategy("nelder_mead")},
    },
    spaces={},
    bad=[
        ("strategy", "gradient"),
        ("strategy", None),
        ("strategy_kwargs", "none"),
        ("strategy_kwargs", {"noise_std": 0.1}, SAID.format("genetic: noise_std=0.1 .* arguments of genetic: n_surv")),
        ("strategy_kwargs", {"n_survivors": 6}, SAID.format("genetic: n_survivors=6 .*population_size=6")),
        ("strategy_kwargs", {"mutation_std": -1}, SAID.format("mutation_std=-1 is not valid")),
        ("strategy_kwargs", {"crossover": "two_point"}, SAID.format(r"genetic: crossover='two_point'")),
        ("population_size", 1),
        ("population_size", True),
        ("n_eval_episodes", 0),
        ("reevaluate_survivors", "yes"),
        ("n_proof_episodes", 0),
        ("target_return", float("inf")),
        ("max_episode_steps", None),
    ],
    dictionaries={"policy_kwargs": {"net_arch": [8]}, "strategy_kwargs": {"mutation_std": 0.2}},
    seeded={
        "defaults": {"env": cart_pole, **strategy("genetic", crossover="uniform")},
    },
    continued={
        "hill climbing": {"env": cart_pole, **strategy("hill_climbing")},
        "annealing": {"env": cart_pole, **strategy("simulated_annealing")},
        "simplex": {"env": cart_pole, "policy": "LinearPolicy", **strategy("nelder_mead")},
    },
    not_finite=r"generation 1 has a return that is not finite",
    unsupported=spaces.MultiDiscrete([2, 2]),
    log_options=strategy("hill_climbing", noise_std=0.4),
    logged={
        **dict.fromkeys(("search/best", "search/mean", "search/best_episodes", "search/noise_std", "time/episodes")),
        "search/generation": 5,
    },
    progress=lambda model: model.generation,
    state=("num_timesteps", "generation", "_episode_num"),
    check=check,
)
