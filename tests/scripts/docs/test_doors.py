"""A few of the wrong files and command lines that ``scripts/measure.py doors`` tries by the thousand."""

import json
from pathlib import Path

import pytest

from docs.doors import try_case
from docs.mutations import Case, make_case
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
