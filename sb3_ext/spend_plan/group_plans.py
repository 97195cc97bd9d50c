"""The plans of groups that share a budget, in cents, and the budget that a goal of all together needs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from sb3_ext.envs.ad_spend.optimum.constraints import Constraints
from sb3_ext.envs.ad_spend.optimum.groups import Groups, plan_groups
from sb3_ext.envs.ad_spend.optimum.plan import Plan
from sb3_ext.spend_plan.campaign import Campaign, Goal, Kind
from sb3_ext.spend_plan.cents import ceil_cents, floor_cents
from sb3_ext.spend_plan.constraints_beside import BESIDE, constraints_beside
from sb3_ext.spend_plan.economics import expected_earnings
from sb3_ext.spend_plan.goals import PRECISE, Best, search_budget
from sb3_ext.spend_plan.kept_cents import round_within
from sb3_ext.spend_plan.plan import SpendPlan, make_plan

_ROUNDING, _TRIFLE = 1e-6, 1e-5


def divided(
    campaigns: Sequence[Campaign],
    budget: float,
    tolerance: float = 1e-6,
    constraints: Constraints | None = None,
    names: Sequence[str] | None = None,
) -> Groups:
    """The best division of a budget between campaigns, and the plan of each."""
    return plan_groups(
        [campaign.market for campaign in campaigns],
        budget,
        campaigns[0].periods,
        low=[campaign.low for campaign in campaigns],
        cap=[campaign.cap for campaign in campaigns],
        tolerance=tolerance,
        constraints=constraints,
        names=names,
    )


def planned_apart(campaigns: Sequence[Campaign], budget: float, found: Groups) -> list[SpendPlan | None]:
    """The plan of each for its part of the budget; None for no part."""
    return [
        # Of a small budget a cent is much, and whoever gets the rest of the rounding has more than was planned for.
        make_plan(
            replace(campaign, budget=cents / 100.0),
            found=best if 0.0 <= 100.0 * money - cents <= _TRIFLE * cents else None,
        )
        if cents
        else None
        for campaign, cents, money, best in zip(
            campaigns, budgets_in_cents(found.budgets, budget, campaigns), found.budgets, found.plans, strict=True
        )
    ]


def planned_beside(
    campaigns: Sequence[Campaign], budget: float, found: Groups, constraints: Constraints
) -> list[SpendPlan | None]:
    """The plan of each where the others spend as planned; None for no spend."""
    low, cap = (np.concatenate([getattr(campaign, end) for campaign in campaigns]) for end in ("low", "cap"))
    cents = round_within(np.hstack([plan.spend for plan in found.plans]), budget, low, cap, constraints)
    ends = np.cumsum([0, *(len(campaign.low) for campaign in campaigns)])
    own = [slice(*pair) for pair in pairwise(ends)]
    values = [
        float(expected_earnings(campaign.market, campaign.periods).gain(cents[:, columns].T / 100.0))
        for campaign, columns in zip(campaigns, own, strict=True)
    ]
    left = max(found.upper_bound - math.fsum(values), 0.0)
    made: list[SpendPlan | None] = []
    for campaign, columns, value in zip(campaigns, own, values, strict=True):
        spend = cents[:, columns] / 100.0
        limits = constraints_beside(constraints, cents / 100.0, columns)
        prices = (
            {}
            if limits is None
            else {condition.name: found.prices[condition.name.removesuffix(BESIDE)] for condition in limits.conditions}
        )
        part = replace(campaign, budget=int(cents[:, columns].sum()) / 100.0, constraints=limits)
        made.append(make_plan(part, found=Plan(spend, value, value + left, prices)) if spend.any() else None)
    return made


def find_shared_budget(
    campaigns: Sequence[Campaign], most: float, kind: Kind, target: float, constraints: Constraints | None = None
) -> Goal:
    """The budget of all together that a goal needs, see :func:`~sb3_ext.spend_plan.goals.find_budget`."""

    def solve(budget: float, price: float) -> Best:
        markets = (replace(campaign.market, margin=1.0, spend_cost=price) for campaign in campaigns)
        priced = [replace(campaign, market=market) for campaign, market in zip(campaigns, markets, strict=True)]
        found = divided(priced, budget, PRECISE, constraints)
        return Best(math.fsum(plan.spend.sum() for plan in found.plans), found.value, found.upper_bound)

    least = math.fsum(campaign.low.sum() * campaign.periods for campaign in campaigns)
    return search_budget(solve, kind, target, (least, most), f"--target-{kind} {target:g}")


def least_cents(campaign: Campaign) -> int:
    """What the smallest spends take."""
    return campaign.periods * sum(map(ceil_cents, campaign.low))


def budgets_in_cents(budgets: np.ndarray, budget: float, campaigns: Sequence[Campaign]) -> list[int]:
    """Whole cents of each group, within the budget, none below its smallest spends."""
    least = list(map(least_cents, campaigns))
    cents = [max(floor_cents(money), lowest) for money, lowest in zip(budgets, least, strict=True)]
    spare = floor_cents(budget) - sum(cents)
    # What is left of rounding; more of it is left because it does not pay, or channels are at their limits.
    if spare <= len(cents) + _ROUNDING * 100.0 * budget:
        cents[int(np.argmax(np.subtract(cents, least)))] += spare
    return cents
