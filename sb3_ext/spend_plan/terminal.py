"""A plan in the terminal."""

from __future__ import annotations

from pathlib import Path

from sb3_ext.app.console import console
from sb3_ext.spend_plan.caveats import find_caveats
from sb3_ext.spend_plan.plan import SpendPlan
from sb3_ext.spend_plan.standouts import find_standouts
from sb3_ext.spend_plan.tables import budget_table, date_table, finance_table, policy_table, price_table, what_changed
from sb3_ext.spend_plan.wording import Wording


def show_plan(plan: SpendPlan, written: list[Path], left_out: list[str]) -> None:
    """Print tables, sentences and warnings, and what was written."""
    out, words = console(), Wording(plan)
    if changes := what_changed(plan):
        out.print(changes)
        for note in plan.changes.notes if plan.changes else ():
            out.print(note)
    out.print(date_table(plan))
    out.print(finance_table(plan))
    out.print(policy_table(plan))
    if prices := price_table(plan.prices):
        out.print(prices)
    if budgets := budget_table(plan):
        out.print(budgets)
    out.print(words.lead, style="bold")
    if words.reaction:
        out.print(words.reaction, style="bold")
    out.print(words.certificate)
    if words.leads:
        out.print(words.leads)
    for standout in find_standouts(plan):
        out.print(standout)
    for caveat in find_caveats(plan):
        out.print(f"warning: {caveat}", style="yellow")
    out.print(f"Written: {', '.join(map(str, written))}")
    for hint in left_out:
        out.print(hint)
