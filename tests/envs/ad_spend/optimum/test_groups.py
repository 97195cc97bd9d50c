from dataclasses import replace

import numpy as np
import pytest
from ad_spend_strategies import one_line
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from sb3_ext.envs.ad_spend import Channel, Market, plan_optimal
from sb3_ext.envs.ad_spend.campaign.simulator import CampaignSimulator
from sb3_ext.envs.ad_spend.optimum.constraints import Constraints, change, share, total
from sb3_ext.envs.ad_spend.optimum.groups import Groups, plan_groups
from sb3_ext.envs.ad_spend.optimum.infeasible import Infeasible

TV, RADIO = Channel("tv", 900.0, 300.0, theta=0.5, cap=150.0), Channel("radio", 200.0, 150.0, cap=150.0)
NORTH, SOUTH = (Market((channel,), tail_periods=3) for channel in (TV, RADIO))
PERIODS = 6


def steep(market: Market) -> Market:
    return replace(market, channels=tuple(replace(channel, alpha=2.5) for channel in market.channels))


@pytest.mark.parametrize("budget", [1.0, 300.0, 600.0, 1800.0])
def test_channels_apart_are_worth_what_they_are_in_one_market(budget: float) -> None:
    for north, south in ((NORTH, SOUTH), (steep(NORTH), steep(SOUTH))):
        found = plan_groups([north, south], budget, PERIODS)
        joint = plan_optimal(replace(north, channels=north.channels + south.channels), budget, PERIODS)
        assert found.value >= joint.value * (1.0 - 1e-5)
        assert found.upper_bound == pytest.approx(joint.upper_bound, rel=1e-6)
        assert found.value <= found.upper_bound * (1.0 + 1e-12)
        if north.is_concave:
            assert found.relative_gap < 1e-5 and max(plan.relative_gap for plan in found.plans) < 1e-5
        spent = np.concatenate([plan.spend for plan in found.plans], axis=1)
        both = CampaignSimulator(replace(north, channels=north.channels + south.channels), budget, PERIODS)
        assert found.value == pytest.approx(both.plan_value(spent), rel=1e-9)


@pytest.mark.parametrize("budget", [300.0, 900.0])
def test_conditions_on_groups_are_those_on_the_channels_of_one_market(budget: float) -> None:
    everywhere = np.ones((PERIODS, 2), dtype=bool)
    first, early = everywhere & [True, False], everywhere & (np.arange(PERIODS) < 3)[:, None]
    given = Constraints(
        (
            share("radio", ~first, everywhere, 0.3, 0.35),
            total("early", early, 0.55 * budget),
            change("tv", 0, (PERIODS, 2), 25.0, relative=False),
        )
    )
    for north, south in ((NORTH, SOUTH), (steep(NORTH), steep(SOUTH))):
        found = plan_groups([north, south], budget, PERIODS, constraints=given)
        merged = replace(north, channels=north.channels + south.channels)
        joint = plan_optimal(merged, budget, PERIODS, constraints=given)
        spent = np.concatenate([plan.spend for plan in found.plans], axis=1)
        for condition in given.conditions:
            lines = np.tensordot(condition.weights, spent, axes=2)
            assert np.all((lines >= condition.least - 1e-5) & (lines <= condition.most + 1e-5))
        assert found.value == pytest.approx(joint.value, rel=1e-5)
        assert found.upper_bound == pytest.approx(joint.upper_bound, rel=1e-5)
        assert found.value == pytest.approx(CampaignSimulator(merged, budget, PERIODS).plan_value(spent), rel=1e-9)
        assert found.prices["radio"] == pytest.approx(joint.prices["radio"], rel=1e-2, abs=1e-4)
        for plan in found.plans:
            assert plan.value <= plan.upper_bound <= plan.value + found.upper_bound - found.value + 1e-9


def test_what_conditions_contradict_is_named_with_its_group() -> None:
    where = np.zeros((PERIODS, 2), dtype=bool)
    where[0] = True
    given = Constraints((total("the first day", where, 400.0),))
    with pytest.raises(Infeasible) as error:
        plan_groups([NORTH, SOUTH], 900.0, PERIODS, constraints=given, names=["north", "south"])
    assert set(error.value.conditions) == {
        "the first day",
        "north: tv: at most 150.00 a period",
        "south: radio: at most 150.00 a period",
    }
    assert error.value.missing == pytest.approx(100.0)


@pytest.mark.parametrize("conditions", [False, True])
def test_draws_seasons_margins_smallest_spends_and_conditions_against_scipy(conditions: bool) -> None:
    draws = tuple((replace(TV, beta=beta, theta=theta),) for beta, theta in ((500.0, 0.2), (1100.0, 0.6)))
    markets = [replace(NORTH, draws=draws, season=(0.5, 1.5)), replace(SOUTH, margin=2.5, season=(2.0, 1.0, 0.5))]
    low, budget, periods = [0.0, 20.0], 320.0, 4
    # What both spend in the first two days.
    early = total("early", np.array([[True, True]] * 2 + [[False, False]] * 2), most=120.0)
    found = plan_groups(markets, budget, periods, low=low, constraints=Constraints((early,)) if conditions else None)
    each = [replace(markets[0], channels=draw, draws=()) for draw in draws]
    one, other, south = (CampaignSimulator(market, budget, periods) for market in (*each, markets[1]))

    def loss(spend: np.ndarray) -> float:
        first, second = spend[:periods, None], spend[periods:, None]
        return -float(0.5 * (one.plan_value(first) + other.plan_value(first)) + south.plan_value(second))

    known = minimize(
        loss,
        np.full(2 * periods, 40.0),
        bounds=[(least, 150.0) for least in low for _ in range(periods)],
        constraints=[
            {"type": "ineq", "fun": lambda spend: budget - spend.sum()},
            {"type": "ineq", "fun": lambda spend: 120.0 - spend[[0, 1, 4, 5]].sum() if conditions else 1.0},
        ],
        method="SLSQP",
        options={"ftol": 1e-12, "maxiter": 500},
    )
    assert found.value == pytest.approx(-known.fun, rel=1e-5)
    assert -known.fun <= found.upper_bound * (1.0 + 1e-9)
    assert found.budgets[0] == pytest.approx(known.x[:periods].sum(), rel=0.01)


def even(markets: list[Market], budget: float) -> float:
    return sum(plan_optimal(market, budget / len(markets), PERIODS, cap=150.0).value for market in markets)


def holds(found: Groups, budget: float) -> None:
    assert found.budgets.sum() <= budget * (1.0 + 1e-9)
    for plan, money in zip(found.plans, found.budgets, strict=True):
        assert plan.spend.sum() <= money * (1.0 + 1e-9) and np.all((plan.spend >= 0.0) & (plan.spend <= 150.0))
        assert plan.value <= plan.upper_bound + 1e-9 * abs(plan.value)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    budget=st.floats(1.0, 3000.0),
    strengths=st.lists(st.floats(1.0, 2000.0), min_size=1, max_size=4),
    spend_cost=st.sampled_from([0.0, 1.0]),
    data=st.data(),
)
def test_no_division_earns_more_and_even_shares_no_more_than_it(
    budget: float, strengths: list[float], spend_cost: float, data: st.DataObject
) -> None:
    thetas = st.floats(0.0, 0.8)
    markets = [
        Market((replace(TV, beta=beta, theta=data.draw(thetas)), RADIO), tail_periods=2, spend_cost=spend_cost)
        for beta in strengths
    ]
    found = plan_groups(markets, budget, PERIODS)
    holds(found, budget)
    assert found.relative_gap < 1e-4
    assert found.value >= even(markets, budget) - 1e-5 * abs(found.value) - 1e-6


@settings(max_examples=4, deadline=None, derandomize=True)
@given(budget=st.floats(50.0, 3000.0), strengths=st.lists(st.floats(100.0, 2000.0), min_size=2, max_size=3))
def test_s_shaped_groups_are_bounded_and_even_shares_no_better(budget: float, strengths: list[float]) -> None:
    markets = [steep(replace(NORTH, channels=(replace(TV, beta=beta),))) for beta in strengths]
    found = plan_groups(markets, budget, PERIODS)
    holds(found, budget)
    split = even(markets, budget)
    assert found.value >= split * (1.0 - 1e-5) and split <= found.upper_bound * (1.0 + 1e-9)


def test_a_group_that_does_not_pay_gets_its_smallest_spends_and_no_trace_more() -> None:
    idle = replace(SOUTH, channels=(replace(RADIO, beta=1e-6),))
    found = plan_groups([NORTH, idle], 300.0, PERIODS)
    assert found.budgets[1] == 0.0 and not found.plans[1].spend.any()
    found = plan_groups([NORTH, idle], 300.0, PERIODS, low=[0.0, 7.0])
    assert found.budgets[1] == pytest.approx(42.0) and found.plans[1].spend == pytest.approx(7.0)
    # Smallest spends that take the whole budget.
    assert plan_groups([NORTH, idle], 84.0, PERIODS, low=[7.0, 7.0]).budgets == pytest.approx([42.0, 42.0])


def test_what_cannot_be_planned_is_refused() -> None:
    cases = [
        ([], {}, ("at least one market",)),
        ([NORTH, replace(SOUTH, period_days=7.0)], {}, ("periods of one length", "1, 7 days")),
        ([NORTH, SOUTH], {"low": [30.0, 30.0]}, ("smallest spends", "360", "300")),
        ([NORTH, SOUTH], {"tolerance": 2.0}, ("tolerance",)),
        ([NORTH, SOUTH], {"cap": [[1.0, 2.0], 1.0]}, ("low and cap",)),
    ]
    for markets, arguments, said in cases:
        with pytest.raises(ValueError) as error:
            plan_groups(markets, 300.0, PERIODS, **arguments)
        one_line(error, *said)
