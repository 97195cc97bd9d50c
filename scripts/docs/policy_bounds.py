"""
How much any policy without foresight can earn in random markets at most, and how far policies are from it.

Campaigns are seeded from 10 000 on, as in the results; the penalty on foresight is fitted on others. Policies are those
of a results folder's ``episodes.csv``, in the same campaigns; without one certainty-equivalent MPC.

Example: python scripts/measure.py bounds shock --episodes docs/results/AdSpendShock-v0_ppo/episodes.csv
"""

from __future__ import annotations

import argparse
import csv
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from sb3_ext.app.records import write_records
from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend import AdSpendEnv, AdSpendVectorEnv, Market
from sb3_ext.envs.ad_spend.baselines import certainty_equivalent_mpc
from sb3_ext.envs.ad_spend.optimum.policy_bound import bound_policies, penalised_optima
from sb3_ext.spend_plan.outcome import roll_out

FIRST_SEED = 10_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.add_argument("markets", nargs="+", help="presets whose prices or demand are random")
    parser.add_argument("--campaigns", type=int, default=1000)
    parser.add_argument("--fitted", type=int, default=6000, help="campaigns that the penalty is fitted on")
    parser.add_argument("--episodes", type=Path, help="episodes.csv of policies on the (one) market")
    parser.add_argument("--output", help="CSV file")


def run(args: argparse.Namespace) -> None:
    """Bound, compare and write."""
    records = [record for market in args.markets for record in _records(market, args)]
    if args.output:
        write_records(records, Path(args.output))


def _records(market: str, args: argparse.Namespace) -> list[dict[str, object]]:
    env = AdSpendVectorEnv(args.campaigns, market, 100_000.0, autoreset_mode="Disabled")
    env.reset(seed=FIRST_SEED)
    assert isinstance(env.market, Market)
    cap, started = env.spend_bounds[1], time.perf_counter()
    bound = bound_policies(env.market, env.budget, env.periods, cap, env.scenario, n_fitted=args.fitted)
    seconds = time.perf_counter() - started
    free = np.zeros((args.campaigns, len(cap), env.periods))
    clairvoyant = penalised_optima(env.market, env.budget, cap, env.scenario, free, tolerance=1e-6).mean()
    if args.episodes:
        policies = {name: env.reward_scale * returns for name, returns in _returns(args).items()}
    else:
        replanning = certainty_equivalent_mpc(AdSpendEnv(market, env.budget))
        policies = {"certainty-equivalent MPC": roll_out(replanning, env, FIRST_SEED).value}
    common = {
        "market": market,
        "campaigns": args.campaigns,
        "fitted": args.fitted,
        "clairvoyant": f"{clairvoyant:.2f}",
        "bound": f"{bound.value:.2f}",
        "bound_percent": f"{100 * bound.value / clairvoyant:.3f}",
        "seconds": f"{seconds:.0f}",
    }
    records: list[dict[str, object]] = []
    for policy, earned in policies.items():
        gap, half_width = bound.gap(earned)
        percent = {"percent": earned.mean(), "gap_points": gap, "gap_interval": half_width}
        records.append(
            common | {"policy": policy} | {name: f"{100 * x / clairvoyant:.3f}" for name, x in percent.items()}
        )
        print(", ".join(f"{name} {value}" for name, value in records[-1].items()), flush=True)
    return records


def _returns(args: argparse.Namespace) -> dict[str, FloatArray]:
    """Of every policy by campaign, of agents the mean over their training seeds."""
    found: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    with open(args.episodes, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found[row["setting"]][int(row["seed"]) - FIRST_SEED].append(float(row["return"]))
    campaigns = range(args.campaigns)
    return {
        policy: np.array([np.mean(returns[campaign]) for campaign in campaigns]) for policy, returns in found.items()
    }
