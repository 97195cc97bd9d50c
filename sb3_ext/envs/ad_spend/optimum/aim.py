"""What a plan maximises: what is expected, the mean over draws, or their lowest share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.market.market import Market
from sb3_ext.envs.ad_spend.optimum.interval_envelope import relaxed
from sb3_ext.envs.ad_spend.optimum.objective import Objective
from sb3_ext.envs.ad_spend.optimum.outlook import Outlook
from sb3_ext.envs.ad_spend.optimum.together import Together
from sb3_ext.envs.ad_spend.optimum.uncertain import DrawnObjectives, Lowest, Mean


@dataclass(frozen=True, eq=False)
class Aim:
    """What a plan maximises, and what bounds it: a concave objective that is nowhere below it."""

    objective: Objective | Mean | Lowest | Together
    """What is maximised."""
    relaxation: Objective | Mean | Lowest | Together
    """The objective itself where that is concave."""
    idle: float
    """What the objective says of no spend, money."""

    @property
    def is_concave(self) -> bool:
        """Whether the objective is concave, so that plans can be certified to any tolerance."""
        return self.relaxation is self.objective

    def gain(self, spend: FloatArray) -> float:
        """What spends of shape (N, T) earn over none, money."""
        return float(self.objective.gain(spend))

    def bound(self, spend: FloatArray) -> float:
        """What the relaxation says spends of shape (N, T) earn over none, money."""
        relaxation = self.relaxation
        if isinstance(relaxation, Lowest):
            return float(relaxation.gain(spend))
        return float(relaxation.value(spend)) - self.idle

    @classmethod
    def of(cls, market: Market, outlook: Outlook, low: FloatArray, cap: FloatArray, risk: float | None) -> Aim:
        """
        What is expected in an outlook of one campaign; in one of n draws, their mean, or that of the lowest share
        ``risk``. Spends are within bounds of shape (N, T), money.
        """
        nothing = np.zeros_like(cap)
        if outlook.media.ndim == 2:
            objective = Objective(market, outlook)
            return cls(objective, relaxed(objective, low, cap), float(objective.value(nothing)))
        n = len(outlook.media)
        parts = DrawnObjectives(market, outlook)
        above = parts if outlook.curves.is_concave else DrawnObjectives(market, outlook, (low, cap))
        mean = Mean(parts, np.full(n, 1.0 / n))
        idle = mean.values(nothing)
        if risk is None:
            return cls(mean, mean if above is parts else Mean(above, mean.weights), float(idle.mean()))
        lowest = Lowest(parts, idle, np.ones(n), risk)
        return cls(lowest, lowest if above is parts else Lowest(above, idle, np.ones(n), risk), 0.0)
