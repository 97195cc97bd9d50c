"""Goals in place of a budget: sales to reach, or the return that money must have."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any, NamedTuple

from sb3_ext.app.errors import UserError
from sb3_ext.app.typed import typed_amount, typed_factor
from sb3_ext.common.wording import amount
from sb3_ext.envs.ad_spend import Market
from sb3_ext.envs.ad_spend.optimum.infeasible import Infeasible
from sb3_ext.spend_plan.campaign import Campaign, Goal, Kind
from sb3_ext.spend_plan.cents import ceil_cents, floor_cents

PRECISE = 1e-5
"""Relative gap of the plans that a budget is sought by."""
_PRECISION, _MOST_STEPS = 1e-4, 40


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


class Best(NamedTuple):
    """The best plan of a budget, on all sales and no costs but the price of money that was asked for."""

    spent: float
    """Money."""
    value: float
    """Sales over none, less the price of the spend."""
    upper_bound: float
    """No plan of the budget has more."""


Solve = Callable[[float, float], Best]


def with_goal(campaign: Campaign, kind: Kind, target: float) -> Campaign:
    """The same campaign with the budget that reaches a goal, in cents."""
    goal = find_budget(campaign, kind, target)
    return replace(campaign, budget=in_cents(goal), goal=goal)


def in_cents(goal: Goal) -> float:
    """A goal's budget in whole cents: no fewer where sales are to be reached, else no more."""
    return (ceil_cents(goal.budget) if goal.kind == "sales" else floor_cents(goal.budget)) / 100.0


def find_budget(campaign: Campaign, kind: Kind, target: float) -> Goal:
    """
    The smallest budget whose best plan sells ``target`` more than no spend, or the largest spend whose last unit of
    money (``mroas``) or all of it (``roas``, ``cpa``) sells that much. The campaign's budget is the most to consider.
    What is spent already counts, but for the last unit of money.
    """
    past = campaign.past
    flag = f"--target-{kind} {target:g}" if past is None else f"the plan's goal, {kind} of {target:g}"
    spent, sold = (0.0, 0.0) if past is None else (float(past.spend.sum()), past.worth)

    def solve(budget: float, price: float) -> Best:
        market = replace(campaign.market, margin=1.0, spend_cost=price)
        plan = replace(campaign, market=market, budget=budget, risk=None).best(PRECISE)
        return Best(float(plan.spend.sum()), plan.value, plan.upper_bound)

    least = float(campaign.low.sum()) * campaign.periods
    return search_budget(solve, kind, target, (least, campaign.budget), flag, spent, sold)


def search_budget(
    solve: Solve,
    kind: Kind,
    target: float,
    between: tuple[float, float],
    flag: str,
    spent: float = 0.0,
    sold: float = 0.0,
) -> Goal:
    """Find a goal's budget, money, by plans that ``solve`` makes of budgets and a price of money."""
    least, most = max(between[0], 0.01), between[1]

    def found(budget: float, beyond: float | None = None) -> Goal:
        return Goal(kind, target, most + spent, budget, beyond, spent)

    if kind == "mroas":
        return found(_spent(solve(most, target), flag))
    whole = solve(most, 0.0)
    if kind == "sales":
        if sold >= target:
            raise UserError(
                f"{flag}: what is spent already sells {amount(sold)} more than none, the target was "
                f"{amount(target)}: give --budget to spend more"
            )
        if sold + whole.value < target:
            raise UserError(
                f"{flag}: within the limits no plan sells {amount(target)} more than none: the best one sells "
                f"{amount(sold + whole.value)} for {amount(spent + whole.spent, 2)}"
            )
        reached, missed, proven = whole.spent, least, None
        for _ in range(_MOST_STEPS):
            if reached - missed <= _PRECISION * reached:
                break
            middle = 0.5 * (reached + missed)
            try:
                plan = solve(middle, 0.0)
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
    ahead = sold - rate * spent
    if whole.value + ahead >= rate * whole.spent:
        return found(whole.spent)
    best = solve(most, rate)
    if best.value + ahead < 0.0:
        raise UserError(f"{flag}: no plan within the limits reaches it")
    reached, missed = best.spent if ahead > 0.0 else _spent(best, flag), whole.spent
    for _ in range(_MOST_STEPS):
        if missed - reached <= _PRECISION * missed:
            break
        middle = 0.5 * (reached + missed)
        enough = solve(middle, 0.0).value + ahead >= rate * middle
        reached, missed = (middle, missed) if enough else (reached, middle)
    return found(reached, missed)


def _spent(best: Best, flag: str) -> float:
    if best.spent < 0.01 or best.value <= 0.0:
        raise UserError(f"{flag}: no plan within the limits reaches it, not even with the first unit of money")
    return best.spent
