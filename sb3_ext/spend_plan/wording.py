"""What the page and the terminal say about a plan, in words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from sb3_ext.common.charts import format_money, period_name
from sb3_ext.envs.ad_spend.market.randomness import Randomness
from sb3_ext.spend_plan.comparison import CLAIRVOYANT, EVEN, OPTIMIZED
from sb3_ext.spend_plan.plan import SpendPlan
from sb3_ext.spend_plan.tables import amount

_REPLANNING = ("certainty-equivalent MPC", "posterior-mean MPC", "Thompson sampling")


class Card(NamedTuple):
    """A number of the headline."""

    title: str
    number: str
    note: str


def span(plan: SpendPlan) -> str:
    """
    When the campaign takes place.

    :param plan: The plan.
    :return: One line.
    """
    campaign = plan.campaign
    unit, channels = period_name(campaign.market.period_days), len(campaign.market.names)
    first, last = campaign.dates[0], campaign.dates[-1]
    when = f"from {first} on" if len(campaign.dates) == 1 else f"{unit}s starting {first} to {last}"
    if unit == "day":
        when = f"{first} to {last}"
    return f"{_count(campaign.periods, unit)}, {when}, on {_count(channels, 'channel')}"


def lead(plan: SpendPlan) -> str:
    """
    What to do and what it brings, in one or two sentences.

    :param plan: The plan.
    :return: A paragraph.
    """
    totals, market = plan.cents.sum(axis=0) / 100.0, plan.campaign.market
    order = [index for index in np.argsort(-totals, kind="stable") if totals[index] > 0.0]
    if not order:
        return "Spend nothing: under this model no spending earns what it costs."
    parts = [f"{format_money(totals[index])} on {market.names[index]}" for index in order[:3]]
    if len(order) > 3:
        parts.append(f"{format_money(totals[order[3:]].sum())} on {_count(len(order) - 3, 'other channel')}")
    listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    gain = plan.score.value - plan.score_of(EVEN).value
    verdict = (
        f"{format_money(abs(gain))} {'more' if gain >= 0.0 else 'less'} than spending the same every time everywhere"
    )
    source = "" if plan.name == OPTIMIZED else f" The plan is that of {plan.name}, which earns the most."
    earns = f"{format_money(plan.score.value)}{f' on average over {campaigns(plan)}' if plan.n_paths else ''}"
    return f"Spend {listed}. The model expects this to earn {earns}, {verdict}.{source}"


def reaction(plan: SpendPlan) -> str | None:
    """
    What reacting to what happens would earn over following the plan.

    :param plan: The plan.
    :return: A sentence; None where nothing is random.
    """
    best, unit = plan.reaction, period_name(plan.campaign.market.period_days)
    if best is None:
        return None
    interval = f"95% interval {best.low:+,.0f} to {best.high:+,.0f}"
    if best.low <= 0.0:
        return (
            f"Reacting to what happens would not earn significantly more than following this plan: at best "
            f"{best.mean:+,.0f} ({interval}), by {best.name}."
        )
    who = f" as {best.name} does"
    doing = "Re-planning" if best.name in _REPLANNING else "Reacting"
    if best.name.startswith("agent "):
        doing, who = "Letting the agent decide", ""
    return (
        f"{doing} every {unit}{who} would earn {amount(best.mean)} more than following this plan "
        f"({interval}, in the same {campaigns(plan)})."
    )


def campaigns(plan: SpendPlan) -> str:
    """
    What intervals of single periods and campaigns are over.

    :param plan: The plan.
    :return: E.g. ``"300 random campaigns"`` or ``"200 draws"``.
    """
    if plan.n_paths:
        return _count(plan.n_paths, "random campaign")
    return _count(len(plan.campaign.market.draws), "draw")


def cards(plan: SpendPlan) -> list[Card]:
    """
    The numbers of the headline.

    :param plan: The plan.
    :return: Four cards.
    """
    score, even = plan.score, plan.score_of(EVEN).value
    gain = score.value - even
    cases = "campaigns" if plan.n_paths else "draws"
    earns = "over spending nothing, carry-over afterwards included"
    if score.low is not None and score.high is not None:
        span = f"{format_money(score.low)} to {format_money(score.high)}"
        earns = f"over spending nothing; {span} in 95% of the draws"
        if plan.n_paths:
            earns = f"over spending nothing, on average; 95% interval {span}"
    relative = f"{gain / even:+.1%}" if even > 0.0 else f"{gain:+,.0f}"
    share = plan.total / plan.campaign.budget
    ahead = "" if score.ahead is None else f"; ahead in {score.ahead:.0%} of the {cases}"
    limit = "certified: no plan can earn more than that on top"
    if plan.n_paths:
        limit = "a bound for any policy, even one that knows the future"
    spends, delivered = amount(plan.total), ""
    if abs(plan.spent[plan.name] - plan.total) > 0.005 * plan.total:
        delivered = f"; {amount(plan.spent[plan.name])} of it are delivered on average"
    return [
        Card("Earns", amount(score.value), earns),
        Card(f"Against {EVEN}", relative, f"{EVEN} earns {amount(even)}{ahead}"),
        Card("Spends", spends, f"{share:.1%} of the budget of {amount(plan.campaign.budget)}{delivered}"),
        Card("Left to gain", f"≤ {_percent(plan.relative_gap)}", limit),
    ]


def certificate(plan: SpendPlan) -> str:
    """
    How far from the best plan this one can be.

    :param plan: The plan.
    :return: A paragraph.
    """
    if plan.n_paths:
        return (
            f"In these campaigns no policy, not even a clairvoyant one, can earn more than {amount(plan.upper_bound)} "
            "on average. If everything happens as expected, no plan is better than this one by more than "
            f"{_percent(plan.planned_gap)}. Both bounds are computed, not estimated."
        )
    bound = (
        f"Within these limits no plan can earn more than {amount(plan.upper_bound, 2)} under this model: at most "
        f"{_percent(plan.relative_gap)} more than this plan. The bound is computed, not estimated."
    )
    if not plan.campaign.market.is_concave:
        bound += " At least one curve is S-shaped, so the bound itself may be out of reach."
    return bound


def policies(plan: SpendPlan) -> dict[str, str]:
    """
    What the compared policies do.

    :param plan: The plan.
    :return: A line by policy, in the order of the scores.
    """
    unit = period_name(plan.campaign.market.period_days)
    meanings = {
        OPTIMIZED: "the best spends that the optimizer found",
        "static optimum": f"the best spends that stay the same every {unit}, as media-mix tools recommend them",
        EVEN: f"the same money every {unit} on every channel",
        "historical proportions": f"the same money every {unit}, split between the channels as in the past",
        "maximum spend": "every channel at its limit until the budget is gone",
        "ROAS chasing": f"money follows the average return on spend of the {unit} before",
        "greedy marginal ROAS": f"money goes where the next unit of it sells the most, {unit} by {unit}",
        "random": "random spends" if plan.n_paths else "the mean of twenty plans with random spends",
        "PID pacing": f"the optimized plan, corrected every {unit} so that the money spent keeps to it",
        "certainty-equivalent MPC": f"re-plans the rest every {unit}, as if everything came as expected from then on",
        "posterior-mean MPC": f"re-plans the rest every {unit} with what the sales have told about the curves",
        "Thompson sampling": "the same, with curves drawn from what is likely: it tries things out to learn",
        CLAIRVOYANT: "the best plan for somebody who knows in advance all that happens: nobody can earn more",
    }
    for score in plan.scores:
        if score.name.startswith("agent "):
            meanings[score.name] = "what the trained agent decides"
    return {score.name: meanings[score.name] for score in plan.scores if score.name in meanings}


def plan_caption(plan: SpendPlan) -> str:
    """
    What the figure of the plan shows.

    :param plan: The plan.
    :return: A caption.
    """
    unit = period_name(plan.campaign.market.period_days)
    text = f"Spend per {unit} and channel (top) and the sales of all channels expected from it (bottom)."
    if plan.outcome.tail[0] > 0.0:
        text += f" Another {amount(plan.outcome.tail[0])} are earned after the campaign, by carry-over."
    if plan.sales_interval is not None:
        of = "" if plan.n_paths else " of the parameters"
        text += f" The band holds 95% of the {campaigns(plan)}{of}."
    return text


def comparison_caption(plan: SpendPlan) -> str:
    """
    What the figure of the comparison shows.

    :param plan: The plan.
    :return: A caption.
    """
    text = "Money earned over a campaign that spends nothing."
    if plan.n_paths:
        text += f" Bars: means over the same {campaigns(plan)}; lines: their 95% bootstrap intervals; hollow: a bound."
    elif plan.score.low is not None:
        text += " Bars: central parameters; lines: the middle 95% of the draws."
    return text


def curves_caption(plan: SpendPlan) -> str:
    """
    What the figure of the curves shows.

    :param plan: The plan.
    :return: A caption.
    """
    text = (
        "Sales per period at average demand against advertising at work: this period's spend and what is carried over "
        "from before. Each dot is a period of the plan."
    )
    if any(channel.historical_max is not None for channel in plan.campaign.market.channels):
        text += " The dashed line marks the largest spend the model has seen; the curve beyond it is a guess."
    return text


def assumptions(plan: SpendPlan) -> Iterator[str]:
    """
    What the numbers rest on.

    :param plan: The plan.
    :return: One line each.
    """
    market = plan.campaign.market
    unit = period_name(market.period_days)
    yield (
        "The media-mix model is taken as true: sales follow from spend as its curves say, channels do not influence "
        "each other, and competitors and prices stay as they were."
    )
    terms = "the sales" if market.margin == 1.0 else f"{market.margin:g} times the sales"
    costs = (
        f", less {market.spend_cost:g} per unit of spend"
        if market.spend_cost
        else "; the budget counts as spent either way"
    )
    yield f"“Earns” means {terms} beyond those of a campaign that spends nothing{costs}, in the currency of the model."
    carried = [
        f"{channel.name} {channel.theta:.0%} (half forgotten in {_days(market.period_days, channel.theta)})"
        for channel in market.channels
        if channel.theta > 0.0
    ]
    if carried:
        yield f"Carried over from {unit} to {unit}: {', '.join(carried)}; other channels: nothing."
        yield (
            f"What is carried over after the last {unit} is credited for {_count(market.tail_periods, unit)} at "
            "average demand. The campaign starts with the advertising of the past, as if its mean spend had gone on "
            "until then."
        )
    else:
        yield f"Nothing is carried over: advertising sells in the {unit} it is paid for."
    if len(set(market.season)) > 1:
        factors = market.season_factors(plan.campaign.periods)
        yield f"Demand varies between {factors.min():.2f} and {factors.max():.2f} times the average, as given."
    else:
        yield "Demand is the same all the time: give --season where it is not."
    limits = (
        f"{name} {amount(low)} to {amount(cap)}"
        for name, low, cap in zip(market.names, plan.campaign.low, plan.campaign.cap, strict=True)
    )
    yield f"Limits per {unit}: {', '.join(limits)}."
    if market.randomness.any:
        yield f"Random, independently between channels: {'; '.join(_random_parts(market.randomness, unit))}."
        yield (
            f"All policies went through the same {campaigns(plan)}, so differences between them are more certain than "
            f"what each earns; “Ahead” counts the campaigns in which a policy earns more than {EVEN}."
        )
    elif market.draws:
        yield (
            "The plan is the best one for the central parameters; intervals show how it does under the draws of the "
            "model's posterior."
        )


def _random_parts(random: Randomness, unit: str) -> Iterator[str]:
    if random.price_sigma:
        yield (
            f"media prices, known before each {unit} (log standard deviation {random.price_sigma:g}, autocorrelation "
            f"{random.price_persistence:g})"
        )
    if random.use_draws:
        yield "the parameters of the curves, from the draws of the model"
    for name, sigma in (("saturation beta", random.beta_sigma), ("spend kappa", random.kappa_sigma)):
        if sigma:
            yield f"{name} of the curves, drawn once a campaign and unknown (log standard deviation {sigma:g})"
    if random.drift_sigma:
        yield f"drift of beta by {random.drift_sigma:.0%} a {unit}"
    if random.delivery_sigma:
        yield f"delivered over ordered spend (log standard deviation {random.delivery_sigma:g})"
    if random.sales_sigma:
        yield f"noise of the sales ({random.sales_sigma:.0%} of all saturation sales)"


def _days(period_days: float, theta: float) -> str:
    days = period_days * math.log(0.5) / math.log(theta)
    return f"{days:.1f} days" if days < 10.0 else f"{days:.0f} days"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _percent(share: float) -> str:
    if not math.isfinite(share):
        return "an unknown share"
    return "0.001%" if share < 1e-5 else f"{100.0 * share:.2g}%" if share < 0.1 else f"{100.0 * share:.0f}%"
