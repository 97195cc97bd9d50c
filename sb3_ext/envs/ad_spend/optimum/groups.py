"""Several markets under one budget."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.market.checks import check_count, check_number
from sb3_ext.envs.ad_spend.market.market import Market
from sb3_ext.envs.ad_spend.optimum.aim import Aim
from sb3_ext.envs.ad_spend.optimum.conditional import plan_under_conditions
from sb3_ext.envs.ad_spend.optimum.constraints import Constraints, bounds_as_conditions
from sb3_ext.envs.ad_spend.optimum.outlook import Outlook
from sb3_ext.envs.ad_spend.optimum.plan import Plan, spend_bounds
from sb3_ext.envs.ad_spend.optimum.search import Found
from sb3_ext.envs.ad_spend.optimum.together import Together
from sb3_ext.envs.ad_spend.optimum.within_budget import ROUNDING, BudgetProblem

_LEAST_BUDGET, _TRACE = 1e-6, 1e-6


@dataclass(frozen=True, eq=False)
class Groups:
    """The plans of G markets under one budget, and what is known about all of them together."""

    budgets: FloatArray
    """What each may spend, shape (G,), money; their sum is within the budget."""
    plans: tuple[Plan, ...]
    """The plan of each, certified for its own budget; under conditions, where the others spend what they do."""
    upper_bound: float
    """However the budget is divided, the groups earn no more together, money."""
    prices: Mapping[str, float] = field(default_factory=dict)
    """What one more unit of money in a condition is worth, by its name, where any were given."""

    @property
    def value(self) -> float:
        """What the plans earn together, money."""
        return math.fsum(plan.value for plan in self.plans)

    @property
    def relative_gap(self) -> float:
        """How much better than these plans any others can be at most, relative to their value."""
        return (self.upper_bound - self.value) / max(abs(self.value), 1e-12)


def same_period(markets: Sequence[Market]) -> None:
    """
    Check that markets can share a budget.

    :raises ValueError: If there is none, or the lengths of their periods differ.
    """
    if not markets:
        raise ValueError("give at least one market to plan for")
    lengths = sorted({market.period_days for market in markets})
    if len(lengths) > 1:
        raise ValueError(
            f"groups that share a budget need periods of one length, got {', '.join(f'{days:g}' for days in lengths)} "
            "days: convert them (Market.with_period)"
        )


def plan_groups(
    markets: Sequence[Market],
    budget: float,
    periods: int,
    *,
    low: Sequence[npt.ArrayLike] | None = None,
    cap: Sequence[npt.ArrayLike] | None = None,
    tolerance: float = 1e-6,
    constraints: Constraints | None = None,
    names: Sequence[str] | None = None,
) -> Groups:
    """
    Divide one budget between markets, such as regions, so that they earn the most together, and plan each.

    Markets share nothing but the budget, as channels do, so together they are one campaign whose channels are those of
    all: one program, certified as any plan is (:func:`~sb3_ext.envs.ad_spend.optimum.plan.plan_optimal`), S-shaped
    curves and ``constraints`` on the spends of one or of several included. Each market then gets what that plan spends
    on it, and a plan of its own with a certificate for that budget. With S-shaped curves and without constraints even
    shares of the budget are tried too, and the better division is taken. The value of a market that has draws is the
    mean over them.

    :param markets: The markets, at least one, with periods of one length.
    :param budget: Budget of all together, money, > 0.
    :param periods: Length of the campaign, >= 1.
    :param low: Smallest spends of each market, as for ``plan_optimal``. Default: 0.
    :param cap: Largest spends of each market, likewise. Default: ``Market.spend_caps`` of the whole budget.
    :param tolerance: Relative gap to stop at, in (0, 1).
    :param constraints: What the plans have to keep to besides, on the channels of one market after another. Default:
        nothing.
    :param names: Names of the markets, for messages about constraints.
    :return: Budgets, plans and the bound on all of them.
    :raises ValueError: If the lengths of periods differ, the smallest spends are more than the budget, or an argument
        is out of range.
    :raises Infeasible: If no plans keep to bounds, budget and constraints; it names what contradicts.
    """
    same_period(markets)
    budget, periods = check_number(budget, "budget", _LEAST_BUDGET, 1e15), check_count(periods, "periods")
    check_number(tolerance, "tolerance", 0.0, 1.0, low_open=True, high_open=True)
    unset = [None] * len(markets)
    ends = zip(low or unset, cap or unset, strict=True)
    bounds = [spend_bounds(market, budget, periods, *own) for market, own in zip(markets, ends, strict=True)]
    problems = [_problem(market, periods, own) for market, own in zip(markets, bounds, strict=True)]
    if constraints is not None:
        channels = [
            f"{name}: {channel}"
            for name, market in zip(names or range(1, len(markets) + 1), markets, strict=True)
            for channel in market.names
        ]
        return _under_conditions(markets, problems, budget, tolerance, constraints, channels)
    least = np.array([problem.low.sum() for problem in problems])
    if least.sum() > budget * (1.0 + ROUNDING):
        raise ValueError(f"the smallest spends amount to {least.sum():g}, more than the budget {budget:g}")
    whole = _together(problems)
    found = whole.best(budget, tolerance)

    parts = np.split(found.spend, np.cumsum([len(problem.low) for problem in problems])[:-1])
    spent = np.array([part.sum() for part in parts])
    # Interior-point plans hold traces of everything.
    budgets = np.where(spent - least < _TRACE * budget, least, spent)
    best = Groups(budgets, _plans(problems, budgets, parts, tolerance), found.upper_bound)
    if not whole.aim.is_concave:
        even = least + (budget - least.sum()) / len(markets)
        plans = _plans(problems, even, [problem.low for problem in problems], tolerance)
        best = max(best, Groups(even, plans, found.upper_bound), key=lambda groups: groups.value)
    return best


def _problem(market: Market, periods: int, bounds: tuple[FloatArray, FloatArray]) -> BudgetProblem:
    expected = Outlook.of_campaign(market, periods)
    outlook = Outlook.of_draws(market, periods) if market.draws else expected
    return BudgetProblem.of(market, outlook, expected, bounds)


def _under_conditions(
    markets: Sequence[Market],
    problems: Sequence[BudgetProblem],
    budget: float,
    tolerance: float,
    constraints: Constraints,
    names: Sequence[str],
) -> Groups:
    periods, ends = problems[0].low.shape[1], np.cumsum([len(problem.low) for problem in problems])[:-1]
    low, cap = (np.concatenate([getattr(problem, end) for problem in problems]) for end in ("low", "cap"))
    constraints.check(periods, len(names))

    def aim_of(low: FloatArray, cap: FloatArray) -> Aim:
        bounds = zip(np.split(low, ends), np.split(cap, ends), strict=True)
        return _sum_of(
            [_problem(market, periods, own).aim for market, own in zip(markets, bounds, strict=True)],
            [len(problem.low) for problem in problems],
        )

    found = plan_under_conditions(
        aim_of,
        [channel for problem in problems for channel in problem.apart()],
        budget,
        [*constraints.conditions, *bounds_as_conditions(names, budget, low.T, cap.T)],
        constraints.buys(low.T.shape),
        tolerance,
    )
    parts = np.split(found.spend, ends)
    gains = [problem.aim.gain(part) for problem, part in zip(problems, parts, strict=True)]
    left = max(found.upper_bound - math.fsum(gains), 0.0)
    plans = [Plan(part.T.copy(), gain, gain + left) for part, gain in zip(parts, gains, strict=True)]
    budgets = np.array([part.sum() for part in parts])
    return Groups(budgets, tuple(plans), math.fsum([*gains, left]), found.prices)


def _sum_of(aims: Sequence[Aim], sizes: Sequence[int]) -> Aim:
    """What groups of so many channels earn together."""
    objective = Together([aim.objective for aim in aims], sizes)
    is_concave = all(aim.is_concave for aim in aims)
    relaxation = objective if is_concave else Together([aim.relaxation for aim in aims], sizes)
    return Aim(objective, relaxation, math.fsum(aim.idle for aim in aims))


def _together(problems: Sequence[BudgetProblem]) -> BudgetProblem:
    """All channels of all groups as one problem."""
    return BudgetProblem(
        _sum_of([problem.aim for problem in problems], [len(problem.low) for problem in problems]),
        np.concatenate([problem.low for problem in problems]),
        np.concatenate([problem.cap for problem in problems]),
        lambda: [channel for problem in problems for channel in problem.apart()],
        all(problem.is_exact for problem in problems),
    )


def _plans(
    problems: Sequence[BudgetProblem], budgets: FloatArray, known: Sequence[FloatArray], tolerance: float
) -> tuple[Plan, ...]:
    """The best plan of each for its budget; ``known`` ones, shapes (N, T), are taken where they earn more."""
    plans = []
    for problem, money, spend in zip(problems, budgets, known, strict=True):
        found, gain = problem.best(float(money), tolerance), problem.aim.gain(spend)
        if gain > found.gain and spend.sum() <= money:
            found = Found(spend, gain, max(found.upper_bound, gain))
        plans.append(Plan(found.spend.T.copy(), found.gain, found.upper_bound))
    return tuple(plans)
