"""``plan.json``: what is needed to plan the rest of a campaign anew."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np

from sb3_ext import __version__
from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend import Market
from sb3_ext.envs.ad_spend.market.checks import MOST_MONEY, check_number
from sb3_ext.envs.ad_spend.market.document import read_json
from sb3_ext.envs.ad_spend.optimum.constraints import Condition, Constraints
from sb3_ext.spend_plan.campaign import Kind
from sb3_ext.spend_plan.plan import SpendPlan

SCHEMA = "adspend-plan/1"


class Wanted(NamedTuple):
    """A goal in place of a budget."""

    kind: Kind
    target: float
    most: float
    """The largest budget to consider, that of the periods that are over included, money."""


@dataclass(frozen=True)
class PlanRecord:
    """A plan as it was written."""

    market: Market
    """Before the first of the dates."""
    dates: tuple[date, ...]
    """First day of every period, those included that are over."""
    spent: FloatArray
    """What was spent in the periods that are over, shape (k, N), money."""
    sold: FloatArray | None
    """What was sold in them, shape (k,), NaN where not known; None if nothing is known."""
    budget: float
    """Budget of the periods to come, money."""
    spend: FloatArray
    """Plan of the periods to come, shape (T - k, N), money."""
    low: FloatArray
    """Smallest spends per period, shape (N,), money."""
    cap: FloatArray
    """Largest ones, likewise."""
    n_paths: int
    """Number of random campaigns that policies were compared in; 0 where nothing is random."""
    constraints: Constraints | None = None
    """What the periods to come have to keep to besides."""
    risk: float | None = None
    """The plan is for the mean of the lowest share of the draws, in (0, 1]; None: for the mean of all."""
    goal: Wanted | None = None
    """What the budget was found for; None where it was given."""


def write_record(plan: SpendPlan, path: Path) -> None:
    """Write a plan."""
    campaign = plan.campaign
    past, goal = campaign.past, campaign.goal
    values: dict[str, Any] = {
        "schema": SCHEMA,
        "version": __version__,
        "budget": campaign.budget,
        "dates": [day.isoformat() for day in (*(past.dates if past else ()), *campaign.dates)],
        "spent": past.spend.tolist() if past else [],
        "sold": None
        if past is None or past.sales is None
        else [None if np.isnan(x) else x for x in past.sales.tolist()],
        "plan_in_cents": plan.cents.tolist(),
        "low": campaign.low.tolist(),
        "cap": campaign.cap.tolist(),
        "paths": plan.n_paths,
        "risk": campaign.risk,
        "goal": goal and {"kind": goal.kind, "target": goal.target, "most": goal.most},
        "constraints": None if campaign.constraints is None else _constraints_document(campaign.constraints),
        "market": (past.market if past else campaign.market).to_dict(),
    }
    path.write_text(json.dumps(values, allow_nan=False) + "\n", encoding="utf-8")


def read_record(folder: Path) -> PlanRecord:
    """Read the plan in a folder; a ValueError in one line if it is none."""
    path = folder / "plan.json" if folder.is_dir() else folder
    values = read_json(path, "plan")
    if not isinstance(values, dict) or values.get("schema") != SCHEMA:
        raise ValueError(f'{path}: no plan of `sb3-ext plan`: expected a JSON object with "schema": "{SCHEMA}"')
    try:
        market = Market.from_dict(values["market"])
        dates = tuple(date.fromisoformat(day) for day in values["dates"])
        n = len(market.names)
        spent = np.array(values["spent"], dtype=np.float64).reshape(-1, n)
        cents = np.array(values["plan_in_cents"], dtype=np.float64).reshape(-1, n)
        sold = values["sold"] and np.array(values["sold"], dtype=np.float64)
        low, cap = (np.array(values[end], dtype=np.float64) for end in ("low", "cap"))
        budget = check_number(values["budget"], "budget", 0.01, MOST_MONEY)
        n_paths = int(values["paths"])
        constraints = values["constraints"] and _read_constraints(values["constraints"], cents.shape)
        goal = values.get("goal") and _read_goal(values["goal"])
        risk = values["risk"] and check_number(values["risk"], "risk", 0.0, 1.0, low_open=True)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ValueError(f"{path}: not a complete plan ({error})") from error
    fits = len(spent) + len(cents) == len(dates) and sorted(set(dates)) == list(dates) and len(cents) > 0
    numbers = np.concatenate([spent.ravel(), cents.ravel(), low, cap])
    if not fits or low.shape != (n,) or cap.shape != (n,) or not np.all(np.isfinite(numbers) & (numbers >= 0.0)):
        raise ValueError(f"{path}: not a complete plan (its dates, spends and limits do not fit together)")
    return PlanRecord(market, dates, spent, sold, budget, cents / 100.0, low, cap, n_paths, constraints, risk, goal)


def _read_goal(values: dict[str, Any]) -> Wanted:
    if values["kind"] not in get_args(Kind):
        raise ValueError(f"there is no goal {values['kind']!r:.80}")
    target = check_number(values["target"], "target", 0.0, low_open=True)
    return Wanted(values["kind"], target, check_number(values["most"], "most", 0.01))


def _constraints_document(constraints: Constraints) -> dict[str, Any]:
    buys = constraints.smallest_buy
    return {
        "smallest_buy": None if buys is None else np.asarray(buys).tolist(),
        "conditions": [
            {
                "name": each.name,
                "lines": len(each.weights),
                "places": np.argwhere(each.weights).tolist(),
                "weights": each.weights[each.weights != 0.0].tolist(),
                **{
                    end: [x if np.isfinite(x) else None for x in getattr(each, end).tolist()]
                    for end in ("least", "most")
                },
                "when": list(each.when),
            }
            for each in constraints.conditions
        ],
    }


def _read_constraints(values: dict[str, Any], shape: tuple[int, ...]) -> Constraints:
    conditions = []
    for each in values["conditions"]:
        weights = np.zeros((int(each["lines"]), *shape))
        weights[tuple(np.array(each["places"], dtype=np.int64).reshape(-1, 3).T)] = each["weights"]
        least, most = (
            np.array([infinite if x is None else x for x in each[end]], dtype=np.float64)
            for end, infinite in (("least", -np.inf), ("most", np.inf))
        )
        conditions.append(Condition(str(each["name"]), weights, least, most, tuple(map(str, each["when"]))))
    buys = values["smallest_buy"]
    return Constraints(tuple(conditions), None if buys is None else np.array(buys, dtype=np.float64))
