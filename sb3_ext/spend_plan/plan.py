"""The spend plan of a campaign, and what is known about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from sb3_ext.common.arrays import BoolArray, FloatArray
from sb3_ext.envs.ad_spend import Plan
from sb3_ext.envs.ad_spend.baselines import RandomSpend
from sb3_ext.envs.ad_spend.market.randomness import Randomness
from sb3_ext.spend_plan.campaign import Campaign
from sb3_ext.spend_plan.cents import Cents, round_plan
from sb3_ext.spend_plan.changes import Changes
from sb3_ext.spend_plan.comparison import (
    OPTIMIZED,
    Gain,
    Score,
    compare,
    interval_over_draws,
    lead_over_draws,
)
from sb3_ext.spend_plan.draws import lowest_mean, simulate_draws
from sb3_ext.spend_plan.economics import Economics, economics
from sb3_ext.spend_plan.kept_cents import keeps, round_within
from sb3_ext.spend_plan.last_year import last_year
from sb3_ext.spend_plan.outcome import Outcome, Rollout, roll_out, simulate
from sb3_ext.spend_plan.outlooks import Frontier, Shares, find_frontier, find_shares
from sb3_ext.spend_plan.random_campaigns import play

_RANDOM_PLANS = 20


@dataclass(frozen=True)
class SpendPlan:
    """The recommended spends, in cents, and how they compare."""

    campaign: Campaign
    policy: str
    """The policy whose plan this is: the optimizer's, or the agent's where that earns more and nothing is random."""
    cents: Cents
    """Spend, shape (T, N), cents."""
    outcome: Outcome
    """What the plan (row 0) and its reference (row 1) lead to; means over the random campaigns where there are any."""
    upper_bound: float
    """No plan within the bounds earns more, money; in random campaigns no policy, on average."""
    planned_gap: float
    """How much more the best plan can earn where everything happens as expected, relative to this plan's value."""
    scores: list[Score]
    """All policies, the best first."""
    spent: dict[str, float]
    """Money that every policy spends."""
    sales_interval: tuple[FloatArray, FloatArray] | None
    """Middle 95% of the sales per period over the draws or random campaigns, two arrays of shape (T,); None without."""
    n_paths: int = 0
    """Number of random campaigns that all policies went through; 0 where nothing is random."""
    reaction: Gain | None = None
    """The best policy that reacts to what happens, against the plan; None where nothing is random."""
    unreached: Gain | None = None
    """How much more than the best policy any without foresight can earn; None where no such bound is known."""
    single: tuple[float, float] | None = None
    """What the plan earns in the middle 95% of the random campaigns, money; None where nothing is random."""
    at_risk: float | None = None
    """What the plan earns on average in the lowest share of the draws, which it was made for; None for the mean."""
    breaking: frozenset[str] = frozenset()
    """Policies that do not keep to the campaign's constraints."""
    prices: Mapping[str, float] = field(default_factory=dict)
    """What one more unit of money in each condition would earn, by its name, where there are constraints."""
    changes: Changes | None = None
    """What changed since the plan before; None where there was none."""
    versus: tuple[Gain, ...] = ()
    """How much more the plan earns than every other policy, with the middle 95% of the draws; empty without draws."""

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
        return self.score_of(self.policy)

    @property
    def reference(self) -> Score:
        """What the policy earns that the plan is measured against."""
        return self.score_of(self.campaign.reference)

    def score_of(self, name: str) -> Score:
        """What a policy earns."""
        return next(score for score in self.scores if score.name == name)

    @cached_property
    def economics(self) -> Economics:
        """Sales, ROAS, marginal ROAS and net result of the plan, by channel and in total."""
        return economics(self.campaign, self.spend)

    @cached_property
    def reference_economics(self) -> Economics:
        """The same of what it is measured against, at its mean spends."""
        return economics(self.campaign, self.outcome.spend[1])

    @cached_property
    def last_year(self) -> FloatArray | None:
        """What was spent a year before each date, shape (T, N), money; None where unknown."""
        return last_year(self.campaign.market, self.campaign.dates)

    @cached_property
    def frontier(self) -> Frontier | None:
        """What other budgets would earn within the same limits; None where finding that takes too long."""
        constraints = self.campaign.constraints
        if self.campaign.past is not None or (constraints is not None and constraints.smallest_buy is not None):
            return None
        found = find_frontier(self.campaign, self.spend)
        return found if len(found.budget) > 1 else None

    @cached_property
    def shares(self) -> Shares | None:
        """How sure the share of every channel is; None without draws."""
        return find_shares(self.campaign, self.spend) if self.campaign.market.draws else None

    @property
    def beyond(self) -> BoolArray:
        """Whether a spend is more than the model has ever seen, shape (T, N)."""
        return np.asarray(self.spend > self.campaign.market.historical_max + 0.005)

    @property
    def relative_gap(self) -> float:
        """How much more than this plan can be earned at most, relative to its value."""
        return _gap(self.upper_bound, self.score.value if self.at_risk is None else self.at_risk)


def make_plan(
    campaign: Campaign,
    agents: Mapping[str, Rollout] = {},
    n_paths: int = 1,
    report: Callable[[str], object] = lambda policy: None,
    found: Plan | None = None,
) -> SpendPlan:
    """
    Find the plan for what is expected, and compare it with every baseline and with what agents did, by name.

    In a random market all go through ``n_paths`` campaigns, at least 2, with seeds from 10000 on, as the agents did.
    Where nothing is random, the plan of an agent that keeps to the bounds is taken if it earns more. ``found`` is the
    best plan of the campaign, where it is known.
    """
    best = campaign.best() if found is None else found
    market = replace(campaign.market, randomness=Randomness())
    cents = round_within(best.spend, campaign.budget, campaign.low, campaign.cap, campaign.constraints)
    if not campaign.market.randomness.any:
        return _plan_as_expected(campaign, cents, best, agents)
    played = play(campaign, cents / 100.0, agents, n_paths, report)
    if market.draws:
        drawn = simulate_draws(market, campaign.budget, cents[None] / 100.0).value[0]
        gap = _gap(
            best.upper_bound, float(drawn.mean() if campaign.risk is None else lowest_mean(drawn, campaign.risk))
        )
    else:
        gap = _gap(best.upper_bound, float(simulate(market, campaign.budget, cents[None] / 100.0).value[0]))
    pairs = zip(played.plan, played.reference, strict=True)
    low, high = interval_over_draws(played.plan.value)
    return SpendPlan(
        campaign,
        OPTIMIZED,
        cents,
        Outcome(*(np.stack([np.mean(each, axis=0) for each in pair]) for pair in pairs)),
        played.upper_bound,
        gap,
        compare(played.values, campaign.reference),
        {name: float(rollout.spend.sum(axis=(1, 2)).mean()) for name, rollout in played.rollouts.items()},
        interval_over_draws(played.plan.sales.T),
        n_paths,
        played.reaction,
        played.unreached,
        (float(low), float(high)),
        breaking=_breaking(campaign, {name: done for name, done in played.rollouts.items() if name != OPTIMIZED}),
        prices=best.prices,
    )


def _in_cents(campaign: Campaign, spend: FloatArray) -> Cents:
    # A policy that runs out of money falls below the smallest spends.
    return round_plan(spend, campaign.budget, np.minimum(campaign.low, spend.min(axis=0)), campaign.cap)


def _breaking(campaign: Campaign, rollouts: Mapping[str, Rollout]) -> frozenset[str]:
    """Who breaks the constraints in any random campaign; none where delivery is random, which nobody orders."""
    constraints = campaign.constraints
    if constraints is None or campaign.market.randomness.delivery_sigma:
        return frozenset()
    return frozenset(
        name
        for name, done in rollouts.items()
        if not all(keeps(_in_cents(campaign, spend), constraints) for spend in done.spend)
    )


def _plan_as_expected(campaign: Campaign, cents: Cents, found: Plan, agents: Mapping[str, Rollout]) -> SpendPlan:
    """The best plan in cents, compared with all others: under the draws, where there are any, on average."""
    market, budget, low = campaign.market, campaign.budget, campaign.low
    rounded = {OPTIMIZED: cents[None]}
    rounded |= {agent: _in_cents(campaign, done.spend[0])[None] for agent, done in agents.items()}
    for baseline, policy in campaign.baselines().items():
        # A single random plan says nothing.
        repeats = _RANDOM_PLANS if isinstance(policy, RandomSpend) else 1
        spends = roll_out(policy, campaign.envs(repeats)).spend
        rounded[baseline] = np.stack([_in_cents(campaign, spend) for spend in spends])
    owners = [name for name, variants in rounded.items() for _ in variants]
    plans = np.concatenate(list(rounded.values()))
    drawn = simulate_draws(market, budget, plans / 100.0) if market.draws else None
    outcome = drawn.mean if drawn else simulate(market, budget, plans / 100.0)
    aim = outcome.value if drawn is None or campaign.risk is None else lowest_mean(drawn.value, campaign.risk)
    kept = np.array([keeps(plan, campaign.constraints) for plan in plans])
    feasible = np.all(plans >= 100.0 * low - 1.0, axis=(1, 2)) & kept
    # Where a cent is much or money is beyond all digits, a simpler plan may be worth more than the optimized one.
    own = feasible & np.array([owner not in agents for owner in owners])
    own[0] = True
    best = int(np.argmax(np.where(own, aim, -np.inf)))
    order = np.array([best, *range(1, len(plans))])
    plans, outcome, aim = plans[order], Outcome(*(numbers[order] for numbers in outcome)), aim[order]

    def by_policy(numbers: FloatArray) -> dict[str, FloatArray]:
        """Mean over the plans of each policy, which are the first axis; of equal ones no rounding may make it more."""
        own = {name: numbers[[owner == name for owner in owners]] for name in rounded}
        return {name: np.minimum(numbers.mean(axis=0), numbers.max(axis=0)) for name, numbers in own.items()}

    values = {name: float(value) for name, value in by_policy(outcome.value).items()}
    spent = {name: float(money) for name, money in by_policy(outcome.spend.sum(axis=(1, 2))).items()}
    eligible = [OPTIMIZED, *(agent for agent in agents if feasible[owners.index(agent)])]
    aims = by_policy(aim)
    name = max(eligible, key=lambda policy: float(aims[policy]))
    rows = [owners.index(name), owners.index(campaign.reference)]
    interval, versus = None, tuple[Gain, ...]()
    if drawn:
        earned = by_policy(drawn.value[order])
        scores = compare(earned, campaign.reference, values)
        interval = interval_over_draws(drawn.sales[order][rows[0]])
        plan = drawn.value[order][rows[0]]
        versus = tuple(lead_over_draws(other, plan, its) for other, its in earned.items() if other != name)
    else:
        scores = compare(values, campaign.reference)
    upper_bound = max(found.upper_bound, float(aims[name]))
    return SpendPlan(
        campaign,
        name,
        plans[rows[0]],
        Outcome(*(numbers[rows] for numbers in outcome)),
        upper_bound,
        _gap(upper_bound, float(aims[name])),
        scores,
        spent,
        interval,
        at_risk=None if campaign.risk is None else float(aims[name]),
        breaking=frozenset(owner for owner, keeping in zip(owners, kept[order], strict=True) if not keeping),
        prices=found.prices,
        versus=versus,
    )


def _gap(upper_bound: float, value: float) -> float:
    """How far a value is below its bound, relative to it; infinite if it is 0."""
    gap = max(upper_bound - value, 0.0)
    return gap / abs(value) if value else float("inf") if gap else 0.0
