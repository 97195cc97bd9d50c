"""The command ``sb3-ext replan``: the plan as weeks pass."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from sb3_ext.app.document import add_json_argument, print_json
from sb3_ext.app.errors import UserError, mistakes_explained
from sb3_ext.app.parser import Parser
from sb3_ext.app.typed import typed_amount
from sb3_ext.envs.ad_spend.market.checks import MOST_MONEY, MOST_SALES
from sb3_ext.spend_plan.actuals import read_actuals
from sb3_ext.spend_plan.calendar import period_dates
from sb3_ext.spend_plan.document import plan_document
from sb3_ext.spend_plan.output import check_output, write_plan
from sb3_ext.spend_plan.record import read_record
from sb3_ext.spend_plan.replan import replan
from sb3_ext.spend_plan.terminal import show_plan

_DESCRIPTION = """\
Plan the rest of a campaign anew, from what was really spent, and sold.

PLAN is the folder that `sb3-ext plan` (or replan) wrote. ACTUALS is a CSV or Excel file with a row for every period of
the plan that is over, or for every day: a column 'date' and a column for every channel, or the columns date, channel,
spend; and, where known, a column 'sales'. Numbers and dates may be written as people do (5.000,50, $1,200, 31.12.2026);
what can mean two things is asked. Rows before the plan are left out, so the same file can grow from week to week.

What was spent becomes the advertising carried over, and the budget that is left (or --budget) is planned for the
periods to come. Where the plan's budget was found for a goal, that of the rest is found for it anew, and what is spent
counts. Sales change what the model's draws are worth: those that fit them count for more. A model without draws learns
nothing. Sales are taken as those of the model's channels and a constant base of unknown size (--base) with noise of
unknown size (--sales-noise).
"""
_EXAMPLES = """\
examples:
  sb3-ext replan --plan plan --actuals actuals.csv
  sb3-ext replan --plan plan --actuals actuals.xlsx --budget 350000 --output monday
  sb3-ext replan --plan plan --actuals actuals.csv --base 0 --sales-noise 2000

output files (--output DIR): those of `sb3-ext plan`, for the periods to come
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Plan the rest of a campaign as the command line says."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    args = _parse(arguments)
    with mistakes_explained("--plan"):
        record = read_record(Path(args.plan))
        days = record.market.period_days
        end = period_dates(record.dates[-1], days, 2)[1]
    if not Path(args.actuals).is_file():
        raise UserError(f"--actuals: there is no file {args.actuals!r}")
    with mistakes_explained(f"--actuals: {args.actuals}"):
        actuals = read_actuals(args.actuals, record.market.names, record.dates[len(record.spent) :], end)
    status = Console(stderr=True).status("planning")
    with mistakes_explained("cannot plan this campaign"), status:
        plan = replan(record, actuals, args.budget, noise=args.sales_noise, base=args.base)
    written, left_out = write_plan(plan, f"sb3-ext replan {shlex.join(arguments)}", Path(args.output))
    if args.json:
        print_json(plan_document(plan, written, left_out))
    else:
        show_plan(plan, written, left_out)
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser("replan", _DESCRIPTION, _EXAMPLES)
    add = parser.add_argument
    add("--plan", required=True, metavar="DIR", help="folder that `sb3-ext plan` wrote")
    add("--actuals", required=True, metavar="FILE", help="CSV or Excel file of what was spent, and sold")
    add(
        "--budget",
        type=typed_amount,
        metavar="MONEY",
        help="for the periods to come (default: what the plan's leaves, or its goal needs)",
    )
    add("--base", type=typed_amount, metavar="SALES", help="sales per period without advertising (default: unknown)")
    add(
        "--sales-noise",
        type=typed_amount,
        metavar="S",
        help="standard deviation of a period's sales (default: unknown)",
    )
    add("--output", default="replan", metavar="DIR", help="folder of the files (default: replan)")
    add_json_argument(add)
    args: argparse.Namespace = parser.parse_args(argv)
    if args.budget is not None and not 0.01 <= args.budget <= MOST_MONEY:
        raise UserError(f"--budget is {args.budget:g}: give an amount from 0.01 to {MOST_MONEY:g}")
    if args.sales_noise is not None and not 0.0 < args.sales_noise <= MOST_SALES:
        raise UserError(f"--sales-noise is {args.sales_noise:g}: give a number above 0, at most {MOST_SALES:g}")
    if args.base is not None and not 0.0 <= args.base <= MOST_SALES:
        raise UserError(f"--base is {args.base:g}: give a number from 0 to {MOST_SALES:g}")
    check_output(args.output)
    return args
