"""Several markets under one budget: ``sb3-ext plan --groups``."""

from __future__ import annotations

import argparse
import contextlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from sb3_ext.app.console import console
from sb3_ext.app.document import print_json
from sb3_ext.app.errors import UserError, mistakes_explained
from sb3_ext.app.records import write_records
from sb3_ext.app.table import Row, Table
from sb3_ext.common.wording import amount
from sb3_ext.envs.ad_spend.market.checks import MOST_MONEY
from sb3_ext.envs.ad_spend.market.presets import PRESETS
from sb3_ext.envs.ad_spend.market.pymc_file import group_names
from sb3_ext.envs.ad_spend.optimum.constraints import Constraints
from sb3_ext.envs.ad_spend.optimum.groups import Groups, same_period
from sb3_ext.spend_plan.afterwards import gone_on_the_same
from sb3_ext.spend_plan.campaign import Campaign, Goal, Kind
from sb3_ext.spend_plan.caveats import find_caveats
from sb3_ext.spend_plan.cents import as_money, floor_cents
from sb3_ext.spend_plan.document import numbers
from sb3_ext.spend_plan.goals import in_cents
from sb3_ext.spend_plan.group_plans import divided, find_shared_budget, least_cents, planned_apart, planned_beside
from sb3_ext.spend_plan.output import NAMES, check_output, write_plan
from sb3_ext.spend_plan.plan import SpendPlan
from sb3_ext.spend_plan.tables import price_table

FILE = "groups.csv"
_ROUGH = 1e-4


def check_group_flags(args: argparse.Namespace) -> None:
    """Check that what else is asked for goes with groups."""
    if args.risk is not None:
        raise UserError(
            "--groups goes without --risk: the lowest draws of one group are not those of another, so what they risk "
            "does not add up"
        )
    for name in ("compare", "model", "paths"):
        if getattr(args, name) not in (None, []):
            raise UserError(
                f"--groups goes without --{name}: plan the groups first, then each with its budget and this flag"
            )


def find_groups(files: Sequence[str]) -> dict[str, tuple[str, str | None]]:
    """By names that are unique and can name folders: each market's file, and its group where a file holds several."""
    found: dict[str, tuple[str, str | None]] = {}
    for file in files:
        if file not in PRESETS and not Path(file).is_file():
            raise UserError(f"--groups: {file!r} is neither a file nor a preset ({', '.join(PRESETS)})")
        with mistakes_explained(f"--groups: {file}"):
            inside: Sequence[str | None] = group_names(file) or [None]
        for group in inside:
            name = re.sub(r"[^\w .-]", "_", Path(file).stem if group is None else group).strip(". ") or "group"
            if name.casefold() in map(str.casefold, found):
                raise UserError(
                    f"--groups: two groups are named {name!r}: groups are named after their files, rename one"
                )
            found[name] = (file, group)
    if len(found) < 2:
        raise UserError(f"--groups: {files[0]!r} is one group: give at least two, or --market for one")
    return found


class Shared(NamedTuple):
    """What groups are planned for together."""

    most: float | None
    """The budget, or the most to consider for a goal, money; None: what they can spend."""
    wanted: tuple[Kind, float] | None = None
    """A goal that the budget is found for."""
    constraints: Constraints | None = None
    """What plans have to keep to besides, on the channels of one group after another."""
    goes_on: bool = False
    """Whether each goes on afterwards with what it spends on average."""


def plan_for_groups(
    campaigns: Mapping[str, Campaign], shared: Shared, command: str, folder: Path, as_json: bool = False
) -> int:
    """Divide a budget between campaigns, plan each, show them in one table, and write a folder for each."""
    most = shared.most
    if most is None:
        most = min(math.fsum(campaign.budget for campaign in campaigns.values()), MOST_MONEY)
    _check_together(campaigns, most, folder)
    if shared.wanted:
        _check_margins(campaigns, shared.wanted[0])
    goal: Goal | None = None

    def budget_of(them: Sequence[Campaign]) -> float:
        nonlocal goal
        if shared.wanted is None:
            return most
        goal = find_shared_budget(them, most, *shared.wanted, shared.constraints)
        return in_cents(goal)

    def best(them: Sequence[Campaign], budget: float, tolerance: float = 1e-6) -> Groups:
        return divided(them, budget, tolerance, shared.constraints, list(campaigns))

    with mistakes_explained("--groups"), Console(stderr=True).status("planning"):
        each = list(campaigns.values())
        if shared.goes_on:
            even = [replace(campaign, budget=most / len(each)) for campaign in each]
            each = gone_on_the_same(
                even, lambda them: [plan.spend for plan in best(them, budget_of(them), _ROUGH).plans]
            )
        budget = budget_of(each)
        found = best(each, budget)
        if shared.constraints is None:
            made = planned_apart(each, budget, found)
        else:
            made = planned_beside(each, budget, found, shared.constraints)
        plans = {name: plan for name, plan in zip(campaigns, made, strict=True) if plan is not None}
    value = math.fsum(plan.score.value for plan in plans.values())
    upper_bound = max(found.upper_bound, value)
    hints: list[str] = []
    for name, plan in plans.items():
        hints = write_plan(plan, command, folder / name)[1]
    for name in campaigns.keys() - plans.keys():
        for file in NAMES:
            # It would show another plan.
            (folder / name / file).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            (folder / name).rmdir()
    records = _records(campaigns, plans, upper_bound)
    write_records(records, folder / FILE)
    if as_json:
        document: dict[str, Any] = {"groups": numbers(records), "goal": None if goal is None else goal.sentence}
        document["prices_of_constraints"] = dict(found.prices)
        document["warnings"] = {name: list(find_caveats(plan)) for name, plan in plans.items()}
        print_json({**document, "written": [str(folder / name) for name in (FILE, *plans)], "left_out": hints})
        return 0
    out = console()
    out.print(groups_table(records))
    if prices := price_table(found.prices):
        out.print(prices)
    if goal is not None:
        out.print(goal.sentence, style="bold")
    out.print(
        f"However the budget is divided, no plans of these groups earn more than {amount(upper_bound, 2)} together, "
        f"{_gap(upper_bound, value):.3%} more than these. The bound is computed, not estimated.",
        style="bold",
    )
    for name, plan in plans.items():
        for caveat in find_caveats(plan):
            out.print(f"warning: {name}: {caveat}", style="yellow")
    out.print(f"Written: {', '.join(map(str, (folder / FILE, *(folder / name for name in plans))))}")
    for hint in hints:
        out.print(hint)
    return 0


def _check_together(campaigns: Mapping[str, Campaign], budget: float, folder: Path) -> None:
    for name, campaign in campaigns.items():
        check_output(str(folder / name))
        if campaign.market.randomness.any:
            raise UserError(
                f"--groups goes without random markets: {name!r} is one, whose policies react to what happens with a "
                "budget of their own"
            )
    try:
        same_period([campaign.market for campaign in campaigns.values()])
    except ValueError as error:
        raise UserError(f"--groups: {error}") from None
    least = sum(map(least_cents, campaigns.values()))
    if least > floor_cents(budget):
        raise UserError(
            f"--min: the smallest spends of all groups amount to {amount(least / 100.0, 2)}, more than the budget of "
            f"{amount(budget, 2)}"
        )


def _check_margins(campaigns: Mapping[str, Campaign], kind: Kind) -> None:
    """A goal counts sales, plans count what they leave: the same budget is best for both where margins are alike."""
    margins = {name: campaign.market.margin for name, campaign in campaigns.items()}
    if len(set(margins.values())) > 1:
        raise UserError(
            f"--target-{kind} needs groups with one margin, theirs are "
            f"{', '.join(f'{margin:g} ({name})' for name, margin in margins.items())}: give --margin, or --budget"
        )


def _records(
    campaigns: Mapping[str, Campaign], plans: Mapping[str, SpendPlan], upper_bound: float
) -> list[dict[str, str]]:
    """A record for each group and one for all."""
    spent = {name: int(plans[name].cents.sum()) if name in plans else 0 for name in campaigns}
    numbers = {name: (plan.score.value, plan.upper_bound, plan.economics.sales[-1]) for name, plan in plans.items()}
    total = sum(spent.values())
    rows = {name: (spent[name], *numbers.get(name, (0.0, 0.0, 0.0))) for name in campaigns}
    _, earns, _, sales = map(math.fsum, zip(*rows.values(), strict=True))
    rows["total"] = (total, earns, upper_bound, sales)
    return [
        {
            "group": name,
            "spend": as_money(cents),
            "share": f"{cents / total:.4f}" if total else "",
            "earns": f"{value:.2f}",
            "no_plan_earns_more_than": f"{bound:.2f}",
            "gap": f"{_gap(bound, value):.8f}",
            "sales": f"{sold:.2f}",
            "roas": f"{sold / cents * 100.0:.4f}" if cents else "",
        }
        for name, (cents, value, bound, sold) in rows.items()
    ]


def groups_table(records: Sequence[Mapping[str, str]]) -> Table:
    """What each group gets and earns, then all together."""
    rows = []
    for record in records:
        is_total = record is records[-1]
        cells = [
            "Total" if is_total else record["group"],
            amount(float(record["spend"])),
            f"{float(record['share']):.1%}" if record["share"] else "",
            amount(float(record["earns"])),
            f"{float(record['roas']):,.2f}" if record["roas"] else "",
            f"{float(record['gap']):.3%}",
        ]
        rows.append(Row(cells, "bold" if is_total else "", "total" if is_total else ""))
    return Table(
        "How the budget is divided between the groups",
        ["Group", "Spend", "Share", "Earns", "ROAS", "Left to gain"],
        rows,
        "Earns: over a campaign that spends nothing, carry-over afterwards included. Left to gain: at most, for a group"
        " with its own budget, in total however the budget is divided. A group without spend has no folder.",
    )


def _gap(upper_bound: float, value: float) -> float:
    return max(upper_bound - value, 0.0) / abs(value) if value else 0.0
