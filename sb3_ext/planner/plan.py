"""The spend plan of a campaign, and what is known about it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from sb3_ext.envs.ad_spend import AdSpendEnv, plan_optimal
from sb3_ext.envs.ad_spend.baselines import RandomSpend, all_baselines
from sb3_ext.envs.ad_spend.randomness import Randomness
from sb3_ext.evaluation.statistics import FloatArray
from sb3_ext.planner.campaign import Campaign
from sb3_ext.planner.caveats import find_caveats
from sb3_ext.planner.cents import Cents, round_plan
from sb3_ext.planner.comparison import Score, compare, interval_over_draws
from sb3_ext.planner.outcome import Outcome, roll_out, simulate, simulate_draws

EVEN = "even pacing"
OPTIMIZED = "optimized plan"
_RANDOM_CAMPAIGNS = 20
# The baseline that is the optimized plan itself, but for its rounding to cents.
_SAME_AS_OPTIMIZED = "open-loop optimum"
# Below this the rounding to cents decides.
_TIGHT_GAP = 1e-3


@dataclass(frozen=True)
class SpendPlan:
    """The recommended spends, in cents, and how they compare."""

    campaign: Campaign
    name: str
    """The policy whose plan this is: the optimizer's, or the agent's where that earns more."""
    cents: Cents
    """Spend, shape (T, N), cents."""
    outcome: Outcome
    """What the plan (row 0) and even pacing (row 1) lead to."""
    upper_bound: float
    """No plan within the bounds earns more, money."""
    scores: list[Score]
    """All policies, the best first."""
    spent: dict[str, float]
    """Money that every policy spends."""
    sales_interval: tuple[FloatArray, FloatArray] | None
    """Middle 95% of the sales per period over the draws, two arrays of shape (T,); None without draws."""
    warnings: tuple[str, ...]
    """What an analyst must know before following the plan."""

    @property
    def spend(self) -> FloatArray:
        """Spend, shape (T, N), money."""
        return np.asarray(self.cents / 100.0)

    @property
    def total(self) -> float:
        """Money that the plan spends."""
        return float(self.cents.sum()) / 100.0

    @property
    def score(self) -> Score:
        """What the plan earns."""
        return self.score_of(self.name)

    def score_of(self, name: str) -> Score:
        """
        What a policy earns.

        :param name: The policy.
        :return: Its score.
        """
        return next(score for score in self.scores if score.name == name)

    @property
    def relative_gap(self) -> float:
        """How much more the best plan can earn at most, relative to this plan's value; infinite if that is 0."""
        gap = max(self.upper_bound - self.score.value, 0.0)
        return gap / abs(self.score.value) if self.score.value else float("inf") if gap else 0.0

    @property
    def certified(self) -> bool:
        """Whether no plan can beat this one by more than 0.1%."""
        return self.relative_gap <= _TIGHT_GAP


def make_plan(campaign: Campaign, agents: dict[str, FloatArray] | None = None) -> SpendPlan:
    """
    Find the plan, and compare it with every baseline.

    :param campaign: What is to be planned.
    :param agents: Spends of trained agents by name, shape (T, N), money.
    :return: The best of the optimized plan and of those agents' that keep to the bounds, under the central parameters.
    :raises ValueError: If the bounds or the budget are out of range.
    """
    budget, periods = campaign.budget, campaign.periods
    # A dated plan cannot react: it is made, and compared, for what is expected.
    market = replace(campaign.market, randomness=Randomness())
    low, cap = campaign.low, campaign.cap
    best = plan_optimal(market, budget, periods, low=low, cap=cap)

    env = AdSpendEnv(market, budget, periods, act_range=(low, cap))
    rounded = {OPTIMIZED: round_plan(best.spend, budget, low, cap)}
    # An agent that runs out of money falls below the smallest spends.
    for agent, spend in (agents or {}).items():
        rounded[agent] = round_plan(spend, budget, np.minimum(low, spend.min(axis=0)), cap)
    plans = {name: [cents / 100.0] for name, cents in rounded.items()}
    for baseline, policy in all_baselines(env, seed=0).items():
        if baseline != _SAME_AS_OPTIMIZED:
            # A single random campaign says nothing.
            repeats = _RANDOM_CAMPAIGNS if isinstance(policy, RandomSpend) else 1
            plans[baseline] = [roll_out(policy, env) for _ in range(repeats)]
    stacked = np.concatenate(list(plans.values()))
    owners = [name for name, variants in plans.items() for _ in variants]

    def by_policy(numbers: FloatArray) -> dict[str, FloatArray]:
        """Mean over the plans of each policy, which are the first axis."""
        return {name: numbers[[owner == name for owner in owners]].mean(axis=0) for name in plans}

    outcome = simulate(market, budget, stacked)
    values = {name: float(value) for name, value in by_policy(outcome.value).items()}
    spent = {name: float(money) for name, money in by_policy(outcome.spend.sum(axis=(1, 2))).items()}
    eligible = [name for name, cents in rounded.items() if name == OPTIMIZED or np.all(cents >= 100.0 * low - 1.0)]
    name = max(eligible, key=values.__getitem__)
    rows = [owners.index(name), owners.index(EVEN)]
    interval = None
    if market.draws:
        draws = simulate_draws(market, budget, stacked)
        scores = compare(by_policy(np.stack([draw.value for draw in draws], axis=-1)), EVEN, values)
        interval = interval_over_draws(np.stack([draw.sales[rows[0]] for draw in draws], axis=-1))
    else:
        scores = compare(values, EVEN)
    plan = SpendPlan(
        campaign,
        name,
        rounded[name],
        Outcome(*(getattr(outcome, field.name)[rows] for field in fields(outcome))),
        max(best.upper_bound, values[name]),
        scores,
        spent,
        interval,
        warnings=(),
    )
    caveats = find_caveats(campaign, plan.spend, values[name], values[EVEN], plan.relative_gap)
    return replace(plan, warnings=tuple(caveats))
