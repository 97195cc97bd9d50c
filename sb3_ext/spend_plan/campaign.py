"""What is to be planned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from sb3_ext.common.arrays import FloatArray
from sb3_ext.common.wording import amount
from sb3_ext.envs.ad_spend import AdSpendEnv, AdSpendVectorEnv, Market, Plan, plan_optimal
from sb3_ext.envs.ad_spend.baselines import all_baselines
from sb3_ext.envs.ad_spend.market.randomness import Randomness
from sb3_ext.envs.ad_spend.market.response_curves import CurveFit
from sb3_ext.envs.ad_spend.optimum.constraints import Constraints
from sb3_ext.envs.ad_spend.policies.base import Baseline
from sb3_ext.envs.ad_spend.policies.fixed import FixedPlan
from sb3_ext.spend_plan.comparison import EVEN, LAST_YEAR, PAST_MIX
from sb3_ext.spend_plan.last_year import last_year

# The baseline that is the optimized plan itself, but for its rounding to cents.
_SAME_AS_OPTIMIZED = "open-loop optimum"


@dataclass(frozen=True)
class Past:
    """The periods of a campaign that are over."""

    market: Market
    """As it was before them."""
    dates: Sequence[date]
    """First day of each."""
    spend: FloatArray
    """What was spent, shape (k, N), money."""
    sales: FloatArray | None
    """What was sold, shape (k,), NaN where not known; None if nothing is known."""
    worth: float = 0.0
    """Sales that the spends bring over none, as is believed now, those of carry-over included."""


Kind = Literal["sales", "mroas", "roas", "cpa"]


@dataclass(frozen=True)
class Goal:
    """A budget that was found for a goal."""

    kind: Kind
    target: float
    most: float
    """The largest budget that was considered, what is spent already included, money."""
    budget: float
    """Of the periods to plan, money."""
    beyond: float | None
    """A budget with which, and beyond which, no plan reaches the goal: less for sales, more for returns."""
    spent: float = 0.0
    """What is spent already, money."""

    @property
    def sentence(self) -> str:
        """What was found, in one sentence."""
        more = f" more, after the {amount(self.spent, 2)} that are spent," if self.spent else ""
        if self.kind == "sales":
            text = (
                f"{amount(self.budget, 2)}{more} is the smallest budget found that sells {amount(self.target)} more "
                "than none"
            )
            return f"{text}; with {amount(self.beyond, 2)} or less no plan does." if self.beyond else f"{text}."
        what = {"mroas": "a marginal ROAS", "roas": "a ROAS", "cpa": "costs per sale"}[self.kind]
        side = "most" if self.kind == "cpa" else "least"
        return f"{amount(self.budget, 2)}{more} is the largest spend with {what} of at {side} {self.target:g}."


@dataclass(frozen=True)
class Campaign:
    """What is to be planned."""

    market: Market
    budget: float
    """Money."""
    dates: Sequence[date]
    """First day of every period."""
    low: FloatArray
    """Smallest spend per channel and period, shape (N,), money."""
    cap: FloatArray
    """Largest spend per channel and period, shape (N,), money."""
    fits: tuple[CurveFit, ...] = ()
    """Fits of the response curves, where the market comes from a CSV."""
    constraints: Constraints | None = None
    """What the plan has to keep to besides."""
    risk: float | None = None
    """Plan for the mean of the lowest share of the draws, in (0, 1]; None: for the mean of all."""
    past: Past | None = None
    """What is over of a campaign whose rest is planned."""
    goal: Goal | None = None
    """What the budget was found for; None where it was given."""

    @property
    def periods(self) -> int:
        """Length of the campaign."""
        return len(self.dates)

    @property
    def reference(self) -> str:
        """The policy that the plan is measured against: the past mix at this budget where it is known."""
        return PAST_MIX if self.market.historical_mean.any() else EVEN

    def best(self, tolerance: float = 1e-6) -> Plan:
        """The best plan of what is expected, as a dated plan cannot react: over the draws, where there are any."""
        return plan_optimal(
            replace(self.market, randomness=Randomness()),
            self.budget,
            self.periods,
            low=self.low,
            cap=self.cap,
            tolerance=tolerance,
            constraints=self.constraints,
            draws=bool(self.market.draws),
            risk=self.risk,
        )

    def envs(self, count: int) -> AdSpendVectorEnv:
        """The campaign as environments that step together."""
        return AdSpendVectorEnv(count, self.market, self.budget, self.periods, act_range=(self.low, self.cap))

    def baselines(self) -> dict[str, Baseline]:
        """The policies that the plan is compared with, by name: all but the one that is the optimized plan."""
        env = AdSpendEnv(self.market, self.budget, self.periods, act_range=(self.low, self.cap))
        policies = {name: policy for name, policy in all_baselines(env, seed=0).items() if name != _SAME_AS_OPTIMIZED}
        before = last_year(self.market, self.dates)
        if before is not None and before.any():
            policies[LAST_YEAR] = FixedPlan(env, before * (self.budget / before.sum()))
        return policies
