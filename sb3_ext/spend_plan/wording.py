"""What the page and the terminal say about a plan, in words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import accumulate

import numpy as np

from sb3_ext.common.wording import amount, count, format_money, period_name
from sb3_ext.envs.ad_spend.market.randomness import Randomness
from sb3_ext.spend_plan.comparison import CLAIRVOYANT, EVEN, LAST_YEAR, OPTIMIZED, PAST_MIX
from sb3_ext.spend_plan.plan import SpendPlan
from sb3_ext.spend_plan.standouts import TRIFLE
from sb3_ext.spend_plan.unreached import unreached

# What people compare with, in the order in which it is said.
_SIMPLE = (PAST_MIX, LAST_YEAR, EVEN)
_REPLANNING = ("certainty-equivalent MPC", "posterior-mean MPC", "Thompson sampling")


class Wording:
    """A plan in words."""

    def __init__(self, plan: SpendPlan) -> None:
        self._plan = plan
        self._market = plan.campaign.market
        self._unit = period_name(self._market.period_days)
        self._cases = count(plan.n_paths, "random campaign") if plan.n_paths else count(len(self._market.draws), "draw")

    @property
    def span(self) -> str:
        """When the campaign takes place, in one line."""
        dates, unit = self._plan.campaign.dates, self._unit
        when = f"from {dates[0]} on" if len(dates) == 1 else f"{unit}s starting {dates[0]} to {dates[-1]}"
        if unit == "day":
            when = f"{dates[0]} to {dates[-1]}"
        return f"{count(len(dates), unit)}, {when}, on {count(len(self._market.names), 'channel')}"

    @property
    def lead(self) -> str:
        """What to do and what it brings, in one or two sentences."""
        plan = self._plan
        totals = plan.cents.sum(axis=0) / 100.0
        order = [index for index in np.argsort(-totals, kind="stable") if totals[index] > TRIFLE * plan.total]
        if not order:
            limits = " within the constraints" if plan.campaign.constraints else ""
            return f"Spend nothing: under this model no spending{limits} earns what it costs."
        most = 4 if len(order) == 4 else 3
        parts = [f"{format_money(totals[index])} on {self._market.names[index]}" for index in order[:most]]
        if len(order) > most:
            parts.append(f"{format_money(totals[order[most:]].sum())} on {count(len(order) - most, 'other channel')}")
        gain = plan.score.value - plan.reference.value
        other = "the past mix of channels at this budget"
        if plan.reference.name == EVEN:
            other = "spending the same every time everywhere"
        verdict = f"{format_money(abs(gain))} {'more' if gain >= 0.0 else 'less'} than {other}"
        if plan.reference.name in plan.breaking:
            verdict += ", which does not keep to the constraints"
        source = "" if plan.policy == OPTIMIZED else f" The plan is that of {plan.policy}, which earns the most."
        earns = f"{format_money(plan.score.value)}{f' on average over {self._cases}' if plan.n_paths else ''}"
        goal = f"{plan.campaign.goal.sentence} " if plan.campaign.goal else ""
        return f"{goal}Spend {_listed(parts)}. The model expects this to earn {earns}, {verdict}.{source}"

    @property
    def reaction(self) -> str | None:
        """What reacting to what happens would earn over following the plan; None where nothing is random."""
        best = self._plan.reaction
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
        but = ", but does not keep to the constraints" if best.name in self._plan.breaking else ""
        return (
            f"{doing} every {self._unit}{who} would earn {amount(best.mean)} more than following this plan "
            f"({interval}, in the same {self._cases}){but}."
        )

    @property
    def cards(self) -> list[tuple[str, str, str]]:
        """The five numbers of the headline, each between its title and a note."""
        plan, score, reference = self._plan, self._plan.score, self._plan.reference
        gain = score.value - reference.value
        earns = "over spending nothing, carry-over afterwards included"
        if score.low is not None and score.high is not None:
            span = f"{format_money(score.low)} to {format_money(score.high)}"
            earns = f"over spending nothing; {span} in 95% of the draws"
            if plan.n_paths:
                earns = f"over spending nothing, on average; 95% interval {span}"
        relative = f"{gain / reference.value:+.1%}" if reference.value > 0.0 else f"{gain:+,.0f}"
        share = f"{plan.total / plan.campaign.budget:.1%} of the budget of {amount(plan.campaign.budget)}"
        cases = "campaigns" if plan.n_paths else "draws"
        ahead = "" if score.ahead is None else f"; ahead in {score.ahead:.0%} of the {cases}"
        limit = "certified: no plan can earn more than that on top"
        if plan.n_paths:
            limit = "a bound for any policy, even one that knows the future"
        if abs(plan.spent[plan.policy] - plan.total) > 0.005 * plan.total:
            share += f"; {amount(plan.spent[plan.policy])} of it are delivered on average"
        numbers = plan.economics
        terms = "sales" if self._market.margin == 1.0 else f"{self._market.margin:g} times sales"
        returns = f"the next unit of money {numbers.marginal[-1]:,.2f}"
        if plan.total:
            returns = f"ROAS {numbers.roas[-1]:,.2f}, {returns}"
        if plan.n_paths:
            returns += ", if all goes as expected"
        return [
            ("Earns", amount(score.value), earns),
            (f"Against {reference.name}", relative, f"at this budget earns {amount(reference.value)}{ahead}"),
            ("Spends", amount(plan.total), share),
            ("Net result", amount(numbers.net[-1]), f"{terms} less spend; {returns}"),
            ("Left to gain", f"≤ {_percent(plan.relative_gap)}", limit),
        ]

    @property
    def certificate(self) -> str:
        """How far from the best plan this one can be."""
        plan = self._plan
        if plan.n_paths:
            return (
                "In these campaigns no policy, not even a clairvoyant one, can earn more than "
                f"{amount(plan.upper_bound)} on average. If everything happens as expected, no plan is better than "
                f"this one by more than {_percent(plan.planned_gap)}. Both bounds are computed, not estimated."
                f"{unreached(plan)}"
            )
        bound = (
            f"Within these limits no plan can earn more than {amount(plan.upper_bound, 2)} under this model: at most "
            f"{_percent(plan.relative_gap)} more than this plan. The bound is computed, not estimated."
        )
        if plan.at_risk is not None:
            bound = (
                f"In the lowest {plan.campaign.risk:.0%} of the draws it earns {amount(plan.at_risk)} on average. "
                f"No plan within these limits can earn more than {amount(plan.upper_bound, 2)} there, at most "
                f"{_percent(plan.relative_gap)} more. The bound is computed, not estimated."
            )
        if not self._market.is_concave:
            bound += " At least one curve is S-shaped, so the bound itself may be out of reach."
        return bound

    @property
    def leads(self) -> str | None:
        """How sure it is that the plan earns more than simple ways to spend the budget; None without draws."""
        plan = self._plan
        if not plan.versus:
            return None
        parts = [
            f"{_signed(gain.mean)} over {gain.name} (95% of the draws: {_signed(gain.low)} to {_signed(gain.high)})"
            for gain in sorted((g for g in plan.versus if g.name in _SIMPLE), key=lambda g: _SIMPLE.index(g.name))
        ]
        ahead = (
            ""
            if plan.score.ahead is None
            else f" It is ahead of {plan.reference.name} in {plan.score.ahead:.0%} of them."
        )
        return f"Under the same draws of the model's posterior the plan's lead is {_listed(parts)}.{ahead}"

    @property
    def policies(self) -> dict[str, str]:
        """What the compared policies do, in the order of the scores."""
        unit = self._unit
        meanings = {
            OPTIMIZED: "the best spends that the optimizer found",
            "static optimum": f"the best spends that stay the same every {unit}, as media-mix tools recommend them",
            EVEN: f"the same money every {unit} on every channel",
            PAST_MIX: f"the past mix: the same money every {unit}, split between the channels as in the past",
            LAST_YEAR: "what was spent a year before each date, scaled to this budget, within the limits",
            "maximum spend": "every channel at its limit until the budget is gone",
            "ROAS chasing": f"money follows the average return on spend of the {unit} before",
            "greedy marginal ROAS": f"money goes where the next unit of it sells the most, {unit} by {unit}",
            "random": "random spends" if self._plan.n_paths else "the mean of twenty plans with random spends",
            "PID pacing": f"the optimized plan, corrected every {unit} so that the money spent keeps to it",
            "certainty-equivalent MPC": f"re-plans the rest every {unit}, as if everything came as expected from then"
            " on",
            "posterior-mean MPC": f"re-plans the rest every {unit} with what the sales have told about the curves",
            "Thompson sampling": "the same, with curves drawn from what is likely: it tries things out to learn",
            CLAIRVOYANT: "the best plan for somebody who knows in advance all that happens: nobody can earn more",
        }
        names = [score.name for score in self._plan.scores]
        meanings |= {name: "what the trained agent decides" for name in names if name.startswith("agent ")}
        return {name: meanings[name] for name in names if name in meanings}

    @property
    def plan_caption(self) -> str:
        """What the figure of the plan shows."""
        plan = self._plan
        text = f"Spend per {self._unit} and channel (top) and the sales of all channels expected from it (bottom)."
        if plan.outcome.tail[0] > 0.0:
            text += f" Another {amount(plan.outcome.tail[0])} are earned after the campaign, by carry-over."
        if plan.sales_interval is not None:
            text += f" The band holds 95% of the {self._cases}{'' if plan.n_paths else ' of the parameters'}."
        return text

    @property
    def comparison_caption(self) -> str:
        """What the figure of the comparison shows."""
        text = "Money earned over a campaign that spends nothing."
        if self._plan.n_paths:
            text += f" Bars: means over the same {self._cases}; lines: their 95% bootstrap intervals; hollow: a bound."
        elif self._plan.score.low is not None:
            text += " Bars: means over the draws; lines: the middle 95% of the draws."
        return text

    @property
    def budgets_caption(self) -> str:
        """What the figure of other budgets shows."""
        earned = "Money earned" if self._plan.at_risk is None else "Money earned in the lowest of the draws"
        return f"{earned} by the best plan of each budget within the same limits, and what none can earn more than."

    @property
    def curves_caption(self) -> str:
        """What the figure of the curves shows."""
        text = (
            "Sales per period at average demand against advertising at work: this period's spend and what is carried "
            "over from before. Each dot is a period of the plan."
        )
        if any(channel.historical_max is not None for channel in self._market.channels):
            text += " The dashed line marks the largest spend the model has seen; the curve beyond it is a guess."
        return text

    @property
    def assumptions(self) -> Iterator[str]:
        """What the numbers rest on, one line each."""
        market, unit, campaign = self._market, self._unit, self._plan.campaign
        yield (
            "The media-mix model is taken as true: sales follow from spend as its curves say, channels do not "
            "influence each other, and competitors and prices stay as they were."
        )
        terms = "the sales" if market.margin == 1.0 else f"{market.margin:g} times the sales"
        costs = "; the budget counts as spent either way"
        if market.spend_cost:
            costs = f", less {market.spend_cost:g} per unit of spend"
        beyond = "beyond those of a campaign that spends nothing"
        yield f"“Earns” means {terms} {beyond}{costs}, in the currency of the model."
        carried = [
            f"{channel.name} {channel.theta:.0%} (half forgotten in {_days(market.period_days, channel.theta)})"
            for channel in market.channels
            if channel.theta > 0.0
        ]
        windows = [
            f"{channel.name} {len(weights)} (half within {count(_half(weights), unit)})"
            for channel in market.channels
            if len(weights := channel.weights or ()) > 1
        ]
        if carried:
            yield f"Carried over from {unit} to {unit}: {', '.join(carried)}; other channels: nothing."
        if windows:
            yield f"What is spent works for some {unit}s, the first included: {', '.join(windows)}."
        if carried or windows:
            given = [channel.initial_adstock is not None or channel.history for channel in market.channels]
            start = "as the last of its spends left it" if all(given) else "as if its mean spend had gone on until then"
            yield (
                f"What is carried over after the last {unit} is credited for {count(market.tail_periods, unit)} at "
                f"average demand, in which {self._afterwards}. The campaign starts with the advertising of the past, "
                f"{start}."
            )
        else:
            yield f"Nothing is carried over: advertising sells in the {unit} it is paid for."
        if len(set(market.season)) > 1:
            factors = market.season_factors(campaign.periods)
            yield f"Demand varies between {factors.min():.2f} and {factors.max():.2f} times the average, as given."
        else:
            yield "Demand is the same all the time: give --season where it is not."
        limits = (
            f"{name} {amount(low)} to {amount(cap)}"
            for name, low, cap in zip(market.names, campaign.low, campaign.cap, strict=True)
        )
        yield f"Limits per {unit}: {', '.join(limits)}."
        if market.randomness.any:
            yield f"Random, independently between channels: {'; '.join(_random_parts(market.randomness, unit))}."
            yield (
                f"All policies went through the same {self._cases}, so differences between them are more certain than "
                f"what each earns; “Ahead” counts the campaigns in which a policy earns more than "
                f"{self._plan.reference.name}."
            )
        elif market.draws:
            aim = "on average over the draws of the model's posterior, as are its sales and what it earns"
            if campaign.risk is not None:
                aim = f"for the mean of the lowest {campaign.risk:.0%} of the draws of the model's posterior"
            yield f"The plan is the best one {aim}; intervals hold the middle 95% of the draws."
        if campaign.constraints is not None:
            conditions = [condition.name for condition in campaign.constraints.conditions]
            if campaign.constraints.smallest_buy is not None:
                buys = zip(market.names, campaign.constraints.smallest_buy, strict=True)
                conditions += [f"{name}: 0 or at least {amount(buy, 2)}" for name, buy in buys if buy > 0.0]
            yield f"The plan also keeps to: {'; '.join(conditions)}."

    @property
    def _afterwards(self) -> str:
        """What is spent after the campaign."""
        market, plan = self._market, self._plan
        if isinstance(market.afterwards, str):
            return "nothing more is spent" if market.afterwards == "nothing" else "the past's mean is spent again"
        spent = market.spend_afterwards
        amounts = [f"{amount(money)} on {name}" for name, money in zip(market.names, spent, strict=True)]
        is_same = np.allclose(spent, plan.spend.mean(axis=0), rtol=0.0, atol=0.01 * plan.total / plan.campaign.periods)
        return f"every {self._unit} {', '.join(amounts)} are spent{', as by this plan on average' if is_same else ''}"


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


def _half(weights: tuple[float, ...]) -> int:
    """After how many periods half of what is spent has worked."""
    return next(number for number, share in enumerate(accumulate(weights), 1) if share >= 0.5)


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _signed(money: float) -> str:
    return f"{money:+,.0f}"


def _days(period_days: float, theta: float) -> str:
    days = period_days * math.log(0.5) / math.log(theta)
    return f"{days:.1f} days" if days < 10.0 else f"{days:.0f} days"


def _percent(share: float) -> str:
    if not math.isfinite(share):
        return "an unknown share"
    return "0.001%" if share < 1e-5 else f"{100.0 * share:.2g}%" if share < 0.1 else f"{100.0 * share:.0f}%"
