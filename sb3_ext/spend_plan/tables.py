"""The tables of a plan, for the page and the terminal, and its CSV."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sb3_ext.common.charts import color_of, period_name
from sb3_ext.spend_plan.cents import as_money, floor_cents
from sb3_ext.spend_plan.comparison import EVEN
from sb3_ext.spend_plan.plan import SpendPlan


@dataclass(frozen=True)
class Row:
    """A line of a table."""

    cells: tuple[str, ...]
    """The first one heads the row."""
    chosen: bool = False
    """Whether it stands out."""
    marked: frozenset[int] = frozenset()
    """Cells that stand out."""
    color: str | None = None
    """Colour of the row in the figures."""


@dataclass(frozen=True)
class Table:
    """Text in rows and columns."""

    caption: str
    titles: tuple[str, ...]
    rows: tuple[Row, ...]
    total: tuple[str, ...] = ()


def amount(money: float, digits: int = 0) -> str:
    """
    Money with thousands separated.

    :param money: Money.
    :param digits: Digits after the point.
    :return: E.g. ``"1,234"``.
    """
    text = f"{money:,.{digits}f}"
    return text[1:] if text.startswith("-") and not text.strip("-0.,") else text


def date_table(plan: SpendPlan) -> Table:
    """
    What to spend and expect in every period.

    :param plan: The plan.
    :return: The table.
    """
    market, unit = plan.campaign.market, period_name(plan.campaign.market.period_days)
    beyond = plan.spend > market.historical_max + 0.005
    left = floor_cents(plan.campaign.budget) - np.cumsum(plan.cents.sum(axis=1))
    # Where single amounts are small, cents matter to the eye; the CSV has them always.
    digits = 2 if plan.total / plan.cents.size < 100.0 else 0
    rows = []
    for period, day in enumerate(plan.campaign.dates):
        sales = amount(plan.outcome.sales[0, period])
        if plan.sales_interval is not None:
            low, high = (amount(end[period]) for end in plan.sales_interval)
            sales += f" ({low} to {high})"
        cells = [amount(cents / 100.0, digits) for cents in (*plan.cents[period], plan.cents[period].sum())]
        marked = frozenset((np.flatnonzero(beyond[period]) + 1).tolist())
        rows.append(Row((f"{day:%a} {day}", *cells, sales, amount(left[period] / 100.0, digits)), marked=marked))
    totals = [amount(cents / 100.0, digits) for cents in (*plan.cents.sum(axis=0), plan.cents.sum())]
    caption = f"First day of every {unit}" if unit != "day" else "Every day of the campaign"
    if not digits:
        caption += "; to the cent in plan.csv"
    if np.any(beyond):
        caption += "; red: more than the model has ever seen"
    return Table(
        caption,
        ("Date", *market.names, "Spend", "Expected sales", "Budget left"),
        tuple(rows),
        ("Total", *totals, amount(plan.outcome.sales[0].sum()), ""),
    )


def channel_table(plan: SpendPlan) -> Table:
    """
    What every channel gets.

    :param plan: The plan.
    :return: The table.
    """
    market, unit = plan.campaign.market, period_name(plan.campaign.market.period_days)
    totals, past = plan.cents.sum(axis=0) / 100.0, market.initial_adstock
    known = past.sum() > 0.0
    rows = []
    for index, channel in enumerate(market.channels):
        share = totals[index] / plan.total if plan.total else 0.0
        cells = [amount(totals[index]), f"{share:.1%}"]
        cells += [f"{past[index] / past.sum():.1%}"] if known else []
        cells += [amount(totals[index] / plan.campaign.periods), amount(plan.spend[:, index].max())]
        limit = channel.historical_max
        cells.append("unknown" if limit is None else amount(limit))
        marked = (
            frozenset({len(cells) - 1})
            if limit is not None and plan.spend[:, index].max() > limit + 0.005
            else frozenset()
        )
        rows.append(Row((channel.name, *cells), marked=marked, color=color_of(index)))
    share_titles = ("Share", "Share in the past") if known else ("Share",)
    titles = ("Channel", "Spend", *share_titles, f"Per {unit}", f"Largest {unit}", "Largest in the data")
    return Table("Spend by channel over the whole campaign", titles, tuple(rows))


def policy_table(plan: SpendPlan) -> Table:
    """
    What every policy earns.

    :param plan: The plan.
    :return: The table, the best policy first.
    """
    even = plan.score_of(EVEN).value
    intervals = any(score.low is not None for score in plan.scores)
    rows = []
    for score in plan.scores:
        gain = score.value - even
        share = f" ({gain / even:+.1%})" if even > 0.0 and not plan.n_paths else ""
        cells = {"Policy": score.name, "Earns": amount(score.value)}
        if intervals:
            ends = None if score.low is None or score.high is None else (score.low, score.high)
            cells["95% interval" if plan.n_paths else "95% of draws"] = _span(ends)
        cells[f"Against {EVEN}"] = "0" if score.name == EVEN else f"{gain:+,.0f}{share}"
        if plan.n_paths:
            cells["Its 95% interval"] = _span(score.gain_interval, sign="+")
        if intervals:
            cells["Ahead" if plan.n_paths else "Ahead of it in"] = "" if score.ahead is None else f"{score.ahead:.0%}"
        cells["Spends"] = amount(plan.spent[score.name])
        rows.append(Row(tuple(cells.values()), chosen=score.name == plan.name))
    caption = "Money earned over a campaign without any spend"
    if plan.n_paths:
        caption += f": means over the same {plan.n_paths} random campaigns"
    return Table(caption, tuple(cells), tuple(rows))


def _span(ends: tuple[float, float] | None, sign: str = "") -> str:
    return "" if ends is None else f"{ends[0]:{sign},.0f} to {ends[1]:{sign},.0f}"


def fit_table(plan: SpendPlan) -> Table:
    """
    How well the curves fit the points they were fitted to.

    :param plan: The plan of a market from response curves.
    :return: The table.
    """
    rows = tuple(
        Row(
            (
                fit.channel.name, str(len(fit.spend)), f"{fit.nrmse:.2%}", f"{fit.r_squared:.4f}",
                amount(fit.channel.beta), amount(fit.channel.kappa), f"{fit.channel.alpha:.3g}",
            )
        )
        for fit in plan.campaign.fits
    )  # fmt: skip
    caption = (
        "Hill curves fitted to the data: error relative to the range of the responses, saturation beta, spend kappa"
        " that reaches half of it, shape alpha"
    )
    return Table(caption, ("Channel", "Points", "Error", "R²", "beta", "kappa", "alpha"), rows)


def write_csv(plan: SpendPlan, path: Path) -> None:
    """
    Write one line per period; amounts of spend are exact to the cent.

    :param plan: The plan.
    :param path: The file.
    :raises OSError: If it cannot be written.
    """
    spent = np.cumsum(plan.cents.sum(axis=1))
    left = floor_cents(plan.campaign.budget) - spent
    interval = plan.sales_interval
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        ends = [] if interval is None else ["expected_sales_low", "expected_sales_high"]
        channels = [f"spend_{name}" for name in plan.campaign.market.names]
        writer.writerow(["date", *channels, "spend", "expected_sales", *ends, "cumulative_spend", "budget_left"])
        for period, day in enumerate(plan.campaign.dates):
            sales = [plan.outcome.sales[0, period], *(() if interval is None else (end[period] for end in interval))]
            money = [as_money(int(cents)) for cents in (*plan.cents[period], plan.cents[period].sum())]
            writer.writerow(
                [
                    day.isoformat(), *money, *(f"{number:.2f}" for number in sales), as_money(int(spent[period])),
                    as_money(int(left[period])),
                ]
            )  # fmt: skip
