"""The cross-entropy method."""

import torch as th
from stable_baselines3.common.type_aliases import Schedule

from sb3_ext.common.hyperparameters import check_hyperparameters, make_schedule, positive
from sb3_ext.policy_search.population import Population
from sb3_ext.policy_search.strategies.strategy import Fresh, Proposal, Strategy


class CrossEntropy(Strategy):
    """
    Policies are drawn from a normal distribution, which is fitted to the best of them, the elite.

    The distribution of every parameter is its own. The noise that is added to the fitted variances keeps them from
    shrinking too early: I. Szita and A. Lőrincz, Learning Tetris Using the Noisy Cross-Entropy Method, 2006. The first
    newcomer of a generation is the mean; the best of the last generation stays.

    :param population_size: policies of a generation
    :param elite_fraction: share of a generation that is the elite, in (0, 1]; at least two policies are
    :param extra_std: standard deviation of the added noise: a number >= 0, a schedule, or ``"lin_<number>"``
    :raises ValueError: if an argument is out of range
    """

    def __init__(
        self, population_size: int, elite_fraction: float = 0.2, extra_std: float | str | Schedule = "lin_0.1"
    ) -> None:
        super().__init__(population_size)
        self.elite_fraction = elite_fraction
        check_hyperparameters("cross_entropy", vars(self), {"elite_fraction": positive(1.0)})
        self.extra_std = make_schedule("extra_std", extra_std)
        self._spread = 0.0

    def propose(self, population: Population, fresh: Fresh, progress: float) -> Proposal:
        """Say who stays and who comes, see :meth:`Strategy.propose`."""
        ranking = population.ranking()
        elite = population.genomes[ranking[: max(round(self.elite_fraction * self.population_size), 2)]]
        mean = elite.mean(dim=0)
        std = (elite.var(dim=0, correction=0) + self.extra_std(progress) ** 2).sqrt()
        self._spread = float(std.mean())
        drawn = th.randn(self.population_size - 2, len(mean), device=mean.device) * std + mean
        return Proposal(ranking[:1], th.cat([mean[None], drawn]))

    def logged(self) -> dict[str, float]:
        """Name what moves, for the log."""
        return {"std": self._spread}
