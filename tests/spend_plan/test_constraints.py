import csv
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sb3_ext.app.errors import UserError
from sb3_ext.envs.ad_spend import Channel, Market, plan_optimal
from sb3_ext.envs.ad_spend.optimum.constraints import Constraints
from sb3_ext.envs.ad_spend.optimum.infeasible import Infeasible
from sb3_ext.spend_plan.calendar import period_dates
from sb3_ext.spend_plan.campaign import Campaign
from sb3_ext.spend_plan.caveats import find_caveats
from sb3_ext.spend_plan.comparison import EVEN, OPTIMIZED, PAST_MIX
from sb3_ext.spend_plan.constraints import make_constraints, read_constraints
from sb3_ext.spend_plan.draws import lowest_mean, simulate_draws
from sb3_ext.spend_plan.kept_cents import keeps, round_within
from sb3_ext.spend_plan.plan import SpendPlan, make_plan
from sb3_ext.spend_plan.wording import Wording

MARKET = Market(
    (
        Channel("tv", 90_000.0, 30_000.0, theta=0.5, historical_mean=8_000.0),
        Channel("radio", 60_000.0, 15_000.0, theta=0.3, historical_mean=4_000.0),
        Channel("search", 50_000.0, 9_000.0, theta=0.1, historical_mean=3_000.0),
    ),
    period_days=7.0,
    tail_periods=6,
)
DATES = period_dates(date(2027, 1, 4), 7.0, 13)


def constraints(text: str, tmp_path: Path) -> Constraints:
    path = tmp_path / "plan.yml"
    path.write_text(text)
    return make_constraints(read_constraints(str(path)), MARKET, DATES)


def plan(given: Constraints, budget: float = 200_000.0, **changes: Any) -> SpendPlan:
    market = replace(MARKET, **changes)
    return make_plan(Campaign(market, budget, DATES, np.zeros(3), market.spend_caps(budget, 13), constraints=given))


def test_every_key_does_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "old.csv").write_text(
        "date,spend_tv,spend_radio,spend_search\n" + "".join(f'{day},5000,4000,"3,000.00"\n' for day in DATES[:6])
    )
    given = constraints(
        f"""
channels:
  tv:
    total: {{min: 50k, max: "$70,000"}}
    dark: 2027-02-15 to 2027-02-28
  radio: {{share: 25%, around_past: 80%, change: 30%}}
  search: {{booked: {{2027-03-01: "1234.56"}}, smallest_buy: "1,000.00", each: ..20k, change: 9k}}
budgets:
  2027-01: {{max: 60k}}
  2027-Q1: 190k
around_plan: {{file: {tmp_path / "old.csv"}, within: 90%}}
""",
        tmp_path,
    )
    made = plan(given)
    cents, spend = made.cents, made.spend
    assert keeps(cents, given)
    assert 50_000.0 <= spend[:, 0].sum() <= 70_000.0
    assert np.all(cents[[6, 7], 0] == 0)
    assert spend[:, 1].sum() == pytest.approx(0.25 * spend.sum(), abs=0.011)
    assert np.all((spend[:, 1] >= 800.0) & (spend[:, 1] <= 7200.0))
    assert cents[8, 2] == 123_456
    assert np.all((spend[:, 2] == 0.0) | (spend[:, 2] >= 1000.0)) and spend[:, 2].max() <= 20_000.0
    steps = np.diff(spend, axis=0)
    assert np.all(np.abs(steps[:, 1]) <= 0.3 * spend[:-1, 1] + 0.011)
    assert np.abs(steps[:, 2]).max() <= 9000.0
    assert spend[:4].sum() <= 60_000.0
    assert spend.sum() == pytest.approx(190_000.0, abs=1e-6)
    assert np.all((spend[:6] >= 0.1 * np.array([5000.0, 4000.0, 3000.0])) & (spend[:6] <= [9500.0, 7600.0, 5700.0]))
    assert EVEN in made.breaking and OPTIMIZED not in made.breaking
    assert made.score.value <= made.upper_bound
    assert made.prices


def test_plans_of_nothing_say_that_it_is_within_the_constraints(tmp_path: Path) -> None:
    made = plan(constraints("channels: {tv: {share: 60%..}, radio: {share: 60%..}}", tmp_path))
    assert made.total == 0.0
    assert "no spending within the constraints earns what it costs" in Wording(made).lead
    assert any("no spending within the constraints pays" in caveat for caveat in find_caveats(made))


def test_past_and_plan_agree_on_what_is_within(tmp_path: Path) -> None:
    within = constraints("channels: {all: {around_past: 20%}}", tmp_path)
    spend = plan(within).spend
    assert np.all((spend >= 0.8 * MARKET.historical_mean - 1e-9) & (spend <= 1.2 * MARKET.historical_mean + 1e-9))
    in_total = plan(constraints("channels: {all: {total_around_past: 20%}}", tmp_path))
    totals = in_total.spend.sum(axis=0) / (13 * MARKET.historical_mean)
    assert np.all((totals >= 0.8 - 1e-9) & (totals <= 1.2 + 1e-9))
    # Fewer conditions cannot earn less, nor can the past mix, which keeps to both.
    assert in_total.score.value >= plan(within).score.value * (1.0 - 1e-6)
    assert plan(within, budget=195_000.0).reference.name == PAST_MIX


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("channels: {tvv: {total: 5k}}", "there is no channel 'tvv'. Did you mean 'tv'"),
        ("channels: {tv: {totl: 5k}}", "there is no key 'totl'. Did you mean 'total'"),
        ("channel: {}", "there is no key 'channel'. Did you mean 'channels'"),
        ("channels: {tv: {total: 5.000}}", "'5.000' can mean 5000 or 5.0"),
        ("channels: {tv: {total: {min: 9k, max: 8k}}}", "tv: total: give min <= max"),
        ("channels: {tv: {total: {mn: 9k}}}", "there is no key 'mn'"),
        ("channels: {tv: {total: -5}}", "must be 0 or more"),
        ("channels: {tv: {share: 40}}", "must be a share such as 20% or 0.2"),
        ("channels: {tv: {share: 140%}}", "must be a share such as 20% or 0.2"),
        ("channels: {tv: {dark: 2026-01-01}}", "no week of the plan starts in '2026-01-01'"),
        ("channels: {tv: {dark: 2027-13}}", "or a month such as 2027-03"),
        ("channels: {tv: {dark: 2027-03-01 to 2027-02-01}}", "give FIRST to LAST"),
        ("channels: {tv: {booked: 5000}}", "must be a mapping"),
        ("channels: {tv: {change: [1, 2]}}", "give one value"),
        ("channels: {tv: {total: 5}, tv: {total: 6}}", "'tv' stands there twice"),
        ("budgets: {2028-Q1: 5k}", "no week of the plan starts in '2028-Q1'"),
        ("around_plan: {file: none.csv, within: 20%}", "none.csv"),
        ("around_plan: {within: 20%}", "around_plan: file: give one value"),
        ("[1, 2]", "must be a mapping with channels, budgets, around_plan"),
        ("{", "cannot read"),
    ],
)
def test_mistakes_are_one_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        constraints(text, tmp_path)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_past_spends_must_be_known() -> None:
    unknown = replace(MARKET, channels=tuple(replace(channel, historical_mean=0.0) for channel in MARKET.channels))
    with pytest.raises(UserError, match="past spends are not known"):
        make_constraints({"channels": {"all": {"around_past": "20%"}}}, unknown, DATES)


def test_contradictions_come_with_dates_and_money(tmp_path: Path) -> None:
    given = constraints("channels: {tv: {dark: 2027-01, booked: {2027-01-11: 5k}}}", tmp_path)
    with pytest.raises(Infeasible) as error:
        plan(given)
    assert str(error.value) == (
        "no plan keeps to all conditions: these contradict each other by 5,000.00: tv: dark (2027-01-11); "
        "tv: 5,000.00 are booked every week (2027-01-11)"
    )


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Documents that some plan keeps to."""
    rules: dict[str, Any] = {}
    for name in MARKET.names:
        chosen = draw(st.sets(st.sampled_from(["total", "change", "money", "each", "buy"]), max_size=2))
        own = {
            "total": ("total", f"{draw(st.integers(3, 9))}0000.{draw(st.integers(0, 99)):02d}"),
            "change": ("change", f"{draw(st.integers(5, 60))}%"),
            "money": ("change", f"{draw(st.integers(100, 5000))}.33"),
            "each": ("each", f"..{draw(st.integers(9_000, 20_000))}"),
            "buy": ("smallest_buy", "1500"),
        }
        rules[name] = dict(own[one] for one in sorted(chosen))
    document: dict[str, Any] = {"channels": rules}
    if draw(st.booleans()):
        document["channels"]["tv"] = {"share": f"{draw(st.integers(20, 40))}%"}
    if draw(st.booleans()):
        document["budgets"] = {"2027-01": f"..{draw(st.integers(40, 80))}000"}
    return document


@given(documents())
@settings(max_examples=12, deadline=None, derandomize=True)
def test_plans_in_cents_keep_to_their_conditions(document: dict[str, Any]) -> None:
    given = make_constraints(document, MARKET, DATES)
    cap = MARKET.spend_caps(300_000.0, 13)
    try:
        best = plan_optimal(MARKET, 300_000.0, 13, cap=cap, constraints=given, tolerance=1e-4)
    except Infeasible:
        return
    cents = round_within(best.spend, 300_000.0, np.zeros(3), cap, given)
    assert keeps(cents, given)
    assert 0 <= cents.min() and cents.sum() <= 30_000_000
    assert np.abs(cents / 100.0 - best.spend).max() <= 0.05 + 1e-5 * best.spend.max()


def test_flags_say_the_same_as_a_file(
    planner: Callable[..., Path], without_page: None, mistake: Callable[..., str], tmp_path: Path
) -> None:
    folder = planner(
        "--total", "facebook=2000..3000", "--share", "instagram=..60%", "--booked", "instagram=2027-01-05:700",
        "--dark", "facebook=2027-01-06..2027-01-07", "--max-change", "5000",
    )  # fmt: skip
    with open(folder / "plan.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    facebook, instagram = ([float(row[f"spend_{name}"]) for row in rows] for name in ("facebook", "instagram"))
    assert 2000.0 <= sum(facebook) <= 3000.0
    assert sum(instagram) <= 0.6 * (sum(facebook) + sum(instagram)) + 0.011
    assert instagram[1] == 700.0 and facebook[2] == facebook[3] == 0.0
    assert "cannot read 'facebook'" in mistake("--total", "facebook", "--output", "other")
    assert "contradict each other by" in mistake("--total", "facebook=20000", "--output", "other", code=1)
    assert "--risk is 0.2: give" in mistake("--risk", "0.2", "--output", "other")


def test_draws_with_windows_are_simulated_as_they_are_planned() -> None:
    rng = np.random.default_rng(0)

    def drawn() -> tuple[Channel, ...]:
        return tuple(
            replace(
                channel, beta=channel.beta * rng.uniform(0.5, 2.0), theta=0.0, weights=tuple(rng.dirichlet([1.0] * 4))
            )
            for channel in MARKET.channels
        )

    market = replace(MARKET, channels=drawn(), draws=tuple(drawn() for _ in range(8)))
    best = plan_optimal(market, 100_000.0, 6, draws=True)
    assert simulate_draws(market, 100_000.0, best.spend[None]).value.mean() == pytest.approx(best.value, rel=1e-9)
    risk = plan_optimal(market, 100_000.0, 6, risk=0.3, tolerance=1e-4)
    at_risk = lowest_mean(simulate_draws(market, 100_000.0, risk.spend[None]).value, 0.3)
    assert at_risk == pytest.approx(risk.value, rel=1e-9)
