"""
What dates are worth over totals under constraints: plans of a Robyn export within a percentage of the past.

Robyn's allocator bounds each channel by a percentage around its past mean and splits a total, which is then spent
evenly. The best such split here is the best one there is under the model with its carry-over: the same spend every
period, found and certified by the same planner. It is compared with plans by date under the same totals, and with
plans by date in which every single spend stays within the percentage.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from sb3_ext.app.records import write_records
from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend import Market, Plan, plan_optimal
from sb3_ext.envs.ad_spend.optimum.constraints import Condition, Constraints, change, each, total


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("market", help="Robyn export")
    parser.add_argument("--periods", type=int, default=26, help="weeks (default: 26)")
    parser.add_argument("--within", type=float, nargs="+", default=[0.2], help="shares around the past (default: 0.2)")
    parser.add_argument("--output", required=True, help="CSV to write")


def run(args: argparse.Namespace) -> None:
    """Plan in each way and write what each earns."""
    market, periods = Market.load(args.market), args.periods
    mean, shape = market.historical_mean, (periods, len(market.names))
    budget = float(mean.sum()) * periods
    records = []
    for within in args.within:
        for name, conditions in _ways(mean, within, shape).items():
            started = time.process_time()
            plan = plan_optimal(market, budget, periods, tolerance=1e-5, constraints=Constraints(tuple(conditions)))
            seconds = time.process_time() - started
            records.append(_record(market, within, name, budget, plan) | {"seconds": f"{seconds:.2f}"})
            print(within, name, records[-1]["earned"], records[-1]["upper_bound"], flush=True)
    past = plan_optimal(market, budget, periods, low=mean, cap=np.maximum(mean, 1e-6))
    records.append(_record(market, 0.0, "past", budget, past) | {"seconds": ""})
    write_records(records, Path(args.output))


def _record(market: Market, within: float, name: str, budget: float, plan: Plan) -> dict[str, object]:
    totals = zip(market.names, plan.spend.sum(axis=0), strict=True)
    return {
        "plan": name,
        "within": within,
        "periods": len(plan.spend),
        "budget": f"{budget:.2f}",
        "spent": f"{plan.spend.sum():.2f}",
        "earned": f"{plan.value:.2f}",
        "upper_bound": f"{plan.upper_bound:.2f}",
        **{f"spend_{channel}": f"{money:.2f}" for channel, money in totals},
    }


def _ways(mean: FloatArray, within: float, shape: tuple[int, int]) -> dict[str, list[Condition]]:
    everywhere = np.ones(shape, dtype=bool)
    low, high = mean * (1.0 - within), mean * (1.0 + within)
    own = [everywhere & (np.arange(shape[1]) == channel) for channel in range(shape[1])]
    totals = [
        total(f"total {channel}", where, low[channel] * shape[0], high[channel] * shape[0])
        for channel, where in enumerate(own)
    ]
    even = [change(f"even {channel}", channel, shape, 0.0, relative=False) for channel in range(shape[1])]
    singles = [each(f"each {channel}", where, low[channel], high[channel]) for channel, where in enumerate(own)]
    return {"totals, spent evenly": singles + even, "every spend within": singles, "totals, by date": totals}
