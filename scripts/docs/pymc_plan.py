"""
A plan of ``sb3-ext plan`` against those of PyMC-Marketing's own ``BudgetOptimizer``, all played by PyMC's own sampling.

Runs in an environment of PyMC-Marketing (0.19.2 was used), which needs nothing of this package:

    python scripts/docs/pymc_plan.py mmm.nc half_year/plan.csv docs/results/pymc_plan.csv
"""

from __future__ import annotations

import csv
import sys
import time
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pymc_marketing
from pymc_marketing.mmm import MMM

Spend = np.ndarray[Any, np.dtype[np.float64]]


def main(model_file: str, plan_file: str, output: str) -> None:
    """Write what every plan contributes, a line each."""
    warnings.filterwarnings("ignore")
    mmm = MMM.load(model_file)
    table = pd.read_csv(plan_file)
    table = table[pd.to_datetime(table["date"], errors="coerce").notna()]
    channels = list(mmm.channel_columns)
    ours = table[[f"spend_{channel}" for channel in channels]].to_numpy(dtype=float)
    lines = [line("sb3-ext plan", mmm, ours)]
    for name in ("BudgetOptimizer", "BudgetOptimizer, channel scales of 1"):
        if name != "BudgetOptimizer":
            # MMM of 0.19 divides spends by the scales twice, in the optimizer and in the model; the multidimensional
            # class passes scales of 1.
            type(mmm)._channel_scales = 1.0
        started = time.perf_counter()
        spend, said = optimized(mmm, ours)
        lines.append(line(name, mmm, spend) | {"seconds": time.perf_counter() - started, "said": said})
    lines.append(line("even", mmm, np.full_like(ours, ours.mean())))
    own = lines[0]["contributions"]
    for each in lines:
        sold = each.pop("contributions")
        low, high = map(float, np.quantile(own - sold, [0.025, 0.975]))
        each |= {"ours_ahead": float((own - sold).mean()), "ahead_025": low, "ahead_975": high}
        each |= {"draws_ours_ahead": float((own > sold).mean())}
    with open(output, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(lines[1]))
        writer.writeheader()
        writer.writerows(lines)


def optimized(mmm: MMM, ours: Spend) -> tuple[Spend, str]:
    """Their plan for the same money, periods and caps, and what the optimizer says of it."""
    channels, periods = list(mmm.channel_columns), len(ours)
    caps = mmm.X[channels].max()
    bounds = {channel: (0.0, float(caps[channel])) for channel in channels}
    allocation, result = mmm.optimize_budget(
        budget=float(ours.sum()) / periods, num_periods=periods, budget_bounds=bounds
    )
    said = f"{result.message} after {result.nit} iterations"
    return np.tile(allocation.sel(channel=channels).to_numpy(), (periods, 1)), said


def line(name: str, mmm: MMM, spend: Spend) -> dict[str, Any]:
    """What a plan contributes, over all draws."""
    sold = contributed(mmm, spend)
    channels = zip(mmm.channel_columns, spend.sum(axis=0), strict=True)
    return {
        "plan": name,
        "spent": float(spend.sum()),
        **{f"spent_{channel}": float(each) for channel, each in channels},
        "mean": float(sold.mean()),
        "quantile_05": float(np.quantile(sold, 0.05)),
        "quantile_95": float(np.quantile(sold, 0.95)),
        "contributions": sold,
        "seconds": "",
        "said": "",
        "pymc_marketing": pymc_marketing.__version__,
    }


def contributed(mmm: MMM, spend: Spend) -> Spend:
    """Contributions of a plan after the data's own past, all draws, until nothing of it is left, as PyMC samples."""
    channels = list(mmm.channel_columns)
    spends = np.concatenate([spend, np.zeros((mmm.adstock.l_max, len(channels)))])
    dates = mmm.X[mmm.date_column]
    step = dates.iloc[-1] - dates.iloc[-2]
    future = pd.DataFrame(spends, columns=channels)
    future[mmm.date_column] = [dates.iloc[-1] + step * (number + 1) for number in range(len(spends))]
    sampled = mmm.sample_posterior_predictive(
        future,
        extend_idata=False,
        include_last_observations=True,
        original_scale=False,
        var_names=["channel_contribution"],
        progressbar=False,
        combined=True,
    )
    scale = float(mmm.idata.constant_data["target_scale"])
    sold: Spend = scale * sampled["channel_contribution"].sum(["date", "channel"]).to_numpy()
    return sold


if __name__ == "__main__":
    main(*sys.argv[1:])
