"""Channels whose part in a plan needs a reason: at their limit, dropped, far from their past, or a burst at the end."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sb3_ext.common.wording import amount, period_name
from sb3_ext.spend_plan.comparison import PAST_MIX
from sb3_ext.spend_plan.plan import SpendPlan

_CENT = 0.01
# Share of the spend below which a channel gets nothing: what solver and rounding leave.
TRIFLE = 1e-6
# A channel is far from its past where its spend is this many times more or less and its share moved by this much.
_FACTOR, _SHARE = 2.0, 0.05
_BURST = 1.5


def find_standouts(plan: SpendPlan) -> Iterator[str]:
    """Name them with the reason, a line each."""
    campaign, numbers = plan.campaign, plan.economics
    market, unit = campaign.market, period_name(campaign.market.period_days)
    totals, past = plan.spend.sum(axis=0), market.historical_mean * campaign.periods
    for index, channel in enumerate(market.channels):
        low, cap = campaign.low[index], campaign.cap[index]
        next_sells = f"its next unit of money would sell {numbers.marginal[index]:,.2f}"
        on_average = f"elsewhere it sells {numbers.marginal[-1]:,.2f}"
        if np.all(plan.spend[:, index] >= cap - _CENT) and low < cap:
            yield (
                f"{channel.name} is at its limit of {amount(cap)} every {unit}: {next_sells}, {on_average}. If "
                f"more can be bought, raise --caps {channel.name}=..."
            )
        elif totals[index] <= TRIFLE * plan.total and channel.beta > 0.0:
            yield f"{channel.name} gets nothing: {_too_little(plan, index) or f'{next_sells}, {on_average}'}."
        elif plan.total and plan.campaign.reference == PAST_MIX and _far(totals, past, index):
            before = plan.reference_economics.marginal
            yield (
                f"{channel.name} gets {totals[index] / totals.sum():.0%} of the spend, {past[index] / past.sum():.0%} "
                f"in the past: with the past mix at this budget its next unit of money would sell "
                f"{before[index]:,.2f}, that of all channels {before[-1]:,.2f}."
            )
        if (times := _last_burst(plan, index)) is not None:
            yield (
                f"{channel.name} spends {times:.1f} times its usual in the last {unit}: what it carries over sells "
                "much, as it is assumed that nothing more is spent then; --afterwards past (or same) plans for "
                "advertising that goes on."
            )


def _last_burst(plan: SpendPlan, index: int) -> float | None:
    """How many times its usual a channel spends in the last period, if that is because the plan ends there."""
    spend = plan.spend[:, index]
    usual = float(np.median(spend))
    if plan.campaign.market.afterwards != "nothing" or len(spend) < 4 or usual <= TRIFLE * plan.total:
        return None
    times = float(spend[-1]) / usual
    return times if times > _BURST and spend[-1] > _BURST * spend[-2] else None


def _far(totals: np.ndarray, past: np.ndarray, index: int) -> bool:
    share, before = totals[index] / totals.sum(), past[index] / past.sum()
    return bool(abs(share - before) > _SHARE and not 1.0 / _FACTOR < share / max(before, 1e-12) < _FACTOR)


def _too_little(plan: SpendPlan, index: int) -> str | None:
    """Why a channel with an S-shaped curve gets nothing; None where its curve is concave."""
    market, unit = plan.campaign.market, period_name(plan.campaign.market.period_days)
    curve = market.curves.channel(index)
    if curve.is_concave:
        return None
    efficient = min(float(curve.touching), float(plan.campaign.cap[index]))
    sold = float(curve.response(np.array(efficient))) / efficient
    return (
        f"its curve is S-shaped, so small amounts sell little, and what it needs to be efficient, {amount(efficient)} "
        f"every {unit}, would sell {sold:,.2f} per unit of money, while the same money sells more on the other "
        "channels (how other budgets split: “What if” on the page)"
    )
