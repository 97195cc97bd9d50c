"""A few of the wrong files and command lines that ``scripts/measure.py doors`` tries by the thousand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from docs.doors import try_case
from docs.mutations import Case, make_case
from sb3_ext.envs.ad_spend import Channel, Market
from sb3_ext.envs.ad_spend.market.presets import adstock

ROBYN = Path(__file__).resolve().parents[4] / "shared" / "data" / "robyn_always_on_3_12.json"


@pytest.mark.parametrize(("door", "cases"), [("json", 40), ("robyn", 20), ("csv", 25), ("flags", 30)])
def test_wrong_input_is_refused_in_one_line_or_planned(door: str, cases: int) -> None:
    if door == "robyn" and not ROBYN.is_file():
        pytest.skip("no Robyn export here")
    for seed in range(500, 500 + cases):
        case = make_case(door, seed, ROBYN)
        outcome, reason = try_case(case, with_page=False, limit=100)
        assert outcome in ("refused", "planned"), f"{door} {seed}: {outcome}: {reason} <- {case.changed!a:.300}"


def test_cases_come_again_and_faults_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert make_case("csv", 3, ROBYN) == make_case("csv", 3, ROBYN) != make_case("csv", 4, ROBYN)
    good = Case("json", json.dumps(adstock().to_dict()), ".json", ["--budget", "10000", "--periods", "3"], "")
    assert try_case(good, with_page=False, limit=100) == ("planned", "")
    assert try_case(good._replace(text="{"), with_page=False, limit=100)[0] == "refused"

    def broken(*_: object) -> None:
        raise OverflowError("too large")

    with monkeypatch.context() as patch:
        patch.setattr("sb3_ext.spend_plan.plan.round_within", broken)
        assert try_case(good, with_page=False, limit=100)[0] == "traceback"
    monkeypatch.setattr("sb3_ext.spend_plan.plan._gap", lambda *_: float("nan"))
    assert try_case(good, with_page=False, limit=100)[0] == "bad plan"


def wide(rng: np.random.Generator, low: float, high: float) -> float:
    """A number of any size between two, often one of them."""
    number = 10.0 ** rng.uniform(np.log10(low), np.log10(high))
    return float(np.clip(rng.choice([low, high, number, number, number]), low, high))


def wide_market(rng: np.random.Generator) -> Market:
    """A market anywhere within the bounds of the door."""
    channels = []
    for number in range(rng.integers(1, 4)):
        family = rng.choice(["hill", "logistic", "root"])
        carried: dict[str, Any] = {"theta": float(rng.choice([0.0, 0.5, 0.999999]))}
        if rng.random() < 0.3:
            weights = rng.random(rng.integers(1, 5))
            carried = {"weights": tuple(weights / weights.sum())}
        channels.append(
            Channel(
                f"channel {number}",
                beta=rng.choice([0.0, wide(rng, 1e-9, 1e15)], p=[0.1, 0.9]),
                kappa=wide(rng, 1e-6, 1e15),
                alpha={"hill": wide(rng, 0.01, 20.0), "logistic": 1.0, "root": wide(rng, 0.01, 1.0)}[family],
                saturation=str(family),
                historical_mean=rng.choice([0.0, wide(rng, 1e-9, 1e13)]),
                cap=rng.choice([None, wide(rng, 1e-9, 1e13)]),
                **carried,
            )
        )
    season = tuple(wide(rng, 1e-2, 1e2) for _ in range(rng.integers(1, 4)))
    return Market(tuple(channels), season=season, margin=wide(rng, 1e-3, 1e3), spend_cost=float(rng.choice([0, 1])))


@pytest.mark.parametrize("seed", [40, 52, 90, 128, *range(200, 208)])
def test_whatever_is_within_the_bounds_of_the_door_is_planned_or_refused(seed: int) -> None:
    rng = np.random.default_rng(seed)
    market = wide_market(rng)
    flags = ["--budget", repr(wide(rng, 0.01, 1e13)), "--periods", str(rng.choice([1, 2, 5]))]
    outcome, reason = try_case(Case("json", json.dumps(market.to_dict()), ".json", flags, ""), seed == 200, limit=100)
    assert outcome in ("refused", "planned"), f"{outcome}: {reason} <- {market} {flags}"
