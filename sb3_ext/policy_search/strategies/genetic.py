"""Mutation and crossover."""

import torch as th
from stable_baselines3.common.type_aliases import Schedule

from sb3_ext.common.hyperparameters import check_hyperparameters, make_schedule, one_of
from sb3_ext.policy_search.population import Population
from sb3_ext.policy_search.strategies.strategy import Fresh, Proposal, Strategy, fewer_than, mutated


class Genetic(Strategy):
    """
    The best survive; the others are their offspring, with Gaussian noise on every parameter.

    Each survivor has the same number of offspring. With ``crossover`` an offspring has a second parent, drawn at random
    from the survivors: every parameter is that of either parent with equal odds (``"uniform"``), or those behind a
    random place are the second one's (``"one_point"``).

    :param population_size: policies of a generation
    :param n_survivors: policies that survive, at least 1 and fewer than ``population_size``; ``None`` for a fifth
    :param mutation_std: standard deviation of the noise: a number >= 0, a schedule, or ``"lin_<number>"``
    :param crossover: ``"none"``, ``"uniform"`` or ``"one_point"``
    :raises ValueError: if an argument is out of range
    """

    def __init__(
        self,
        population_size: int,
        n_survivors: int | None = None,
        mutation_std: float | str | Schedule = 0.1,
        crossover: str = "none",
    ) -> None:
        super().__init__(population_size)
        self.n_survivors = max(population_size // 5, 1) if n_survivors is None else n_survivors
        self.crossover = crossover
        rules = {"n_survivors": fewer_than(population_size), "crossover": one_of("none", "uniform", "one_point")}
        check_hyperparameters("genetic", vars(self), rules)
        self.mutation_std = make_schedule("mutation_std", mutation_std)

    def propose(self, population: Population, fresh: Fresh, progress: float) -> Proposal:
        """Say who stays and who comes, see :meth:`Strategy.propose`."""
        survivors = population.ranking()[: self.n_survivors]
        turns = th.arange(self.population_size - len(survivors)) % len(survivors)
        genomes = population.genomes[survivors[turns]]
        if self.crossover != "none":
            others = population.genomes[survivors[th.randint(len(survivors), (len(genomes),))]]
            genomes = th.where(self._from_the_other(genomes), others, genomes)
        return Proposal(survivors, mutated(genomes, self.mutation_std(progress)))

    def _from_the_other(self, genomes: th.Tensor) -> th.Tensor:
        """Draw which parameters are those of the second parent, shape (n_offspring, n_parameters)."""
        if self.crossover == "uniform":
            return th.rand_like(genomes) < 0.5
        places = th.arange(genomes.shape[1], device=genomes.device)
        return places >= th.randint(1, max(genomes.shape[1], 2), (len(genomes), 1), device=genomes.device)
