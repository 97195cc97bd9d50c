"""The command ``sb3-ext plan``: from a media-mix model to a dated spend plan."""

from __future__ import annotations

import argparse
import math
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.text import Text

from sb3_ext.app.document import add_json_argument, print_json
from sb3_ext.app.errors import UserError, did_you_mean, mistakes_explained
from sb3_ext.app.parser import Parser, add_safe_argument
from sb3_ext.app.typed import typed_amount, typed_day, typed_factor
from sb3_ext.common.amounts import read_amount
from sb3_ext.common.arrays import FloatArray
from sb3_ext.common.sheets import CSV_SUFFIXES, EXCEL_SUFFIXES
from sb3_ext.common.wording import printable
from sb3_ext.envs.ad_spend import Market
from sb3_ext.envs.ad_spend.market.checks import MOST_MONEY
from sb3_ext.envs.ad_spend.market.draws_table import is_draws_table
from sb3_ext.envs.ad_spend.market.presets import PRESETS
from sb3_ext.envs.ad_spend.market.response_curves import CurveFit, fit_response_curves
from sb3_ext.envs.ad_spend.optimum.robust import same_channels
from sb3_ext.spend_plan.afterwards import gone_on_the_same
from sb3_ext.spend_plan.calendar import default_start, period_dates
from sb3_ext.spend_plan.campaign import Campaign
from sb3_ext.spend_plan.comparing import compare_models
from sb3_ext.spend_plan.constraint_flags import add_constraint_flags, constraints_of
from sb3_ext.spend_plan.constraints import make_constraints, make_group_constraints
from sb3_ext.spend_plan.document import plan_document
from sb3_ext.spend_plan.goals import add_goal_flags, goal_of, most_to_consider, with_goal
from sb3_ext.spend_plan.grouping import Shared, check_group_flags, find_groups, plan_for_groups
from sb3_ext.spend_plan.outcome import Rollout
from sb3_ext.spend_plan.output import check_output, write_plan
from sb3_ext.spend_plan.plan import make_plan
from sb3_ext.spend_plan.random_campaigns import FIRST_SEED, default_paths
from sb3_ext.spend_plan.terminal import show_plan
from sb3_ext.zoo.checks import check_algorithm

_CENT, _ROUGH = 0.01, 1e-4
_MOST_PERIODS = 731
_MOST_PATHS = 5000
_AFTERWARDS = "what is spent after it: nothing, the past's mean, or the same as the plan spends on average"
_DESCRIPTION = """\
Plan when to spend how much on which advertising channel, from a media-mix model.

MARKET is a JSON file that Robyn exported (robyn_write), a model that PyMC-Marketing saved (MMM.save, NetCDF), one of
Meridian with its data (NetCDF), a market file (adspend-params JSON, Market.save), a CSV of response curves with the
columns channel, spend, response (optional: theta, historical_mean), one of draws with the columns channel, draw,
parameter, value, or a preset's name. The plan is the best one that can be found; the page says how much better any
other can be, compares it with simpler ways to spend the budget, and warns where it goes beyond what the model has
seen.

In a random market the plan is still made beforehand, for what is expected, and all are compared in the same random
campaigns (--paths, seeds from 10000 on): simpler ways to spend, policies that re-plan every period, and a clairvoyant,
whose mean value nobody can exceed. The page says what reacting would earn more than any plan made beforehand.

With --model a trained agent is compared too; where nothing is random, the plan is the agent's if that earns more. The
agent must have been trained for this market, budget and number of periods. A model in a run folder of the zoo is given
its wrappers and normalization (VecNormalize). Outside of one they are unknown, and only the bounds of its observations
and actions can be compared: name a model inside its run folder where you can. The model and the settings in its run
folder are loaded without running code in them; --no-safe unpickles them as Stable-Baselines3 does.
"""
_EXAMPLES = """\
examples:
  sb3-ext plan --market robyn.json --budget 2000000 --periods 26 --start 2027-01-04
  sb3-ext plan --market market.json --budget 100000 --periods 28 --caps facebook=5000 --min instagram=200 --output plan
  sb3-ext plan --market curves.csv --period-days 7 --carry-over tv=0.4 --budget 500000 --periods 13
  sb3-ext plan --groups north.json south.json --budget 900000 --periods 26 --constraints plan.yml
  sb3-ext plan --market shock --budget 100000 --periods 28 --paths 1000
  sb3-ext plan --market adstock --budget 100000 --periods 28 --model logs/ddpg_ext/AdSpendAdstock-v0_1/best_model.zip

output files (--output DIR): plan.html (one page, also for print and phones), plan.xlsx (a workbook with charts),
plan.csv (by date), channels.csv and plan.json (for `sb3-ext replan`); older ones are replaced. --groups writes a
folder of them for each group, and groups.csv
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Plan a campaign as the command line says."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    args = _parse(arguments)
    command = f"sb3-ext plan {shlex.join(arguments)}"
    if args.groups:
        check_group_flags(args)
        found = find_groups(args.groups)
        groups = {name: _campaign(_of_market(args, "--groups", *source)) for name, source in found.items()}
        markets = {name: campaign.market for name, campaign in groups.items()}
        dates = next(iter(groups.values())).dates
        constraints = constraints_of(args, partial(make_group_constraints, markets=markets, dates=dates))
        shared = Shared(args.budget, goal_of(args), constraints, args.afterwards == "same")
        return plan_for_groups(groups, shared, command, Path(args.output), args.json)
    campaign = _campaign(args)
    is_random = campaign.market.randomness.any
    if args.paths is not None and not is_random:
        raise UserError("--paths goes with a random market: in this one every campaign goes alike")
    if args.compare and args.risk is not None:
        raise UserError(
            "--compare goes without --risk: the plan for several models is for the mean over each one's draws, and "
            "where it goes worst among the models, not among the draws"
        )
    others = [_market(_of_market(args, "--compare", name))[0] for name in args.compare]
    with mistakes_explained("--compare"):
        others = same_channels([campaign.market, *others])[1:]
    if args.afterwards == "same":
        others = [replace(other, afterwards=campaign.market.afterwards) for other in others]
    n_paths = (args.paths or default_paths(campaign)) if is_random else 1
    agents = _agents(args, campaign, range(FIRST_SEED, FIRST_SEED + n_paths)) if args.model else {}
    status = Console(stderr=True).status("planning")
    with mistakes_explained("cannot plan this campaign"), status:
        plan = make_plan(
            campaign,
            agents,
            n_paths,
            lambda policy: status.update(Text(f"playing {n_paths} random campaigns: {printable(policy)}")),
        )
    written, left_out = write_plan(plan, command, Path(args.output))
    if not args.json:
        show_plan(plan, written, left_out)
    compared = None
    if others:
        names = [Path(name).name for name in (args.market, *args.compare)]
        with mistakes_explained("--compare"):
            compared = compare_models(campaign, others, names, Path(args.output))
    if args.json:
        robust = {} if compared is None else {"comparison": compared.document}
        print_json(plan_document(plan, written, left_out) | robust)
    elif compared is not None:
        compared.show()
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser("plan", _DESCRIPTION, _EXAMPLES)
    add = parser.add_argument
    models = parser.add_mutually_exclusive_group(required=True).add_argument
    models("--market", metavar="MARKET", help="model of Robyn, PyMC-Marketing or Meridian, CSV or preset")
    models("--groups", nargs="+", metavar="MARKET", help="several markets, e.g. of regions, that share the budget")
    add("--budget", type=typed_amount, metavar="MONEY", help="budget of the whole campaign")
    add("--periods", required=True, type=int, metavar="N", help="length in the model's periods (days, weeks, ...)")
    add(
        "--start",
        type=typed_day,
        metavar="DATE",
        help="first day, YYYY-MM-DD (default: tomorrow, next Monday or the 1st)",
    )
    pairs: dict[str, Any] = {"nargs": "+", "default": []}
    add("--caps", **pairs, metavar="CHANNEL=MAX", help="largest spend per period, over the market's")
    add("--min", **pairs, metavar="CHANNEL=LOW", help="smallest spend per period (default: 0)")
    add_goal_flags(add)
    add_constraint_flags(add)
    add(
        "--risk",
        type=typed_factor,
        metavar="SHARE",
        help="plan for the mean of the lowest share of the draws, e.g. 0.2",
    )
    add("--compare", nargs="+", default=[], metavar="MARKET", help="other models: one plan robust to all of them too")
    add("--season", nargs="+", type=typed_factor, metavar="F", help="demand factors by period, repeated; 1 is average")
    add("--margin", type=typed_factor, metavar="M", help="money earned per unit of sales (default: the market's)")
    add("--spend-cost", type=typed_factor, metavar="C", help="money lost per unit of spend; 1: unspent budget is kept")
    add("--afterwards", choices=["nothing", "past", "same"], help=_AFTERWARDS)
    add("--period-days", type=typed_factor, metavar="D", help="CSV only: days of a period (default: 7)")
    add("--carry-over", **pairs, metavar="CHANNEL=THETA", help="CSV only: share kept to the next period")
    add("--spend-per-exposure", **pairs, metavar="CHANNEL=MONEY", help="Robyn only: what an exposure costs")
    add(
        "--paths",
        type=int,
        metavar="N",
        help="random market: campaigns to compare in (default: 300, 20 if S-shaped or long)",
    )
    add("--model", metavar="ZIP", help="saved agent that plans too")
    add("--algo", default="ddpg_ext", metavar="KEY", help="its algorithm (default: ddpg_ext)")
    add_safe_argument(add)
    add("--output", default="plan", metavar="DIR", help="folder of the files (default: plan)")
    add_json_argument(add)
    parser.set_defaults(group=None, flag="--market")
    args: argparse.Namespace = parser.parse_args(argv)
    if args.budget is not None and not (math.isfinite(args.budget) and _CENT <= args.budget <= MOST_MONEY):
        raise UserError(f"--budget is {args.budget:g}: give an amount from 0.01 to {MOST_MONEY:g}")
    if not 1 <= args.periods <= _MOST_PERIODS:
        raise UserError(f"--periods is {args.periods}: give a number from 1 to {_MOST_PERIODS}")
    if args.paths is not None and not 2 <= args.paths <= _MOST_PATHS:
        raise UserError(f"--paths is {args.paths}: give a number from 2 to {_MOST_PATHS}")
    check_output(args.output)
    return args


def _of_market(args: argparse.Namespace, flag: str, market: str, group: str | None = None) -> argparse.Namespace:
    """The same arguments for a market that another flag names, or for a group of one."""
    return argparse.Namespace(**{**vars(args), "flag": flag, "market": market, "group": group})


def _campaign(args: argparse.Namespace) -> Campaign:
    market, fits = _market(args)
    dates = period_dates(
        args.start or default_start(market.period_days, date.today()), market.period_days, args.periods
    )
    goal = goal_of(args)
    budget = args.budget
    if budget is None:
        budget = most_to_consider(market, args.periods, _pairs(args.caps, "--caps"))
    default = np.array([channel.cap is None for channel in market.channels])
    cap = market.spend_caps(budget, args.periods)
    cap[default] = np.maximum(cap[default], _CENT)
    low = np.zeros(len(cap))
    _apply(args.caps, "--caps", market, cap)
    _apply(args.min, "--min", market, low)
    for name, lowest, highest in zip(market.names, low, cap, strict=True):
        if lowest < 0.0 or highest < lowest or not _CENT <= highest <= MOST_MONEY:
            raise UserError(
                f"--min and --caps: {name!r} may spend {lowest:g} to {highest:g} per period: give 0 <= LOW <= MAX and "
                f"a MAX from 0.01 to {MOST_MONEY:g}"
            )
    if np.all(low == cap):
        raise UserError("--min and --caps: the spend of every channel is fixed, which leaves nothing to plan")
    if args.budget is None:
        budget = min(float(cap.sum()) * args.periods, MOST_MONEY)
    if low.sum() * args.periods > budget * (1.0 + 1e-12):
        raise UserError(
            f"--min: the smallest spends amount to {low.sum() * args.periods:,.2f} over {args.periods} periods, more "
            f"than the budget of {budget:,.2f}"
        )
    if args.risk is not None and not (market.draws and 0.0 < args.risk <= 1.0):
        raise UserError(f"--risk is {args.risk:g}: give a share above 0, at most 1, and a market with draws")
    constraints = None if args.groups else constraints_of(args, partial(make_constraints, market=market, dates=dates))
    campaign = Campaign(market, budget, dates, low, cap, fits, constraints, args.risk)

    def aimed(one: Campaign) -> Campaign:
        return with_goal(one, *goal) if goal else one

    with mistakes_explained("cannot plan this campaign"):
        if args.groups:
            return campaign
        if args.afterwards == "same":
            (campaign,) = gone_on_the_same([campaign], lambda held: [aimed(held[0]).best(_ROUGH).spend])
        return aimed(campaign)


def _market(args: argparse.Namespace) -> tuple[Market, tuple[CurveFit, ...]]:
    fits: tuple[CurveFit, ...] = ()
    with mistakes_explained(args.flag):
        days = 7.0 if args.period_days is None else args.period_days
        if is_draws_table(args.market) and not args.carry_over and not args.spend_per_exposure:
            market = Market.from_draws(args.market, days)
        elif args.market.lower().endswith((*CSV_SUFFIXES, *EXCEL_SUFFIXES)):
            market, fits = fit_response_curves(args.market, days, _pairs(args.carry_over, "--carry-over", factor=True))
            if args.spend_per_exposure:
                raise UserError("--spend-per-exposure goes with a Robyn export, not with a CSV")
        elif args.period_days is not None or args.carry_over:
            raise UserError("--period-days and --carry-over go with a CSV: this market has its own")
        elif args.group is not None:
            market = Market.from_pymc_marketing(args.market, args.group)
        elif args.market not in PRESETS and Path(args.market).is_file():
            market = Market.load(args.market, _pairs(args.spend_per_exposure, "--spend-per-exposure", factor=True))
        elif args.spend_per_exposure:
            raise UserError("--spend-per-exposure goes with a Robyn export: this market knows no exposures")
        elif args.market in PRESETS:
            market = PRESETS[args.market]()
        else:
            raise UserError(f"{args.flag}: {args.market!r} is neither a file nor a preset ({', '.join(PRESETS)})")
    given = {"margin": args.margin, "spend_cost": args.spend_cost, "season": args.season and tuple(args.season)}
    given["afterwards"] = None if args.afterwards == "same" else args.afterwards
    with mistakes_explained("--season, --margin, --spend-cost or --afterwards"):
        return replace(market, **{name: value for name, value in given.items() if value is not None}), fits


def _pairs(texts: list[str], flag: str, factor: bool = False) -> dict[str, float]:
    pairs = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        try:
            pairs[name] = read_amount(number, repr(name), factor=factor)
        except ValueError as error:
            raise UserError(f"{flag}: cannot read {text!r}: give CHANNEL=NUMBER, e.g. facebook=5000. {error}") from None
        if not name:
            raise UserError(f"{flag}: cannot read {text!r}: give CHANNEL=NUMBER, e.g. facebook=5000")
    return pairs


def _apply(texts: list[str], flag: str, market: Market, limits: FloatArray) -> None:
    for name, number in _pairs(texts, flag).items():
        if name not in market.names:
            raise UserError(
                f"{flag}: there is no channel {name!r}.{did_you_mean(name, market.names)} Channels: "
                f"{', '.join(market.names)}"
            )
        limits[market.names.index(name)] = number


def _agents(args: argparse.Namespace, campaign: Campaign, seeds: range) -> dict[str, Rollout]:
    from sb3_ext.spend_plan.agent import agent_rollout

    check_algorithm(args.algo)
    rollout = agent_rollout(args.model, args.algo, campaign, bool(args.caps or args.min), seeds, args.safe)
    return {f"agent ({args.algo}, {Path(args.model).name})": rollout}
