"""What an analyst must know before following a plan."""

from __future__ import annotations

from collections.abc import Iterator

from sb3_ext.common.wording import amount, period_name
from sb3_ext.spend_plan.comparison import EVEN
from sb3_ext.spend_plan.plan import SpendPlan
from sb3_ext.spend_plan.standouts import TRIFLE

_CENT = 0.01


def find_caveats(plan: SpendPlan) -> Iterator[str]:
    """Where a plan leaves what the model has seen, cannot spend the budget, or rests on weak ground, a line each."""
    campaign, spend, single = plan.campaign, plan.spend, plan.single
    value, reference = plan.score.value, plan.reference
    market, periods = campaign.market, campaign.periods
    unit = period_name(market.period_days)
    if plan.changes is not None:
        yield from plan.changes.warnings
    beyond = spend > market.historical_max + _CENT
    for index, channel in enumerate(market.channels):
        if count := int(beyond[:, index].sum()):
            yield (
                f"{channel.name}: in {count} of {periods} {unit}s the plan spends more than the model has ever seen "
                f"(up to {spend[:, index].max():,.2f}, seen {market.historical_max[index]:,.2f}): the sales expected "
                "there are extrapolated"
            )
    if unknown := [channel.name for channel in market.channels if channel.historical_max is None]:
        yield f"the largest past spend of {', '.join(unknown)} is not known: the plan may go beyond the data"
    absorbed = float(campaign.cap.sum()) * periods
    unspent = campaign.budget - float(spend.sum())
    # What the plan leaves by choice, below the caps, would not earn what it costs.
    if absorbed < campaign.budget - _CENT and float(spend.sum()) > (1.0 - 1e-3) * absorbed:
        yield (
            f"the caps take at most {absorbed:,.2f} of the budget of {campaign.budget:,.2f}: {unspent:,.2f} stay "
            "unspent unless --caps are raised"
        )
    if value <= 0.0:
        limits = " within the constraints" if plan.campaign.constraints else ""
        yield (
            f"the plan earns nothing: under this model no spending{limits} pays"
            if single is None or not plan.total
            else "in these random campaigns the plan loses money on average, although it is best for what is expected"
        )
    elif value < reference.value - 1e-6 * abs(reference.value) and reference.name not in plan.breaking:
        reason = "the search for a better one failed" if single is None else "it was made for what is expected"
        yield f"{reference.name} earn{'s' if reference.name == EVEN else ''} more than the plan: {reason}"
    yield from _losses(plan)
    if plan.planned_gap > 0.01 and not market.is_concave:
        yield (
            f"up to {plan.planned_gap:.1%} more could be possible: at least one curve is S-shaped, where no method is "
            "sure to find the best plan"
        )
    for fit in campaign.fits:
        yield from fit.warnings
    yield from market.notes
    for channel in market.channels:
        carries_over = channel.theta > 0.0 or len(channel.weights or ()) > 1
        past_is_known = channel.historical_mean or channel.initial_adstock is not None or channel.history
        if carries_over and not past_is_known:
            yield (
                f"{channel.name}: past spend is not known, so the campaign is planned as if nothing had been "
                f"advertised before; the first {unit}s may be too high (give historical_mean)"
            )
    if idle := [channel.name for channel in market.channels if channel.beta == 0.0]:
        yield f"the model sees no effect of {', '.join(idle)}: the plan spends no more there than it must"
    if single is None:
        return
    yield (
        "this market is random: the plan is the best one for a campaign in which everything happens as expected, and "
        "what it earns is a mean over random campaigns; 95% of the single ones earn "
        f"{single[0]:,.0f} to {single[1]:,.0f}"
    )
    if market.draws and not market.randomness.use_draws:
        yield (
            "the draws of the parameters are no part of the random campaigns, so the intervals leave out how uncertain "
            'they are (switch on "use_draws" in the randomness of the market)'
        )


def _losses(plan: SpendPlan) -> Iterator[str]:
    """Where money does not come back."""
    market, numbers = plan.campaign.market, plan.economics
    if not plan.total:
        return
    margin = f"margin {market.margin:g}" + (", unless --margin says more" if market.margin == 1.0 else "")
    advice = "" if market.spend_cost else "; --spend-cost 1 spends only what comes back"
    if numbers.net[-1] < -0.005:
        yield (
            f"below break-even: the plan spends {amount(numbers.spend[-1])} and sells {amount(numbers.sales[-1])}, a "
            f"loss of {amount(-numbers.net[-1])} at {margin} (ROAS {numbers.roas[-1]:,.2f}, break-even at "
            f"{numbers.break_even:,.2f}){advice}"
        )
    elif numbers.marginal[-1] < numbers.break_even * (1.0 - 1e-3):
        yield (
            f"the last money does not come back: the next unit of it would sell {numbers.marginal[-1]:,.2f}, break-even"
            f" is at {numbers.break_even:,.2f} with {margin}{advice}"
        )
    if names := [
        f"{name} (ROAS {roas:,.2f})"
        for name, roas, net in zip(market.names, numbers.roas, numbers.net, strict=False)
        if net < -TRIFLE * plan.total and numbers.net[-1] >= -0.005
    ]:
        yield f"below break-even on its own: {', '.join(names)}; break-even is at {numbers.break_even:,.2f}, {margin}"
