"""The population of a search: genomes, and what their episodes returned."""

from typing import Any

import torch as th


class Population:
    """Parameter vectors, shape (size, n_parameters), with the returns of all the episodes that each has played."""

    def __init__(self, genomes: th.Tensor) -> None:
        self.genomes = genomes
        self.return_sums = th.zeros(len(genomes), dtype=th.float64)
        self.episodes = th.zeros(len(genomes), dtype=th.int64)

    def __len__(self) -> int:
        return len(self.genomes)

    @property
    def fitness(self) -> th.Tensor:
        """Mean return over all episodes of each member, NaN where there is none, shape (size,)."""
        return self.return_sums / self.episodes

    def record(self, return_sums: th.Tensor, episodes: th.Tensor) -> None:
        """Add the sums of the returns of new episodes and their numbers, one for each member."""
        self.return_sums += return_sums
        self.episodes += episodes

    def ranking(self) -> th.Tensor:
        """Order from the best to the worst; of two with the same mean the one with more episodes is better."""
        by_episodes = th.argsort(self.episodes, descending=True, stable=True)
        order = th.argsort(self.fitness[by_episodes], descending=True, stable=True)
        return by_episodes[order]

    def best(self, proof: int) -> int:
        """Find the best member with at least ``proof`` episodes; if there is none, of those with the most."""
        enough = self.episodes >= min(proof, int(self.episodes.max()))
        ranking = self.ranking()
        return int(ranking[enough[ranking]][0])

    def followed_by(self, kept: th.Tensor, newcomers: th.Tensor) -> "Population":
        """
        Make a population of some members, with their episodes, and of new genomes behind them, which have played none.

        :param kept: numbers of the members that stay, shape (k,)
        :param newcomers: parameters, shape (m, n_parameters)
        """
        population = Population(th.cat([self.genomes[kept], newcomers]))
        population.return_sums[: len(kept)] = self.return_sums[kept]
        population.episodes[: len(kept)] = self.episodes[kept]
        return population

    def state_dict(self) -> dict[str, th.Tensor]:
        """Everything to save."""
        return {"genomes": self.genomes, "return_sums": self.return_sums, "episodes": self.episodes}

    def load_state_dict(self, state: dict[str, Any], strict: bool = True) -> None:
        """Restore what :meth:`state_dict` returned; the number of members may differ."""
        self.genomes = th.as_tensor(state["genomes"]).to(self.genomes, copy=True)
        self.return_sums = th.as_tensor(state["return_sums"]).to(self.return_sums, copy=True)
        self.episodes = th.as_tensor(state["episodes"]).to(self.episodes, copy=True)
