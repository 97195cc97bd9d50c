"""Several models, one plan robust to all: ``sb3-ext plan --compare``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

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


class ModelComparison(NamedTuple):
    """What the best plan of each model, and one robust to all, earn under each model."""

    found: Robust
    names: Sequence[str]
    written: Path

    def show(self) -> None:
        """Print the table, and what the robust plan guarantees."""
        out = console()
        out.print(comparison_table(self.found, self.names))
        out.print(
            f"The robust plan earns at least {self.found.share:.2%} of what is best under each model; no plan earns "
            f"more than {self.found.upper_bound:.2%} under all of them. The bound is computed, not estimated.",
            style="bold",
        )
        out.print(f"Written: {self.written}")

    @property
    def document(self) -> dict[str, Any]:
        """The same for a script."""
        plans = [*(f"best under {name}" for name in self.names), "robust to all"]
        earns = {
            plan: dict(zip(self.names, values, strict=True))
            for plan, values in zip(plans, self.found.values, strict=True)
        }
        shares = {"least_share": self.found.share, "no_plan_has_more_than": self.found.upper_bound}
        return {"earns": earns, **shares, "written": str(self.written)}


def compare_models(campaign: Campaign, others: Sequence[Market], names: Sequence[str], folder: Path) -> ModelComparison:
    """Plan for the campaign's model and others at once, and write the plan that is robust to all."""
    found = plan_robust(
        [campaign.market, *others],
        campaign.budget,
        campaign.periods,
        low=campaign.low,
        cap=campaign.cap,
        constraints=campaign.constraints,
    )
    cents = round_within(found.spend, campaign.budget, campaign.low, campaign.cap, campaign.constraints)
    columns = [f"spend_{name}" for name in campaign.market.names]
    records = [
        {"date": day.isoformat(), **dict(zip(columns, map(as_money, row.tolist()), strict=True))}
        for day, row in zip(campaign.dates, cents, strict=True)
    ]
    with atomic_path(folder / FILE) as unfinished:
        write_records(records, unfinished)
    return ModelComparison(found, names, folder / FILE)


def comparison_table(found: Robust, names: Sequence[str]) -> Table:
    """What every plan earns under every model, with its share of that model's best."""
    best = [plan.value for plan in found.own]
    rows = []
    for index, values in enumerate(found.values):
        plan = f"best under {names[index]}" if index < len(names) else "robust to all"
        cells = [f"{amount(value)} ({value / most:.1%})" for value, most in zip(values, best, strict=True)]
        rows.append(Row([plan, *cells], "bold" if index == len(names) else ""))
    return Table("What each plan earns under each model", ["Plan", *(f"Under {name}" for name in names)], rows)
