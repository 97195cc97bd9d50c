"""Several models, one plan robust to all: ``sb3-ext plan --compare``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sb3_ext.app.console import console
from sb3_ext.app.records import write_records
from sb3_ext.app.table import Row, Table
from sb3_ext.common.files import atomic_path
from sb3_ext.common.wording import amount
from sb3_ext.envs.ad_spend import Market
from sb3_ext.envs.ad_spend.optimum.robust import Robust, plan_robust
from sb3_ext.spend_plan.campaign import Campaign
from sb3_ext.spend_plan.cents import as_money
from sb3_ext.spend_plan.kept_cents import round_within

FILE = "robust.csv"


def compare_models(campaign: Campaign, others: Sequence[Market], names: Sequence[str], folder: Path) -> None:
    """Plan for the campaign's model and others at once, show what each plan earns under each, write the robust one."""
    found = plan_robust(
        [campaign.market, *others],
        campaign.budget,
        campaign.periods,
        low=campaign.low,
        cap=campaign.cap,
        constraints=campaign.constraints,
    )
    cents = round_within(found.spend, campaign.budget, campaign.low, campaign.cap, campaign.constraints)
    out = console()
    out.print(comparison_table(found, names))
    out.print(
        f"The robust plan earns at least {found.share:.2%} of what is best under each model; no plan earns more than "
        f"{found.upper_bound:.2%} under all of them. The bound is computed, not estimated.",
        style="bold",
    )
    columns = [f"spend_{name}" for name in campaign.market.names]
    records = [
        {"date": day.isoformat(), **dict(zip(columns, map(as_money, row.tolist()), strict=True))}
        for day, row in zip(campaign.dates, cents, strict=True)
    ]
    with atomic_path(folder / FILE) as unfinished:
        write_records(records, unfinished)
    out.print(f"Written: {folder / FILE}")


def comparison_table(found: Robust, names: Sequence[str]) -> Table:
    """What every plan earns under every model, with its share of that model's best."""
    best = [plan.value for plan in found.own]
    rows = []
    for index, values in enumerate(found.values):
        plan = f"best under {names[index]}" if index < len(names) else "robust to all"
        cells = [f"{amount(value)} ({value / most:.1%})" for value, most in zip(values, best, strict=True)]
        rows.append(Row([plan, *cells], "bold" if index == len(names) else ""))
    return Table("What each plan earns under each model", ["Plan", *(f"Under {name}" for name in names)], rows)
