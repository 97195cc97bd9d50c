"""The tables of a plan, for the page and the terminal, and its CSV."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sb3_ext.app.records import write_records
from sb3_ext.app.table import Row, Table
from sb3_ext.common.wording import amount, count, period_name
from sb3_ext.spend_plan.cents import as_money, floor_cents
from sb3_ext.spend_plan.changes import changes_table
from sb3_ext.spend_plan.plan import SpendPlan

_MOST_PERIODS_FOR_SHARES = 130


def date_table(plan: SpendPlan) -> Table:
    """What to spend and expect in every period."""
    market, unit = plan.campaign.market, period_name(plan.campaign.market.period_days)
    left = floor_cents(plan.campaign.budget) - np.cumsum(plan.cents.sum(axis=1))
    digits, before = money_digits(plan), plan.last_year
    rows = []
    for period, day in enumerate(plan.campaign.dates):
        sales = amount(plan.outcome.sales[0, period])
        if plan.sales_interval is not None:
            low, high = (amount(end[period]) for end in plan.sales_interval)
            sales += f" ({low} to {high})"
        cells = [amount(cents / 100.0, digits) for cents in (*plan.cents[period], plan.cents[period].sum())]
        if before is not None:
            cells.append(amount(before[period].sum(), digits))
        marked = frozenset((np.flatnonzero(plan.beyond[period]) + 1).tolist())
        rows.append(Row([f"{day:%a} {day}", *cells, sales, amount(left[period] / 100.0, digits)], marked=marked))
    totals = [amount(cents / 100.0, digits) for cents in (*plan.cents.sum(axis=0), plan.cents.sum())]
    if before is not None:
        totals.append(amount(before.sum(), digits))
    rows.append(Row(["Total", *totals, amount(plan.outcome.sales[0].sum()), ""], "bold", "total"))
    caption = f"First day of every {unit}" if unit != "day" else "Every day of the campaign"
    if not digits:
        caption += "; to the cent in plan.csv"
    if np.any(plan.beyond):
        caption += "; red: more than the model has ever seen"
    year = [] if before is None else ["Last year"]
    return Table(caption, ["Date", *market.names, "Spend", *year, "Expected sales", "Budget left"], rows)


def what_changed(plan: SpendPlan) -> Table | None:
    """What changed since the plan before; None where there was none."""
    market = plan.campaign.market
    if plan.changes is None:
        return None
    return changes_table(plan.changes, market.names, period_name(market.period_days), plan.campaign.periods)


def finance_table(plan: SpendPlan) -> Table:
    """Sales, ROAS, marginal ROAS and net result, by channel and in total."""
    numbers, market = plan.economics, plan.campaign.market
    known = market.historical_mean.any()
    before = None if plan.last_year is None else np.append(plan.last_year.sum(axis=0), plan.last_year.sum())
    rows = []
    for index, name in enumerate((*market.names, "Total")):
        spend, past, roas = numbers.spend[index], numbers.past[index], numbers.roas[index]
        cells = {"Channel": name, "Spend": amount(spend)}
        if known:
            cells["Past spend"] = amount(past)
            cells["Change"] = f"{spend / past - 1.0:+.0%}" if past >= 0.01 else ""
        if before is not None:
            cells["Last year"] = amount(before[index])
        cells["Sales"] = amount(numbers.sales[index])
        cells["ROAS"] = "" if np.isnan(roas) else f"{roas:,.2f}"
        cells["Marginal ROAS"] = f"{numbers.marginal[index]:,.2f}"
        cells["Net result"] = amount(numbers.net[index])
        loss = frozenset({len(cells) - 1} if numbers.net[index] < -0.5 else ())
        total = index == len(market.names)
        rows.append(Row(list(cells.values()), "bold" if total else "", "total" if total else "", marked=loss))
    caption = f"What every channel sells, and what is left: net result = {margin_of(market.margin)}sales - spend"
    notes = (
        "Sales over a campaign that spends nothing, carry-over afterwards included; ROAS: sales per unit of spend;"
        " marginal ROAS: sales of the next unit, where the plan spends and may spend more. Amounts are rounded each for"
        " itself, so they may miss their total by a unit or two."
    )
    if known:
        unit = count(plan.campaign.periods, period_name(market.period_days))
        notes += f" Past spend: the past's mean over {unit}."
    if before is not None:
        notes += " Last year: what was spent a year before these dates."
    if plan.n_paths:
        notes += " As if everything happened as expected, where all else is a mean over random campaigns."
    return Table(caption, list(cells), rows, notes)


def margin_of(margin: float) -> str:
    """The margin as a factor in front of sales."""
    return "" if margin == 1.0 else f"{margin:g} x "


def channel_table(plan: SpendPlan) -> Table:
    """What every channel gets."""
    market, unit = plan.campaign.market, period_name(plan.campaign.market.period_days)
    totals, past = plan.cents.sum(axis=0) / 100.0, market.historical_mean
    known = past.sum() > 0.0
    sure = plan.shares if _shares_are_quick(plan) else None
    rows = []
    for index, channel in enumerate(market.channels):
        share = totals[index] / plan.total if plan.total else 0.0
        cells = [amount(totals[index]), f"{share:.1%}"]
        if sure is not None:
            cells += [f"{sure.low[index]:.0%} to {sure.high[index]:.0%}{'' if sure.sure[index] else ', unsure'}"]
        cells += [f"{past[index] / past.sum():.1%}"] if known else []
        cells += [amount(totals[index] / plan.campaign.periods), amount(plan.spend[:, index].max())]
        limit = channel.historical_max
        marked = frozenset({len(cells)} if np.any(plan.beyond[:, index]) else ())
        rows.append(Row([channel.name, *cells, "unknown" if limit is None else amount(limit)], marked=marked))
    share_titles = ["Share", *(["Best in 80% of draws"] if sure else []), *(["Share in the past"] if known else [])]
    titles = ["Channel", "Spend", *share_titles, f"Per {unit}", f"Largest {unit}", "Largest in the data"]
    notes = ""
    if sure is not None:
        notes = (
            "Best in 80% of draws: where the best share lies if a single one of 40 draws is true; unsure: an end is "
            "more than 10 percentage points from the plan's share."
        )
    return Table("Spend by channel over the whole campaign", titles, rows, notes)


def _shares_are_quick(plan: SpendPlan) -> bool:
    """Whether planning for many draws one by one takes seconds, not minutes."""
    campaign = plan.campaign
    concave = campaign.market.is_concave and campaign.constraints is None
    return bool(concave and campaign.market.draws and campaign.periods <= _MOST_PERIODS_FOR_SHARES)


def policy_table(plan: SpendPlan) -> Table:
    """What every policy earns, the best first."""
    reference = plan.reference
    intervals = any(score.low is not None for score in plan.scores)
    rows = []
    for score in plan.scores:
        gain = score.value - reference.value
        share = f" ({gain / reference.value:+.1%})" if reference.value > 0.0 and not plan.n_paths else ""
        breaks = score.name in plan.breaking
        cells = {"Policy": f"{score.name} *" if breaks else score.name, "Earns": amount(score.value)}
        if intervals:
            ends = None if score.low is None or score.high is None else (score.low, score.high)
            cells["95% interval" if plan.n_paths else "95% of draws"] = _span(ends)
        cells[f"Against {reference.name}"] = "0" if score.name == reference.name else f"{gain:+,.0f}{share}"
        if plan.n_paths:
            cells["Its 95% interval"] = _span(score.gain_interval, sign="+")
        if intervals:
            cells["Ahead" if plan.n_paths else "Ahead of it in"] = "" if score.ahead is None else f"{score.ahead:.0%}"
        cells["Spends"] = amount(plan.spent[score.name])
        rows.append(Row(list(cells.values()), "bold" if score.name == plan.policy else ""))
    caption = "Money earned over a campaign without any spend"
    if plan.n_paths:
        caption += f": means over the same {plan.n_paths} random campaigns"
    if plan.breaking:
        caption += "; *: does not keep to the constraints"
    return Table(caption, list(cells), rows)


def budget_table(plan: SpendPlan) -> Table | None:
    """What the best plans of other budgets would earn; None where that is not known."""
    campaign, market, found = plan.campaign, plan.campaign.market, plan.frontier
    if found is None:
        return None
    titles = ["Budget", "Earns", "No plan more than", "For the next unit", *market.names]
    rows = []
    for index, budget in enumerate(found.budget):
        after = min(index + 1, len(found.budget) - 1)
        step = found.budget[after] - budget
        next_unit = amount((found.value[after] - found.value[index]) / step, 2) if step else ""
        is_past = found.past is not None and budget == found.past
        cells = [amount(found.value[index]), amount(found.upper_bound[index]), next_unit]
        spends = map(amount, found.spend[index])
        style = "bold" if abs(budget - campaign.budget) < 0.005 else ""
        rows.append(Row([f"{amount(budget)}{' (the past)' if is_past else ''}", *cells, *spends], style))
    earned = "in the lowest of the draws" if campaign.risk is not None else "over a campaign without any spend"
    notes = (
        f"Money earned {earned}, as expected, by the best plan found within the same limits, to a tenth of a percent"
        " where curves are concave. The next unit: on average up to the next budget."
    )
    if campaign.constraints is not None:
        notes += " All keep to the constraints; budgets with which no plan can are left out."
    return Table("What other budgets would earn", titles, rows, notes)


def price_table(prices: Mapping[str, float]) -> Table | None:
    """What constraints cost, by their names; None where there are none."""
    if not prices:
        return None
    order = sorted(prices.items(), key=lambda price: -abs(price[1]))
    rows = [Row([name, f"{price:+,.2f}" if abs(price) >= 0.005 else "0"]) for name, price in order]
    caption = "What one more unit of money in a condition would earn: those at 0 cost nothing"
    notes = "Of a condition on every period: one more unit in each of them."
    return Table(caption, ["Condition", "Worth of one more unit"], rows, notes)


def _span(ends: tuple[float, float] | None, sign: str = "") -> str:
    return "" if ends is None else f"{ends[0]:{sign},.0f} to {ends[1]:{sign},.0f}"


def fit_table(plan: SpendPlan) -> Table:
    """How well the curves fit the points they were fitted to."""
    rows = [
        Row([
            fit.channel.name, str(len(fit.spend)), f"{fit.nrmse:.2%}", f"{fit.r_squared:.4f}",
            amount(fit.channel.beta), amount(fit.channel.kappa), f"{fit.channel.alpha:.3g}",
        ])
        for fit in plan.campaign.fits
    ]  # fmt: skip
    caption = (
        "Hill curves fitted to the data: error relative to the range of the responses, saturation beta, spend kappa"
        " that reaches half of it, shape alpha"
    )
    return Table(caption, ["Channel", "Points", "Error", "R²", "beta", "kappa", "alpha"], rows)


def money_digits(plan: SpendPlan) -> int:
    """Decimals of money that are shown: where single amounts are small, cents matter; CSVs have them always."""
    return 2 if plan.total / plan.cents.size < 100.0 else 0


def write_dates(plan: SpendPlan, path: Path) -> None:
    """Write one line per period; amounts of spend are exact to the cent."""
    spent = np.cumsum(plan.cents.sum(axis=1))
    left = floor_cents(plan.campaign.budget) - spent
    before, sales = plan.last_year, {"expected_sales": plan.outcome.sales[0]}
    if plan.sales_interval is not None:
        sales["expected_sales_low"], sales["expected_sales_high"] = plan.sales_interval
    columns = [*(f"spend_{name}" for name in plan.campaign.market.names), "spend"]
    cents = np.column_stack([plan.cents, plan.cents.sum(axis=1)])
    records = [
        {"date": day.isoformat()}
        | dict(zip(columns, map(as_money, cents[period].tolist()), strict=True))
        | {name: f"{numbers[period]:.2f}" for name, numbers in sales.items()}
        | ({} if before is None else {"spend_last_year": f"{before[period].sum():.2f}"})
        | {"cumulative_spend": as_money(int(spent[period])), "budget_left": as_money(int(left[period]))}
        for period, day in enumerate(plan.campaign.dates)
    ]
    write_records(records, path)


def write_channels(plan: SpendPlan, path: Path) -> None:
    """Write one line per channel and one for all; amounts of spend are exact to the cent."""
    numbers, cents = plan.economics, plan.cents.sum(axis=0)
    records = []
    for index, name in enumerate((*plan.campaign.market.names, "total")):
        exact = {"spend": as_money(int(cents[index] if index < len(cents) else cents.sum()))}
        money = {"past_spend": numbers.past, "sales": numbers.sales, "net_result": numbers.net}
        ratios = {"roas": numbers.roas, "marginal_roas": numbers.marginal}
        if not plan.campaign.market.historical_mean.any():
            del money["past_spend"]
        if plan.last_year is not None:
            money["spend_last_year"] = np.append(plan.last_year.sum(axis=0), plan.last_year.sum())
        records.append(
            {"channel": name}
            | exact
            | {column: f"{each[index]:.2f}" for column, each in money.items()}
            | {column: "" if np.isnan(each[index]) else f"{each[index]:.4f}" for column, each in ratios.items()}
        )
    write_records(records, path)
