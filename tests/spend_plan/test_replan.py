import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sb3_ext.envs.ad_spend import Channel, Market, plan_optimal
from sb3_ext.envs.ad_spend.market.progress import after
from sb3_ext.spend_plan.command import main as plan_command
from sb3_ext.spend_plan.record import read_record
from sb3_ext.spend_plan.replan_command import main

TV, SEARCH = Channel("tv", beta=900.0, kappa=300.0, theta=0.6), Channel("search", beta=600.0, kappa=150.0)
DRAWS = tuple(
    (replace(TV, beta=900.0 * factor), replace(SEARCH, beta=600.0 * (2.0 - factor)))
    for factor in np.linspace(0.4, 1.6, 60)
)
MARKET = Market((TV, SEARCH), period_days=7.0, season=(1.0, 1.2, 0.8), tail_periods=10, draws=DRAWS)
Planner = Callable[..., Path]

pytestmark = pytest.mark.usefixtures("without_page")


@pytest.fixture
def planned(planner: Planner) -> Path:
    MARKET.save("market.json")
    return planner("--market", "market.json", "--budget", "6000", "--periods", "8")


def actuals(rows: list[str]) -> None:
    Path("actuals.csv").write_text("\n".join(["date,tv,search,sales", *rows]) + "\n")


def again(*arguments: str, plan: str = "plan") -> Path:
    assert main(["--plan", plan, "--actuals", "actuals.csv", *arguments]) == 0
    return Path("replan")


def test_the_rest_is_the_optimum_from_where_the_campaign_stands(planned: Path) -> None:
    first = read_record(planned)
    actuals(["2027-01-04,900,300,", "2027-01-11,100,0,"])
    second = read_record(again())
    spent = np.array([[900.0, 300.0], [100.0, 0.0]])
    assert second.dates == first.dates and second.budget == 6000.0 - 1300.0
    np.testing.assert_allclose(second.spent, spent)
    best = plan_optimal(after(MARKET, spent), 4700.0, 6, low=first.low, cap=second.cap)
    np.testing.assert_allclose(second.spend, best.spend, atol=0.5)
    assert second.market == first.market == MARKET
    assert {path.name for path in Path("replan").iterdir()} >= {"plan.csv", "plan.json", "channels.csv"}


def test_scripts_get_the_plan_of_the_rest(planned: Path, capfd: pytest.CaptureFixture[str]) -> None:
    actuals(["2027-01-04,900,300,"])
    capfd.readouterr()
    again("--json")
    found = json.loads(capfd.readouterr().out)
    assert found["budget"] == 4800.0 and len(found["periods"]) == 7


def test_a_campaign_that_went_as_planned_goes_on_as_planned(planned: Path) -> None:
    first = read_record(planned)
    actuals([f"{day},{tv},{search}," for day, (tv, search) in zip(first.dates[:3], first.spend[:3], strict=True)])
    np.testing.assert_allclose(read_record(again()).spend, first.spend[3:], atol=1.0)


def test_week_by_week_comes_to_the_same_as_all_at_once(planned: Path) -> None:
    rows = ["2027-01-04,900,300,700", "2027-01-11,100,0,250", "2027-01-18,400,500,900", "2027-01-25,0,700,600"]
    rows += ["2027-02-01,800,0,500"]
    actuals(rows[:3])
    again("--base", "0", "--sales-noise", "50", "--output", "monday")
    actuals(rows)
    again("--base", "0", "--sales-noise", "50", plan="monday")
    step = read_record(Path("replan"))
    again("--base", "0", "--sales-noise", "50")
    once = read_record(Path("replan"))
    np.testing.assert_allclose(step.spend, once.spend)
    assert step.sold is not None and once.sold is not None
    np.testing.assert_allclose(step.sold, once.sold)


def test_sales_move_money_to_the_channel_that_sells_more(planned: Path, capfd: pytest.CaptureFixture[str]) -> None:
    truth = Market(DRAWS[50], season=MARKET.season)
    spent = np.array([[900.0, 0.0], [0.0, 300.0], [500.0, 100.0], [0.0, 0.0], [200.0, 600.0]])
    sold = np.array([truth.response(level) for level in truth.adstock(spent)]).sum(axis=1) * truth.season_factors(5)
    days = read_record(planned).dates
    actuals(
        [f"{day},{tv},{search},{sales + 400.0}" for day, (tv, search), sales in zip(days, spent, sold, strict=False)]
    )
    with_sales = read_record(again()).spend.sum(axis=0)
    shown = capfd.readouterr().out
    actuals([f"{day},{tv},{search}," for day, (tv, search) in zip(days, spent, strict=False)])
    without = read_record(again()).spend.sum(axis=0)
    assert with_sales[0] > without[0] + 50.0 and with_sales[1] < without[1] - 50.0
    assert (
        "tv: by the sales it sold" in shown and "What changed: 5 weeks are over since the plan, 3 are to come" in shown
    )


def test_the_budget_can_be_given_for_the_rest(planned: Path) -> None:
    actuals(["2027-01-04,900,300,"])
    assert read_record(again("--budget", "$3,000")).budget == 3000.0


def test_sales_that_tell_nothing_are_said(planned: Path, capfd: pytest.CaptureFixture[str]) -> None:
    actuals(["2027-01-04,900,300,700"])
    again()
    assert "warning: the sales changed nothing: the sales of 1 periods tell nothing yet" in capfd.readouterr().out
    actuals([f"{day},{500 + at},300,{1e6 * (at % 2)}" for at, day in enumerate(read_record(planned).dates[:5])])
    again("--sales-noise", "10", "--base", "0")
    assert "hardly any of the model's 60 draws fits the sales" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("rows", "arguments", "reason"),
    [
        (["2027-01-04,5000,3000,"], [], "which leaves -2,000.00 for the rest: give what may be spent with --budget"),
        ([f"{day},1,1," for day in ("2027-01-04", "2027-01-11")], ["--budget", "0"], "--budget is 0"),
        (["2027-01-04,1,1,"], ["--plan", "nowhere"], "--plan: no plan at 'nowhere'"),
        (["2027-01-04,1,1,"], ["--plan", "market.json"], "expected a JSON object with"),
        (["2027-01-04,1,1,"], ["--plan", "torn.json"], "not a complete JSON file"),
        (["2027-01-04,1,1,"], ["--plan", "short.json"], "not a complete plan"),
        (["2027-01-04,1,1,"], ["--actuals", "nowhere.csv"], "there is no file 'nowhere.csv'"),
        (["2027-01-04,1,x,"], [], "actuals.csv: line 2: search must be a number"),
        (["2027-01-04,1,1,"], ["--sales-noise", "-1"], "--sales-noise is -1"),
        (["2027-01-04,1,1,"], ["--output", "actuals.csv"], "cannot write to"),
    ],
)
def test_mistakes_are_one_line(
    planned: Path, error_line: Callable[..., str], rows: list[str], arguments: list[str], reason: str
) -> None:
    actuals(rows)
    Path("torn.json").write_text('{"schema": "adspend-plan/1", ')
    whole = json.loads((planned / "plan.json").read_text())
    Path("short.json").write_text(json.dumps({**whole, "dates": whole["dates"][:-1]}))
    before = set(Path.cwd().iterdir())
    given = [*arguments]
    for flag, value in {"--plan": "plan", "--actuals": "actuals.csv"}.items():
        given += [] if flag in arguments else [flag, value]
    message = error_line(
        "replan",
        *given,
        code=1 if "complete" in reason or "expected" in reason or "line 2" in reason or "no plan" in reason else 2,
    )
    assert reason in message
    assert set(Path.cwd().iterdir()) == before


def test_all_weeks_over_leave_nothing_to_plan(planned: Path, error_line: Callable[..., str]) -> None:
    actuals([f"{day},1,1," for day in read_record(planned).dates])
    assert "nothing is left to plan" in error_line("replan", "--plan", "plan", "--actuals", "actuals.csv", code=2)


def test_constraints_count_what_is_spent(planner: Planner) -> None:
    MARKET.save("market.json")
    limits = ["--total", "search=2000..2500", "--booked", "tv=2027-02-08:333", "--max-change", "600", "--risk", "0.5"]
    planner("--market", "market.json", "--budget", "6000", "--periods", "8", *limits)
    first = read_record(Path("plan"))
    actuals(["2027-01-04,500,1500,", "2027-01-11,900,100,"])
    second = read_record(again())
    assert second.spend[:, 1].sum() + 1600.0 <= 2500.01 and second.spend[:, 1].sum() + 1600.0 >= 1999.99
    assert second.spend[3, 0] == 333.0
    whole = np.concatenate([[[900.0, 100.0]], second.spend])
    assert np.abs(np.diff(whole, axis=0)).max() <= 600.01
    assert first.risk == second.risk == 0.5
    assert first.constraints is not None and second.constraints is not None
    assert any(each.name.startswith("search: ") for each in second.constraints.conditions)


def test_constraints_that_what_is_spent_broke_are_named(planner: Planner, error_line: Callable[..., str]) -> None:
    MARKET.save("market.json")
    planner("--market", "market.json", "--budget", "6000", "--periods", "8", "--total", "search=..1500")
    actuals(["2027-01-04,500,1600,"])
    message = error_line("replan", "--plan", "plan", "--actuals", "actuals.csv", code=1)
    assert "search: at most 1,500.00 in total (with what is spent)" in message


@pytest.mark.parametrize("goal", [("--target-sales", "4000"), ("--target-mroas", "0.6"), ("--target-roas", "1.3")])
def test_a_goal_counts_what_is_spent(planner: Planner, goal: tuple[str, str]) -> None:
    """A campaign that went as planned needs what the plan had left; one that sold nothing yet needs more for sales."""
    replace(MARKET, draws=()).save("market.json")
    flags = ("--caps", "tv=900", "search=700", "--periods", "8", *goal)
    assert plan_command(["--market", "market.json", *flags, "--start", "2027-01-04"]) == 0
    first = read_record(Path("plan"))
    days = first.dates[:3]
    actuals([f"{day},{tv},{search}," for day, (tv, search) in zip(days, first.spend[:3], strict=True)])
    second = read_record(again())
    assert second.goal == first.goal
    np.testing.assert_allclose(second.budget, first.spend[3:].sum(), rtol=2e-3)
    np.testing.assert_allclose(second.spend, first.spend[3:], atol=0.01 * first.spend.max())
    if goal[0] == "--target-sales":
        actuals([f"{day},0,0," for day in days])
        assert read_record(again()).budget > 1.05 * second.budget
        assert read_record(again("--budget", "700")).goal is None


def test_a_goal_that_is_reached_needs_no_more(planner: Planner, error_line: Callable[..., str]) -> None:
    MARKET.save("market.json")
    flags = ["--caps", "tv=900", "search=700", "--periods", "8", "--target-sales", "1000"]
    assert plan_command(["--market", "market.json", *flags, "--start", "2027-01-04"]) == 0
    actuals(["2027-01-04,900,700,", "2027-01-11,900,700,"])
    said = error_line("replan", "--plan", "plan", "--actuals", "actuals.csv", code=2)
    assert "what is spent already sells" in said and "--budget" in said
