"""A plan made anew for the rest of a campaign, and what changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from sb3_ext.app.errors import UserError
from sb3_ext.common.arrays import FloatArray
from sb3_ext.common.wording import amount
from sb3_ext.envs.ad_spend import Market
from sb3_ext.envs.ad_spend.campaign.learning import Learned, expected_sales, learn_from_sales
from sb3_ext.envs.ad_spend.market.channel import default_spend_cap
from sb3_ext.envs.ad_spend.market.checks import MOST_MONEY
from sb3_ext.envs.ad_spend.market.progress import after
from sb3_ext.spend_plan.actuals import Actuals
from sb3_ext.spend_plan.campaign import Campaign, Past
from sb3_ext.spend_plan.changes import Changes
from sb3_ext.spend_plan.constraints_after import constraints_after
from sb3_ext.spend_plan.economics import expected_earnings
from sb3_ext.spend_plan.goals import with_goal
from sb3_ext.spend_plan.plan import SpendPlan, make_plan
from sb3_ext.spend_plan.record import PlanRecord

_LEAST_EFFECTIVE = 20.0
_WORTH_SAYING = 0.02


def replan(
    record: PlanRecord,
    actuals: Actuals,
    budget: float | None = None,
    *,
    noise: float | None = None,
    base: float | None = None,
    report: Callable[[str], object] = lambda policy: None,
) -> SpendPlan:
    """
    Plan the periods that the actuals leave.

    ``budget`` is for them alone; by default it is what reaches the plan's goal, or what its budget leaves. ``noise``
    and ``base`` are of a period's sales, see
    :func:`~sb3_ext.envs.ad_spend.campaign.learning.learn_from_sales`.
    """
    spent = np.concatenate([record.spent, actuals.spend])
    dates = record.dates[len(spent) :]
    if not dates:
        raise UserError("--actuals: they cover the whole plan, so nothing is left to plan")
    goal = record.goal if budget is None else None
    whole = record.budget if goal is None else goal.most - float(record.spent.sum())
    left = whole - float(actuals.spend.sum()) if budget is None else budget
    if not 0.01 <= left <= MOST_MONEY:
        raise UserError(
            f"--actuals: {actuals.spend.sum():,.2f} of {whole:,.2f} are spent, which leaves {left:,.2f} for "
            "the rest: give what may be spent with --budget"
        )
    cap = record.cap if budget is None else _caps(record, left, len(dates))
    if record.low.sum() * len(dates) > left * (1.0 + 1e-12):
        raise UserError(
            f"--budget: the plan's smallest spends amount to {record.low.sum() * len(dates):,.2f} over the periods to "
            f"come, more than the {left:,.2f} that are left"
        )
    sales = _all_sales(record, actuals)
    notes, warnings = list(actuals.notes), []
    market = record.market
    if sales is not None:
        try:
            learned = _learn(record, spent, sales, noise, base)
        except ValueError as error:
            warnings.append(f"the sales changed nothing: {error}")
        else:
            market = learned.market
            notes += _what_sales_say(record.market, learned, spent)
            if learned.effective < _LEAST_EFFECTIVE:
                warnings.append(
                    f"hardly any of the model's {learned.candidates} draws fits the sales: what is believed now rests "
                    f"on {learned.effective:.0f} of them"
                )
    constraints = record.constraints and constraints_after(record.constraints, actuals.spend)

    def campaign(believed: Market) -> Campaign:
        past = Past(record.market, record.dates[: len(spent)], spent, sales, _sold_of(believed, spent, len(dates)))
        rest = Campaign(
            after(believed, spent), left, dates, record.low, cap, constraints=constraints, risk=record.risk, past=past
        )
        return rest if goal is None else with_goal(rest, goal.kind, goal.target)

    plan = make_plan(campaign(market), {}, max(record.n_paths, 1), report)
    as_believed = plan.spend if market is record.market else campaign(record.market).best().spend
    over = len(actuals.spend)
    changes = Changes(
        over=over,
        planned=record.spend[:over].sum(axis=0),
        spent=actuals.spend.sum(axis=0),
        rest_before=record.spend[over:].sum(axis=0),
        rest_as_believed=as_believed.sum(axis=0),
        rest=plan.spend.sum(axis=0),
        notes=tuple(notes),
        warnings=tuple(warnings),
    )
    return replace(plan, changes=changes)


def _sold_of(market: Market, spent: FloatArray, to_come: int) -> float:
    """What spends that are over sell more than none would have, carry-over into the periods to come included."""
    sold = expected_earnings(replace(market, margin=1.0, spend_cost=0.0), len(spent) + to_come)
    return float(sold.gain(np.pad(spent.T, ((0, 0), (0, to_come)))))


def _caps(record: PlanRecord, left: float, periods: int) -> FloatArray:
    """The plan's limits; those that came from its budget grow with a larger one."""
    channels = record.market.channels
    was, now = (
        default_spend_cap(budget, periods, len(channels))
        for budget, periods in ((record.budget, len(record.spend)), (left, periods))
    )
    derived = np.array([channel.cap is None for channel in channels]) & (np.abs(record.cap - was) <= 1e-9 * was)
    return np.where(derived, np.maximum(record.cap, now), record.cap)


def _all_sales(record: PlanRecord, actuals: Actuals) -> FloatArray | None:
    """Sales of all periods that are over, NaN where not known; None if none are."""
    both = [
        np.full(len(spend), np.nan) if sales is None else sales
        for spend, sales in ((record.spent, record.sold), (actuals.spend, actuals.sales))
    ]
    sales = np.concatenate(both)
    return sales if np.isfinite(sales).any() else None


def _learn(
    record: PlanRecord, spent: FloatArray, sales: FloatArray, noise: float | None, base: float | None
) -> Learned:
    market = record.market
    if noise is None and market.randomness.sales_sigma > 0.0:
        noise = market.randomness.sales_sigma * float(market.beta.sum())
    if base is None and market.baseline:
        # What the model says of the other sales, up to a constant.
        sales = sales - market.base_sales(len(spent), record.dates[0])
    return learn_from_sales(market, spent, sales, noise=noise, base=base)


def _what_sales_say(before: Market, learned: Learned, spent: FloatArray) -> list[str]:
    """How much more or less each channel sold than was believed, where it is worth saying."""
    believed, now = (
        expected_sales(market, spent).mean(axis=0).sum(axis=0)
        for market in (replace(before, draws=before.draws or (before.channels,)), learned.market)
    )
    return [
        f"{name}: by the sales it sold {amount(is_now)} so far, where {amount(was)} were expected of what was spent"
        for name, was, is_now in zip(before.names, believed, now, strict=True)
        if abs(is_now - was) > _WORTH_SAYING * max(was, 1.0)
    ] or ["the sales hardly change what is believed of the channels"]
