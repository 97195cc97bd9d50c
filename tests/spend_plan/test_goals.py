import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from sb3_ext.app.errors import UserError
from sb3_ext.envs.ad_spend import Channel, Market, plan_optimal
from sb3_ext.envs.ad_spend.optimum.constraints import Constraints, share, total
from sb3_ext.spend_plan.calendar import period_dates
from sb3_ext.spend_plan.campaign import Campaign
from sb3_ext.spend_plan.command import main
from sb3_ext.spend_plan.goals import find_budget, most_to_consider
from sb3_ext.spend_plan.outlooks import find_frontier, find_shares
from sb3_ext.spend_plan.plan import make_plan
from sb3_ext.spend_plan.tables import budget_table

MARKET = Market(
    (
        Channel("tv", 9000.0, 3000.0, theta=0.5, historical_mean=900.0, initial_adstock=0.0),
        Channel("radio", 6000.0, 1500.0, theta=0.3, historical_mean=400.0, initial_adstock=0.0),
    ),
    period_days=7.0,
    margin=0.4,
    tail_periods=4,
)


FEW = ["--budget", "10000", "--periods", "5", "--start", "2027-01-04"]


def campaign(market: Market = MARKET, budget: float = 60_000.0) -> Campaign:
    return Campaign(market, budget, period_dates(date(2027, 1, 4), 7.0, 8), np.zeros(2), np.full(2, 4000.0))


def sales(budget: float, market: Market = MARKET) -> float:
    """What the best plan of a budget sells more than none."""
    return plan_optimal(replace(market, margin=1.0), budget, 8, cap=4000.0, draws=bool(market.draws)).value


def test_the_smallest_budget_for_sales() -> None:
    goal = find_budget(campaign(), "sales", 40_000.0)
    assert sales(goal.budget) == pytest.approx(40_000.0, rel=2e-4)
    assert goal.beyond is not None and goal.budget * (1.0 - 2e-4) <= goal.beyond < goal.budget
    assert sales(goal.beyond) < 40_000.0
    with pytest.raises(UserError, match="no plan sells 9,000,000 more than none"):
        find_budget(campaign(), "sales", 9e6)


def test_the_largest_spend_with_a_return() -> None:
    marginal = find_budget(campaign(), "mroas", 1.5).budget
    assert (sales(marginal + 50.0) - sales(marginal - 50.0)) / 100.0 == pytest.approx(1.5, rel=1e-2)
    roas = find_budget(campaign(), "roas", 2.5)
    assert sales(roas.budget) / roas.budget == pytest.approx(2.5, rel=1e-3)
    assert roas.beyond is not None and sales(roas.beyond) / roas.beyond < 2.5
    assert find_budget(campaign(), "cpa", 0.4).budget == pytest.approx(roas.budget, rel=1e-3)
    # Even all that the limits take returns more than that.
    assert find_budget(campaign(budget=20_000.0), "roas", 1.1).budget == pytest.approx(20_000.0)
    for kind in ("mroas", "roas"):
        with pytest.raises(UserError, match="no plan within the limits reaches it"):
            find_budget(campaign(), kind, 50.0)


def test_the_frontier_is_certified_and_holds_the_past() -> None:
    for alpha in (1.0, 3.0):
        market = replace(MARKET, channels=tuple(replace(channel, alpha=alpha) for channel in MARKET.channels))
        made = make_plan(campaign(market, 12_000.0))
        found = find_frontier(made.campaign, made.spend)
        assert found.past == pytest.approx(8 * 1300.0) and found.past in found.budget
        assert np.all(np.diff(found.budget) > 0.0) and np.all(np.diff(found.value) >= -1e-3 * found.value[-1])
        assert np.all(found.value <= found.upper_bound)
        assert np.all(found.spend.sum(axis=1) <= found.budget * (1.0 + 1e-9))
        if alpha == 1.0:
            assert np.all(found.upper_bound - found.value <= 1e-3 * found.value)
        at = int(np.argmin(np.abs(found.budget - 12_000.0)))
        assert found.value[at] == pytest.approx(made.score.value, rel=2e-3 if alpha == 1.0 else 5e-2)


def test_other_budgets_are_shown() -> None:
    made = make_plan(campaign(budget=12_000.0))
    table = budget_table(made)
    assert table is not None and [row.cells[0] for row in table.rows] == [
        *("6,000", "9,000", "10,400 (the past)", "10,800", "12,000", "13,200", "15,000", "18,000")
    ]
    assert [row.style for row in table.rows].count("bold") == 1
    slow = replace(campaign(budget=12_000.0), constraints=Constraints(smallest_buy=np.array([500.0, 0.0])))
    assert budget_table(make_plan(slow)) is None


def test_plans_of_other_budgets_keep_to_the_constraints_that_allow_one() -> None:
    everywhere = np.ones((8, 2), dtype=bool)
    tv = everywhere & [True, False]
    given = Constraints((total("tv", tv, 7_000.0), share("radio", ~tv, everywhere, 0.25, 0.3)))
    made = make_plan(replace(campaign(budget=12_000.0), constraints=given))
    found = made.frontier
    assert found is not None
    # 7,000 on tv and a quarter on radio take 9,333 at least.
    np.testing.assert_allclose(found.budget, [10_400.0, 10_800.0, 12_000.0, 13_200.0, 15_000.0, 18_000.0])
    assert np.all(found.spend[:, 0] >= 7_000.0 - 0.01)
    radio = found.spend[:, 1] / found.spend.sum(axis=1)
    assert np.all((radio >= 0.25 - 1e-6) & (radio <= 0.3 + 1e-6))
    assert np.all(found.value <= found.upper_bound) and np.all(found.upper_bound <= found.value * (1.0 + 2e-3))
    at = int(np.argmin(np.abs(found.budget - 12_000.0)))
    assert found.value[at] == pytest.approx(made.score.value, rel=2e-3)
    free = make_plan(campaign(budget=12_000.0)).frontier
    assert free is not None and np.all(found.value <= free.upper_bound[np.isin(free.budget, found.budget)])
    table = budget_table(made)
    assert table is not None and "budgets with which no plan can are left out" in table.notes


def test_shares_are_sure_where_draws_agree() -> None:
    rng = np.random.default_rng(0)

    def drawn(sigma: float) -> tuple[Channel, ...]:
        return tuple(replace(channel, beta=channel.beta * rng.lognormal(0.0, sigma)) for channel in MARKET.channels)

    for sigma, sure in ((0.01, True), (1.5, False)):
        market = replace(MARKET, draws=tuple(drawn(sigma) for _ in range(30)))
        made = make_plan(campaign(market, 12_000.0))
        shares = find_shares(made.campaign, made.spend)
        assert shares.planned.sum() == pytest.approx(1.0)
        assert np.all((shares.low <= shares.high) & (shares.low >= 0.0) & (shares.high <= 1.0))
        assert shares.sure.tolist() == [sure, sure]


def test_flags(planner: Callable[..., Path], without_page: None, mistake: Callable[..., str]) -> None:
    arguments = ("--market", "adstock", "--periods", "5", "--start", "2027-01-04")
    assert main([*arguments, "--budget", "50000", "--target-sales", "20k"]) == 0
    assert "give one goal" in mistake("--target-sales", "5", "--target-roas", "2", "--output", "other")
    assert "give a number above 0" in mistake("--target-roas", "0", "--output", "other")
    with pytest.raises(UserError, match="give --budget, or a goal"):
        main(list(arguments))
    unknown = Market((Channel("tv", 90.0, 30.0), Channel("radio", 60.0, 15.0, cap=40.0)))
    with pytest.raises(UserError, match="a goal needs limits: give --budget as the most to consider, or --caps for tv"):
        most_to_consider(unknown, 5, [])


def test_several_models(
    planner: Callable[..., Path], without_page: None, mistake: Callable[..., str], capfd: pytest.CaptureFixture[str]
) -> None:
    folder = planner("--compare", "static", "profit")
    text = " ".join(capfd.readouterr().out.split())
    assert "The robust plan earns at least" in text and "Under profit" in text
    rows = (folder / "robust.csv").read_text().splitlines()
    assert rows[0] == "date,spend_facebook,spend_instagram" and len(rows) == 6
    assert main(["--market", "adstock", "--compare", "static", *FEW, "--total", "facebook=2500"]) == 0
    lines = (folder / "robust.csv").read_text().splitlines()[1:]
    assert sum(float(line.split(",")[1]) for line in lines) == pytest.approx(2500.0, abs=0.005)
    assert "neither a file nor a preset" in mistake("--compare", "none", "--output", "other")
    capfd.readouterr()
    planner("--compare", "static", "--json")
    compared = json.loads(capfd.readouterr().out)["comparison"]
    assert compared["earns"]["robust to all"].keys() == {"adstock", "static"}
    assert 0.0 < compared["least_share"] <= compared["no_plan_has_more_than"] <= 1.0
