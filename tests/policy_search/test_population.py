"""Selection, mutation and the judgment of the best, against hand calculations."""

import math

import numpy as np
import pytest
import torch as th
from hypothesis import given
from hypothesis import strategies as st

from sb3_ext.policy_search.population import Population
from sb3_ext.policy_search.strategies import make_strategy


def population(*records: tuple[float, int]) -> Population:
    """Members with a genome of ten times their own number, by sum of returns and number of episodes."""
    sums, counts = zip(*records, strict=True)
    result = Population(th.arange(len(records), dtype=th.float32)[:, None].repeat(1, 10))
    result.record(th.tensor(sums, dtype=th.float64), th.tensor(counts))
    return result


def next_generation(members: Population, size: int, n_survivors: int, mutation_std: float) -> Population:
    """Of genetic search without crossover."""
    strategy = make_strategy("genetic", size, {"n_survivors": n_survivors, "mutation_std": mutation_std})
    return members.followed_by(*strategy.propose(members, members.genomes.new_zeros, 1.0))


def test_ranking_by_mean_return_then_by_episodes() -> None:
    members = population((10, 1), (60, 3), (20, 1), (20, 2), (-5, 1), (40, 2))
    assert members.fitness.tolist() == [10, 20, 20, 10, -5, 20]
    assert members.ranking().tolist() == [1, 5, 2, 3, 0, 4]


def test_all_episodes_count() -> None:
    members = population((10, 1), (9, 1))
    members.record(th.tensor([2.0, 9.0]), th.tensor([1, 1]))
    assert members.fitness.tolist() == [6, 9]
    assert members.episodes.tolist() == [2, 2]


def test_the_lucky_newcomer_is_not_the_best_until_proven() -> None:
    members = population((500, 1), (4800, 10), (2700, 6), (4700, 10))
    assert members.best(proof=10) == 1
    assert members.best(proof=6) == 1
    assert members.best(proof=1) == 0
    assert members.best(proof=99) == 1
    members.record(th.tensor([4500.0, 0, 0, 0]), th.tensor([9, 0, 0, 0]))
    assert members.best(proof=10) == 0


def test_the_tutorials_generation() -> None:
    members = population(*((float(k), 1) for k in range(100)))
    new = next_generation(members, 100, 20, mutation_std=1e-3)
    assert len(new) == 100
    assert new.genomes[:20, 0].tolist() == list(range(99, 79, -1))
    assert new.fitness[:20].tolist() == list(range(99, 79, -1))
    assert new.episodes.tolist() == [1] * 20 + [0] * 80
    parents, counts = np.unique(new.genomes[20:, 0].round(), return_counts=True)
    assert parents.tolist() == list(range(80, 100)) and set(counts.tolist()) == {4}
    assert members.genomes[:, 0].tolist() == list(range(100))


def test_mutations_are_gaussian_of_the_given_deviation() -> None:
    th.manual_seed(0)
    members = Population(th.full((2, 5_000), 3.0))
    members.record(th.ones(2, dtype=th.float64), th.ones(2, dtype=th.int64))
    new = next_generation(members, 21, 1, mutation_std=0.5)
    noise = (new.genomes[1:] - 3.0).flatten().numpy()
    n = len(noise)
    assert abs(noise.mean()) < 4 * 0.5 / math.sqrt(n)
    assert abs(noise.std() - 0.5) < 4 * 0.5 / math.sqrt(2 * n)
    assert abs((np.abs(noise) < 0.5).mean() - 0.6827) < 4 * 0.466 / math.sqrt(n)
    assert (new.genomes[0] == 3.0).all()


@given(
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.integers(1, 9)), min_size=1, max_size=30),
    st.integers(1, 30),
    st.integers(1, 30),
)
def test_every_next_generation(records: list[tuple[float, int]], n_survivors: int, n_offspring: int) -> None:
    members = population(*records)
    n_survivors = min(n_survivors, len(members))
    new = next_generation(members, n_survivors + n_offspring, n_survivors, mutation_std=0.0)
    assert len(new) == n_survivors + n_offspring
    kept = new.fitness[:n_survivors]
    assert sorted(kept.tolist(), reverse=True) == sorted(members.fitness.tolist(), reverse=True)[:n_survivors]
    _, counts = np.unique(new.genomes[n_survivors:, 0], return_counts=True)
    assert counts.max() - (0 if len(counts) < n_survivors else counts.min()) <= 1
    assert not new.episodes[n_survivors:].any() and (new.episodes[:n_survivors] > 0).all()


def test_state_survives() -> None:
    members = population((1, 1), (2, 1), (3, 2))
    other = Population(th.zeros(1, 10))
    other.load_state_dict(members.state_dict())
    for name, value in members.state_dict().items():
        assert value.equal(other.state_dict()[name])
    other.genomes += 1
    other.episodes += 1
    assert members.genomes[0, 0] == 0 and members.episodes[0] == 1


def test_nobody_has_played() -> None:
    assert Population(th.zeros(3, 2)).fitness.isnan().all()
    with pytest.raises(KeyError):
        Population(th.zeros(3, 2)).load_state_dict({})
