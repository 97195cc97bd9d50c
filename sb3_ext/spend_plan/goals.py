"""Goals in place of a budget: sales to reach, or the return that money must have."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from sb3_ext.app.errors import UserError
from sb3_ext.app.typed import typed_amount, typed_factor
from sb3_ext.common.wording import amount
from sb3_ext.envs.ad_spend import Market, Plan
from sb3_ext.envs.ad_spend.optimum.infeasible import Infeasible
from sb3_ext.spend_plan.campaign import Campaign, Goal, Kind
from sb3_ext.spend_plan.cents import ceil_cents, floor_cents

_TOLERANCE, _PRECISION, _MOST_STEPS = 1e-5, 1e-4, 40


_FLAGS: dict[Kind, str] = {
    "sales": "the smallest budget that sells so much more than no spend, carry-over afterwards included",
    "mroas": "the largest spend whose last unit of money sells so much",
    "roas": "the largest spend that sells so much per unit of money on average",
    "cpa": "the largest spend that costs at most so much per unit of sales",
}


def add_goal_flags(add: Callable[..., Any]) -> None:
    """Add the flags of the goals to a parser, by its ``add_argument``."""
    for kind, text in _FLAGS.items():
        read = typed_amount if kind == "sales" else typed_factor
        add(f"--target-{kind}", type=read, metavar="X", help=f"in place of --budget: {text}")


def goal_of(args: argparse.Namespace) -> tuple[Kind, float] | None:
    """The goal that flags name; with a budget that is the most to consider."""
    given: list[tuple[Kind, float]] = [
        (kind, x) for kind in _FLAGS if (x := getattr(args, f"target_{kind}")) is not None
    ]
    if len(given) > 1:
        raise UserError(f"give one goal, not --target-{given[0][0]} and --target-{given[1][0]}")
    if given and not given[0][1] > 0.0:
        raise UserError(f"--target-{given[0][0]} is {given[0][1]:g}: give a number above 0")
    if not given and args.budget is None:
        raise UserError(f"give --budget, or a goal: {', '.join(f'--target-{kind}' for kind in _FLAGS)}")
    return given[0] if given else None


def most_to_consider(market: Market, periods: int, capped: Collection[str]) -> float:
    """A budget for the limits of channels that have none: twice what the past spent in as many periods."""
    past = float(market.historical_mean.sum())
    unlimited = [channel.name for channel in market.channels if channel.cap is None and channel.name not in capped]
    if unlimited and not past:
        raise UserError(
            f"a goal needs limits: give --budget as the most to consider, or --caps for {', '.join(unlimited)}"
        )
    return max(2.0 * past * periods, 1.0)


def with_goal(campaign: Campaign, kind: Kind, target: float) -> Campaign:
    """The same campaign with the budget that reaches a goal, in cents."""
    goal = find_budget(campaign, kind, target)
    cents = ceil_cents(goal.budget) if kind == "sales" else floor_cents(goal.budget)
    return replace(campaign, budget=cents / 100.0, goal=goal)


def find_budget(campaign: Campaign, kind: Kind, target: float) -> Goal:
    """
    The smallest budget whose best plan sells ``target`` more than no spend, or the largest spend whose last unit of
    money (``mroas``) or all of it (``roas``, ``cpa``) sells that much. The campaign's budget is the most to consider.
    What is spent already counts, but for the last unit of money.
    """
    past = campaign.past
    flag = f"--target-{kind} {target:g}" if past is None else f"the plan's goal, {kind} of {target:g}"
    spent, sold = (0.0, 0.0) if past is None else (float(past.spend.sum()), past.worth)
    market = replace(campaign.market, margin=1.0)
    most, least = campaign.budget, max(float(campaign.low.sum()) * campaign.periods, 0.01)

    def solve(budget: float, price: float = 0.0) -> Plan:
        return replace(campaign, market=replace(market, spend_cost=price), budget=budget, risk=None).best(_TOLERANCE)

    def found(budget: float, beyond: float | None = None) -> Goal:
        return Goal(kind, target, most + spent, budget, beyond, spent)

    if kind == "mroas":
        return found(_spent(solve(most, target), flag))
    whole = solve(most)
    if kind == "sales":
        if sold >= target:
            raise UserError(
                f"{flag}: what is spent already sells {amount(sold)} more than none, the target was "
                f"{amount(target)}: give --budget to spend more"
            )
        if sold + whole.value < target:
            raise UserError(
                f"{flag}: within the limits no plan sells {amount(target)} more than none: the best one sells "
                f"{amount(sold + whole.value)} for {amount(spent + float(whole.spend.sum()), 2)}"
            )
        reached, missed, proven = float(whole.spend.sum()), least, None
        for _ in range(_MOST_STEPS):
            if reached - missed <= _PRECISION * reached:
                break
            middle = 0.5 * (reached + missed)
            try:
                plan = solve(middle)
            except Infeasible:
                missed = middle
                continue
            if sold + plan.value >= target:
                reached = middle
            else:
                missed = middle
                proven = middle if sold + plan.upper_bound < target else proven
        return found(reached, proven)
    rate = 1.0 / target if kind == "cpa" else target
    total, ahead = float(whole.spend.sum()), sold - rate * spent
    if whole.value + ahead >= rate * total:
        return found(total)
    best = solve(most, rate)
    if best.value + ahead < 0.0:
        raise UserError(f"{flag}: no plan within the limits reaches it")
    reached, missed = float(best.spend.sum()) if ahead > 0.0 else _spent(best, flag), total
    for _ in range(_MOST_STEPS):
        if missed - reached <= _PRECISION * missed:
            break
        middle = 0.5 * (reached + missed)
        plan = solve(middle)
        reached, missed = (middle, missed) if plan.value + ahead >= rate * middle else (reached, middle)
    return found(reached, missed)


def _spent(plan: Plan, flag: str) -> float:
    total = float(plan.spend.sum())
    if total < 0.01 or plan.value <= 0.0:
        raise UserError(f"{flag}: no plan within the limits reaches it, not even with the first unit of money")
    return total
