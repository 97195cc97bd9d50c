"""Whom each strategy keeps and what it proposes, against hand calculations, and against SciPy itself."""

from typing import Any

import numpy as np
import pytest
import torch as th
from scipy.optimize import minimize

from sb3_ext.policy_search.population import Population
from sb3_ext.policy_search.strategies import STRATEGIES, make_strategy
from sb3_ext.policy_search.strategies.strategy import Strategy


def played(genomes: th.Tensor, returns: Any) -> Population:
    population = Population(genomes.float())
    population.record(th.as_tensor(returns, dtype=th.float64), th.ones(len(genomes), dtype=th.int64))
    return population


def fresh(count: int) -> th.Tensor:
    return th.full((count, 4), 7.0)


def next_after(strategy: Strategy, population: Population, returns: Any, progress: float = 1.0) -> Population:
    """The next generation, played: members that stay keep their returns."""
    kept, newcomers = strategy.propose(population, fresh, progress)
    following = population.followed_by(kept, newcomers)
    new = following.episodes == 0
    following.record(th.where(new, th.as_tensor(returns, dtype=th.float64), 0.0), new.long())
    return following


@pytest.mark.parametrize("name", STRATEGIES)
def test_generations_have_the_size_that_was_asked_for(name: str) -> None:
    strategy = make_strategy(name, 6, {})
    kept, newcomers = strategy.propose(played(th.randn(6, 4), th.arange(6)), fresh, 1.0)
    assert len(kept) + len(newcomers) == (5 if name == "nelder_mead" else 6)
    assert newcomers.shape[1] == 4 and 5 in kept


def test_parameters_of_offspring_are_those_of_parents() -> None:
    th.manual_seed(0)
    parents = th.stack([th.zeros(1000), th.ones(1000)])
    population = played(th.cat([parents, th.full((2, 1000), 5.0)]), [4, 3, 2, 1])
    for crossover in ("none", "uniform", "one_point"):
        strategy = make_strategy("genetic", 40, {"n_survivors": 2, "mutation_std": 0.0, "crossover": crossover})
        kept, offspring = strategy.propose(population, fresh, 1.0)
        assert kept.tolist() == [0, 1] and set(offspring.unique().tolist()) == {0, 1}
        shares, switches = offspring.mean(dim=1), (offspring[:, 1:] != offspring[:, :-1]).sum(dim=1)
        mixed = (shares > 0) & (shares < 1)
        if crossover == "none":
            assert not mixed.any() and shares.mean() == 0.5
        else:
            assert 5 < mixed.sum() < 33, "about half of the second parents are the first one again"
        if crossover == "uniform":
            assert (shares[mixed] - 0.5).abs().max() < 0.08
        if crossover == "one_point":
            assert (switches[mixed] == 1).all() and shares[mixed].std() > 0.15


def test_noise_of_hill_climbing_halves_on_success_and_doubles_on_failure() -> None:
    strategy = make_strategy("hill_climbing", 4, {"noise_std": 0.4, "min_noise_std": 0.15, "max_noise_std": 0.5})
    population = played(th.randn(4, 4), [1, 2, 3, 0])
    noises = []
    for best in (False, True, True, False, False, False):  # whether a newcomer is better than all before
        population = next_after(strategy, population, [0, -1, 100 + 10 * len(noises) if best else -1, -1])
        noises.append(strategy.logged()["noise_std"])
    assert noises == [0.4, 0.5, 0.25, 0.15, 0.3, 0.5]


def test_neighbours_are_around_the_best_policy() -> None:
    th.manual_seed(0)
    population = played(th.tensor([[0.0] * 1000, [50.0] * 1000]), [1, 2])
    strategy = make_strategy("hill_climbing", 3, {"noise_std": 0.5})
    kept, neighbours = strategy.propose(population, fresh, 1.0)
    assert kept.tolist() == [1] and neighbours.mean() == pytest.approx(50, abs=0.05)
    assert neighbours.std() == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize(
    ("temperature", "loss", "probability"), [(2.0, 2.0, 0.3679), (0.0, 1e-9, 0.0), (0.0, 0.0, 1.0)]
)
def test_annealing_accepts_losses_as_often_as_boltzmann_says(
    temperature: float, loss: float, probability: float
) -> None:
    th.manual_seed(0)
    n = 4000
    strategy = make_strategy("simulated_annealing", 2 * n, {"temperature": temperature, "noise_std": 0.0})
    population = played(th.arange(2 * n)[:, None], th.zeros(2 * n))
    population = next_after(strategy, population, th.full((2 * n,), -loss))
    kept, _ = strategy.propose(population, fresh, 1.0)
    share = (kept >= n).double().mean()
    assert abs(share - probability) < 4 * 0.5 / n**0.5
    assert strategy.logged()["accepted"] == pytest.approx(float(share))
    assert ((kept == th.arange(n)) | (kept == th.arange(n, 2 * n))).all(), "each neighbour is that of its own chain"


def test_annealing_cools() -> None:
    strategy = make_strategy("simulated_annealing", 4, {"temperature": "lin_8"})
    population = next_after(strategy, played(th.randn(4, 3), th.arange(4)), th.zeros(4))
    strategy.propose(population, fresh, 0.25)
    assert strategy.logged()["temperature"] == 2


def test_cross_entropy_fits_the_elite() -> None:
    th.manual_seed(0)
    genomes = th.tensor([[0.0] * 500, [4.0] * 500, [90.0] * 500, [-90.0] * 500])
    strategy = make_strategy("cross_entropy", 4, {"elite_fraction": 0.5, "extra_std": 1.5})
    kept, (mean, *drawn) = strategy.propose(played(genomes, [9, 8, 7, 6]), fresh, 1.0)
    assert kept.tolist() == [0] and mean.tolist() == [2.0] * 500
    assert strategy.logged()["std"] == pytest.approx(2.5), "the root of 2 ** 2 + 1.5 ** 2"
    sample = th.stack(drawn)
    assert sample.mean() == pytest.approx(2.0, abs=0.35) and sample.std() == pytest.approx(2.5, abs=0.25)


def test_random_search_draws_new_policies() -> None:
    kept, newcomers = make_strategy("random", 4, {}).propose(played(th.randn(4, 4), [1, 2, 4, 3]), fresh, 1.0)
    assert kept.tolist() == [2] and newcomers.tolist() == fresh(3).tolist()


def bowl(genomes: Any) -> Any:
    """Highest, 0, at (1, 2, 3)."""
    return -((np.asarray(genomes, np.float64) - [1, 2, 3]) ** 2 * [1, 5, 2]).sum(axis=-1)


def test_simplex_asks_for_what_scipy_does() -> None:
    strategy = make_strategy("nelder_mead", 2, {"initial_step": 0.5})
    start = th.tensor([[0.5, 0.5, 0.25], [9.0, 9.0, 9.0]])
    population = played(start, bowl(start))
    asked: list[list[float]] = []
    for generation in range(60):
        kept, newcomers = strategy.propose(population, fresh, 1.0)
        asked += newcomers.tolist()
        population = population.followed_by(kept, newcomers)
        new = population.episodes == 0
        [again] = strategy.players(population)
        corners = [0, -3, -2, -1] if generation == 0 else [0, 1, 2, 3]
        assert population.fitness[again] == np.nanmax(population.fitness[corners]), "only the best corner"
        population.record(th.where(new, th.from_numpy(bowl(population.genomes)), 0.0), new.long())
        assert generation == 0 or new.sum() == 1

    wanted: list[Any] = []
    corner = start[0].numpy().astype(np.float64)
    simplex = np.array([corner, *(corner + 0.5 * np.eye(3))])
    options: Any = {"initial_simplex": simplex, "adaptive": True, "maxfev": len(asked) + 1}
    minimize(lambda x: (wanted.append(x.copy()), -bowl(x))[1], corner, method="Nelder-Mead", options=options)
    np.testing.assert_allclose(asked[:40], wanted[1:41], atol=1e-4)
    assert population.fitness.max() > -0.01


def test_simplex_starts_anew_when_it_has_collapsed() -> None:
    strategy = make_strategy("nelder_mead", 2, {"initial_step": 1.0})
    population = played(th.zeros(2, 2), [1, 0])
    sizes = []
    for _ in range(120):
        kept, newcomers = strategy.propose(population, fresh, 1.0)
        sizes.append(len(newcomers))
        population = population.followed_by(kept, newcomers)
        population.record(th.ones(len(population), dtype=th.float64), th.ones(len(population), dtype=th.int64))
    assert sizes[0] == 2 and sizes.count(2) > 1, "where all returns are the same, it shrinks to a point"


def test_what_one_strategy_saves_does_not_harm_another() -> None:
    for name in STRATEGIES:
        for other in STRATEGIES.keys() - {name}:
            strategy = make_strategy(name, 6, {})
            before = strategy.state_dict()
            strategy.load_state_dict(make_strategy(other, 6, {}).state_dict() | {"unknown": th.zeros(3)})
            assert {key: value.tolist() for key, value in before.items()} == {
                key: value.tolist() for key, value in strategy.state_dict().items()
            }


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("hill_climbing", {"noise_std": 0.0}),
        ("hill_climbing", {"min_noise_std": 0.5, "max_noise_std": 0.4}),
        ("simulated_annealing", {"temperature": -1.0}),
        ("simulated_annealing", {"noise_std": "exp_1"}),
        ("cross_entropy", {"elite_fraction": 1.1}),
        ("cross_entropy", {"extra_std": float("nan")}),
        ("nelder_mead", {"initial_step": 0}),
        ("random", {"noise_std": 1.0}),
    ],
)
def test_bad_arguments(name: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"=.* is not valid; pass ") as error:
        make_strategy(name, 6, arguments)
    assert "\n" not in str(error.value)
