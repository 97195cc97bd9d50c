"""Simulated annealing."""

import torch as th
from stable_baselines3.common.type_aliases import Schedule
from stable_baselines3.common.utils import FloatSchedule

from sb3_ext.common.hyperparameters import make_schedule
from sb3_ext.policy_search.population import Population
from sb3_ext.policy_search.strategies.strategy import Fresh, Proposal, Strategy, mutated


class SimulatedAnnealing(Strategy):
    """
    Several policies walk at random, each uphill always and downhill the less the colder it is.

    Half of a generation are the present policies of the chains, the others their neighbours. A neighbour that is worse
    by d takes its chain's place with the probability exp(-d / temperature). The chains start at the best policies of
    the first generation. S. Kirkpatrick et al., Optimization by Simulated Annealing, 1983.

    :param population_size: policies of a generation, twice the number of chains
    :param temperature: in units of the return: a number >= 0, a schedule, or ``"lin_<number>"``
    :param noise_std: standard deviation of the noise on every parameter, of the same forms
    """

    moving = ("n_chains",)

    def __init__(
        self,
        population_size: int,
        temperature: float | str | Schedule = "lin_10",
        noise_std: float | str | Schedule = 0.1,
    ) -> None:
        super().__init__(population_size)
        self.temperature: FloatSchedule = make_schedule("temperature", temperature)
        self.noise_std: FloatSchedule = make_schedule("noise_std", noise_std)
        self.n_chains = 0
        """Chains that walk, 0 at the start."""
        self._logged: dict[str, float] = {}

    def propose(self, population: Population, fresh: Fresh, progress: float) -> Proposal:
        """Say who stays and who comes, see :meth:`Strategy.propose`."""
        n_chains, temperature = self.population_size // 2, self.temperature(progress)
        if self.n_chains == n_chains:
            present, neighbours = th.arange(n_chains), th.arange(len(population) - n_chains, len(population))
            losses = population.fitness[present] - population.fitness[neighbours]
            # At temperature 0 only downhill steps are refused: -0 / 0 would be no number
            accepted = th.rand(n_chains) < th.where(losses > 0, th.exp(-losses / max(temperature, 1e-300)), 1.0)
            present = th.where(accepted, neighbours, present)
            self._logged = {"temperature": temperature, "accepted": float(accepted.double().mean())}
        else:
            present = population.ranking()[:n_chains]
        self.n_chains = len(present)
        return Proposal(present, mutated(population.genomes[present], self.noise_std(progress)))

    def logged(self) -> dict[str, float]:
        """Name what moves, for the log."""
        return self._logged
