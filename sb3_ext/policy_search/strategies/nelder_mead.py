"""The simplex method of Nelder and Mead, SciPy's."""

from typing import Any

import numpy as np
import torch as th
from scipy.optimize import minimize

from sb3_ext.common.arrays import FloatArray, IntArray
from sb3_ext.common.hyperparameters import check_hyperparameters, positive
from sb3_ext.policy_search.population import Population
from sb3_ext.policy_search.strategies.strategy import Fresh, Proposal, Strategy


class NelderMead(Strategy):
    """
    A simplex of policies, one more than they have parameters, tumbles uphill and shrinks around the best.

    Every step asks for one or two policies, which depend on each other, so a generation is one newcomer and the
    simplex, of which only the best plays again: let the episodes of a policy be what fills the environments. The
    simplex starts around the best policy of the first generation, and anew around the best one when it has collapsed.
    J. A. Nelder and R. Mead, 1965; the coefficients are those of F. Gao and L. Han, 2012, for many parameters.

    :param population_size: random policies of the first generation
    :param initial_step: distance of the simplex's corners from the first one, greater than 0
    :raises ValueError: if an argument is out of range
    """

    most_parameters = 1_000
    moving = ("corners",)

    def __init__(self, population_size: int, initial_step: float = 1.0) -> None:
        super().__init__(population_size)
        self.initial_step = initial_step
        check_hyperparameters("nelder_mead", vars(self), {"initial_step": positive()})
        self.corners = th.zeros(0, dtype=th.int64)
        """Members that are the corners, counted from the end where they are negative; empty at the start."""

    def propose(self, population: Population, fresh: Fresh, progress: float) -> Proposal:
        """Step until a policy is met that has not played."""
        if len(self.corners) != population.genomes.shape[1] + 1:
            return self._start(population)
        steps = _Steps(population)
        corners = self.corners.numpy() % len(population)
        while (wanted := steps.step(corners)) is None:
            if np.array_equal(np.sort(corners), np.sort(steps.corners)):
                return self._start(population)
            corners = steps.corners
        asked = [number for number in dict.fromkeys(steps.used) if number not in corners]
        self.corners = th.arange(len(corners))
        return Proposal(th.from_numpy(np.array([*corners, *asked])), wanted[None].to(population.genomes))

    def _start(self, population: Population) -> Proposal:
        best = population.ranking()[:1]
        centre = population.genomes[best]
        others = centre + self.initial_step * th.eye(centre.shape[1], device=centre.device)
        # The last members of the generation, whoever stands between them and the best
        self.corners = th.cat([th.zeros(1, dtype=th.int64), th.arange(-len(others), 0)])
        return Proposal(best, others)

    def players(self, population: Population) -> IntArray:
        """Let only the best corner play again."""
        if len(self.corners) == 0:
            return np.zeros(0, dtype=np.int64)
        fitness = population.fitness[self.corners]
        best: IntArray = self.corners[fitness.nan_to_num(-np.inf).argmax()][None].numpy() % len(population)
        return best


class _NotPlayedError(Exception):
    """SciPy asks for the value of a policy that nobody knows."""


class _Steps:
    """SciPy's method step by step, on the returns of a generation."""

    def __init__(self, population: Population) -> None:
        self._genomes = population.genomes.cpu().numpy()
        self._numbers = {genome.tobytes(): number for number, genome in enumerate(self._genomes)}
        self._losses = -population.fitness.numpy()
        self._wanted = self._genomes[0]
        self.used: list[int] = []
        """Members that the last step asked for."""
        self.corners: IntArray = np.zeros(0, dtype=np.int64)
        """Members that are the corners after it."""

    def step(self, corners: IntArray) -> th.Tensor | None:
        """Make one step; return the parameters of a policy that must play first, None if the step is done."""
        self.used = []
        start = self._genomes[corners]
        options: Any = {"initial_simplex": start, "maxiter": 2, "xatol": 1e-6, "fatol": 0, "adaptive": True}
        try:
            result = minimize(self._loss, start[0], method="Nelder-Mead", options=options)
        except _NotPlayedError:
            return th.from_numpy(self._wanted)
        self.corners = np.array([self._number(genome) for genome in result.final_simplex[0]])
        return None

    def _number(self, genome: FloatArray) -> int:
        return self._numbers[np.asarray(genome, self._genomes.dtype).tobytes()]

    def _loss(self, genome: FloatArray) -> float:
        self._wanted = np.array(genome, self._genomes.dtype)
        try:
            number = self._number(self._wanted)
        except KeyError:
            raise _NotPlayedError from None
        self.used.append(number)
        return float(self._losses[number])
