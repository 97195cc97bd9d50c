"""Random search."""

from sb3_ext.policy_search.population import Population
from sb3_ext.policy_search.strategies.strategy import Fresh, Proposal, Strategy


class RandomSearch(Strategy):
    """
    All policies but the best so far are new ones, with the random parameters of their networks.

    What learns from nothing that it has seen: the measure of all others.
    """

    def propose(self, population: Population, fresh: Fresh, progress: float) -> Proposal:
        """Say who stays and who comes, see :meth:`Strategy.propose`."""
        return Proposal(population.ranking()[:1], fresh(self.population_size - 1))
