"""Hill climbing with noise that adapts."""

from sb3_ext.common.hyperparameters import check_hyperparameters, number, positive
from sb3_ext.policy_search.population import Population
from sb3_ext.policy_search.strategies.strategy import Fresh, Proposal, Strategy, mutated


class HillClimbing(Strategy):
    """
    Neighbours of the best policy play against it, and the best of all is the next one.

    The noise that makes neighbours adapts: a generation that found a better policy halves it, to search nearby; one
    that found none doubles it, to search farther off.

    :param population_size: policies of a generation, the best one of the last included
    :param noise_std: standard deviation of the noise on every parameter at the start, greater than 0
    :param min_noise_std: the least noise, greater than 0
    :param max_noise_std: the most noise, at least ``min_noise_std``
    :raises ValueError: if an argument is out of range
    """

    moving = ("noise_std", "climbs")

    def __init__(
        self, population_size: int, noise_std: float = 0.1, min_noise_std: float = 1e-3, max_noise_std: float = 2.0
    ) -> None:
        super().__init__(population_size)
        self.noise_std, self.min_noise_std, self.max_noise_std = noise_std, min_noise_std, max_noise_std
        rules = {"noise_std": positive(), "min_noise_std": positive()}
        check_hyperparameters("hill_climbing", vars(self), rules)
        check_hyperparameters("hill_climbing", vars(self), {"max_noise_std": number(min_noise_std)})
        self.climbs = False
        """Whether the first member is the best one of the generation before."""

    def propose(self, population: Population, fresh: Fresh, progress: float) -> Proposal:
        """Say who stays and who comes, see :meth:`Strategy.propose`."""
        best = population.ranking()[:1]
        if self.climbs:
            found_better = int(best) != 0
            noise_std = self.noise_std * (0.5 if found_better else 2.0)
            self.noise_std = min(max(noise_std, self.min_noise_std), self.max_noise_std)
        self.climbs = True
        copies = population.genomes[best].repeat(self.population_size - 1, 1)
        return Proposal(best, mutated(copies, self.noise_std))

    def logged(self) -> dict[str, float]:
        """Name what moves, for the log."""
        return {"noise_std": self.noise_std}
