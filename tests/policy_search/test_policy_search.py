"""What holds for every strategy, and what GeneticSearch has in common with it."""

import pathlib
import pkgutil
from typing import Any

import numpy as np
import pytest
import torch as th
from algorithm_battery import identity, save_and_load, several
from policy_search_case import make

from sb3_ext import GeneticSearch, PolicySearch
from sb3_ext.policy_search.population import Population
from sb3_ext.policy_search.strategies import STRATEGIES


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_policy_that_is_believed_to_be_the_best_stays_in_the_population(strategy: str) -> None:
    # States are random, so that others are often luckier than the best one
    model = make(identity(2), "LinearPolicy", strategy=strategy, n_proof_episodes=3)
    for _ in range(4):
        model.learn(1, reset_num_timesteps=False)
        genome = th.nn.utils.parameters_to_vector(model.policy.parameters())
        kept = model._propose().genomes
        assert (kept == genome).all(dim=1).any()
        luckiest = model.population.genomes[model.population.ranking()[0]]
        assert (kept == luckiest).all(dim=1).any(), "else it would never be proven"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_episodes_are_counted(strategy: str) -> None:
    model = make(identity(), "LinearPolicy", strategy=strategy).learn(100)
    assert model._episode_num == model.num_timesteps / 5
    first = make(identity(), strategy=strategy, n_eval_episodes=2).learn(1)
    assert first._episode_num == 2 * first.population_size


def test_without_crossover_it_is_genetic_search() -> None:
    shared: dict[str, Any] = {
        "policy_kwargs": {"net_arch": [4]},
        "population_size": 6,
        "n_proof_episodes": 1,
        "seed": 3,
    }
    old = GeneticSearch("MlpPolicy", identity(2), n_survivors=2, mutation_std=0.3, **shared).learn(200)
    arguments = {"n_survivors": 2, "mutation_std": 0.3}
    new = PolicySearch("MlpPolicy", identity(2), "genetic", arguments, **shared).learn(200)
    assert old.population.genomes.equal(new.population.genomes)
    assert old.population.fitness.equal(new.population.fitness)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("size", [4, 9])
def test_population_and_strategy_can_change_at_load(strategy: str, size: int, tmp_path: pathlib.Path) -> None:
    model = make(identity(), "LinearPolicy", strategy="simulated_annealing").learn(100)
    loaded = save_and_load(model, tmp_path, identity(), population_size=size, strategy=strategy)
    loaded.learn(200, reset_num_timesteps=False)
    assert loaded.generation > model.generation
    assert strategy == "nelder_mead" or size <= len(loaded.population) <= size + 2


def test_large_policies_have_no_simplex() -> None:
    with pytest.raises(ValueError, match=r"strategy='nelder_mead' is not valid for a policy with 4\d+ param") as error:
        make(several("CartPole-v1")(1), strategy="nelder_mead", policy_kwargs={})
    assert "\n" not in str(error.value)


def test_checkpoints_find_the_population_of_genetic_search_by_its_former_name() -> None:
    assert pkgutil.resolve_name("sb3_ext.genetic.population.Population") is Population


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strategy", "arguments"),
    [
        ("hill_climbing", {"noise_std": 0.5}),
        ("simulated_annealing", {"noise_std": 0.5, "temperature": "lin_20"}),
        ("cross_entropy", {"extra_std": "lin_0.5"}),
    ],
)
def test_balances_a_pole(strategy: str, arguments: dict[str, Any]) -> None:
    settings: dict[str, Any] = {"population_size": 20, "n_eval_episodes": 3, "n_proof_episodes": 20}
    model = PolicySearch(
        "LinearPolicy", several("CartPole-v1")(10), strategy, arguments, target_return=500.0, seed=0, **settings
    ).learn(400_000)
    returns = model.population.fitness[model.population.best(20)]
    assert returns == 500 and model.num_timesteps < 400_000
    assert np.isfinite(model.population.fitness.numpy()).all()
