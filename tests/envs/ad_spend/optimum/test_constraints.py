from dataclasses import replace
from typing import Any

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, minimize

from sb3_ext.envs.ad_spend import Channel, Market, plan_optimal
from sb3_ext.envs.ad_spend.campaign.simulator import CampaignSimulator
from sb3_ext.envs.ad_spend.optimum.constraints import Condition, Constraints, change, each, share, total
from sb3_ext.envs.ad_spend.optimum.infeasible import Infeasible
from sb3_ext.envs.ad_spend.optimum.objective import Objective
from sb3_ext.envs.ad_spend.optimum.outlook import Outlook

NAMES = ("tv", "radio", "search")


@st.composite
def concave_markets(draw: st.DrawFn, draws: int = 0) -> Market:
    """Markets whose curves cvxpy knows: beta A / (kappa + A)."""
    names = NAMES[: draw(st.integers(1, 3))]

    def channels() -> tuple[Channel, ...]:
        return tuple(
            Channel(
                name,
                beta=draw(st.floats(50.0, 500.0)),
                kappa=draw(st.floats(20.0, 200.0)),
                theta=draw(st.sampled_from([0.0, 0.3, 0.7])),
                initial_adstock=10.0,
            )
            for name in names
        )

    return Market(
        channels(),
        season=tuple(draw(st.lists(st.floats(0.5, 2.0), min_size=1, max_size=3))),
        spend_cost=draw(st.sampled_from([0.0, 0.3])),
        tail_periods=draw(st.integers(0, 2)),
        draws=tuple(channels() for _ in range(draws)),
    )


@st.composite
def conditions(draw: st.DrawFn, shape: tuple[int, int]) -> Condition:
    """One of every kind; amounts are such that some contradict each other."""
    periods, n_channels = shape
    channel = draw(st.integers(0, n_channels - 1))
    money = draw(st.integers(0, 12)) * 15.0
    everywhere = np.ones(shape, dtype=bool)
    own = everywhere & (np.arange(n_channels) == channel)
    first, last = sorted(draw(st.tuples(st.integers(0, periods - 1), st.integers(0, periods - 1))))
    some = (np.arange(periods)[:, None] >= first) & (np.arange(periods)[:, None] <= last)
    match draw(
        st.sampled_from(["most", "least", "exact", "share", "equal share", "each", "booked", "change", "money"])
    ):
        case "most":
            return total("total at most", own, most=money)
        case "least":
            return total("total at least", everywhere & some, least=money)
        case "exact":
            return total("total", own & some, money, money)
        case "share":
            return share("share", own, everywhere, 0.2, draw(st.sampled_from([0.4, 0.7, 1.0])))
        case "equal share":
            return share("equal share", own, everywhere, 0.25, 0.25)
        case "each":
            return each("each", own, 5.0, 25.0, tuple(map(str, range(periods))))
        case "booked":
            return each("booked", own & some, money / 5.0, money / 5.0)
        case "change":
            return change("change", channel, shape, draw(st.sampled_from([0.1, 0.5])), relative=True)
    return change("change", channel, shape, 5.0 + money / 10.0, relative=False)


def cvxpy_optimum(market: Market, budget: float, cap: float, periods: int, given: tuple[Condition, ...]) -> Any:
    """Its problem, and the plan as a variable: the mean over the draws where there are any."""
    spend = cp.Variable((periods, len(market.names)), nonneg=True)
    value = 0.0
    sets = market.draws or (market.channels,)
    for channels in sets:
        for index, channel in enumerate(channels):
            level = channel.initial_adstock
            for period in range(periods + market.tail_periods):
                bought = spend[period, index] if period < periods else 0.0
                level = channel.theta * level + (1.0 - channel.theta) * bought
                factor = market.season[period % len(market.season)] if period < periods else 1.0
                sold = channel.beta * (1.0 - channel.kappa * cp.inv_pos(channel.kappa + level))
                idle = channel.theta ** (period + 1) * channel.initial_adstock
                value += factor * (sold - channel.beta * idle / (channel.kappa + idle)) / len(sets)
    value -= market.spend_cost * cp.sum(spend)
    limits = [spend <= cap, cp.sum(spend) <= budget]
    for condition in given:
        for weights, least, most in zip(condition.weights, condition.least, condition.most, strict=True):
            lines = cp.sum(cp.multiply(weights, spend))
            limits += [lines >= least] if np.isfinite(least) else []
            limits += [lines <= most] if np.isfinite(most) else []
    return cp.Problem(cp.Maximize(value), limits), spend


def broken(spend: np.ndarray, given: tuple[Condition, ...]) -> float:
    """The most money by which a line is broken."""
    sums = [(np.tensordot(each.weights, spend, axes=2), each.least, each.most) for each in given]
    return max((float(np.maximum(least - line, line - most).max()) for line, least, most in sums), default=0.0)


@given(st.data())
@settings(max_examples=15, deadline=None, derandomize=True)
def test_plans_keep_to_conditions_and_agree_with_cvxpy(data: st.DataObject) -> None:
    market = data.draw(concave_markets(data.draw(st.sampled_from([0, 0, 3]))))
    periods = data.draw(st.integers(2, 5))
    shape = (periods, len(market.names))
    given = tuple(data.draw(st.lists(conditions(shape), min_size=1, max_size=3)))
    problem, _ = cvxpy_optimum(market, 100.0, 40.0, periods, given)
    problem.solve(solver=cp.CLARABEL)
    assume(problem.status in ("optimal", "infeasible"))
    arguments: dict[str, Any] = {"cap": 40.0, "constraints": Constraints(given), "draws": bool(market.draws)}
    if problem.status == "infeasible":
        with pytest.raises(Infeasible, match="contradict each other by"):
            plan_optimal(market, 100.0, periods, **arguments)
        return
    plan = plan_optimal(market, 100.0, periods, **arguments)
    assert broken(plan.spend, given) <= 1e-6
    assert np.all(plan.spend >= 0.0) and np.all(plan.spend <= 40.0) and plan.spend.sum() <= 100.0 + 1e-6
    scale = 1.0 + abs(problem.value)
    assert plan.value == pytest.approx(problem.value, abs=1e-4 * scale)
    assert problem.value <= plan.upper_bound + 1e-6 * scale
    assert plan.upper_bound - plan.value <= 1e-5 * scale


def small_market(**changes: Any) -> Market:
    channels = (
        Channel("tv", 300.0, 60.0, theta=0.4, initial_adstock=0.0),
        Channel("radio", 200.0, 50.0, initial_adstock=0.0),
    )
    return replace(Market(channels, tail_periods=2), **changes)


def mask(channel: int, periods: int = 4) -> np.ndarray:
    return np.ones((periods, 2), dtype=bool) & (np.arange(2) == channel)


def test_contradictions_are_named_with_what_is_missing() -> None:
    harmless = total("radio at most 50", mask(1), most=50.0)
    much = total("tv at least 130", mask(0), least=130.0)
    with pytest.raises(Infeasible) as error:
        plan_optimal(small_market(), 100.0, 4, constraints=Constraints((harmless, much)))
    assert error.value.conditions == ("tv at least 130", "the budget of 100.00")
    assert error.value.missing == pytest.approx(30.0)
    dates = tuple(f"2027-01-{day:02d}" for day in (4, 11, 18, 25))
    booked = each("tv is booked at 30", mask(0) & (np.arange(4)[:, None] < 3), 30.0, 30.0, dates)
    slow = change("tv changes by at most 5", 0, (4, 2), 5.0, relative=False, when=dates)
    dark = each("tv is dark", mask(0) & (np.arange(4)[:, None] == 3), 0.0, 0.0, dates)
    with pytest.raises(Infeasible) as error:
        plan_optimal(small_market(), 200.0, 4, constraints=Constraints((harmless, booked, slow, dark)))
    assert error.value.conditions == (
        "tv is booked at 30 (2027-01-18)",
        "tv changes by at most 5 (2027-01-25)",
        "tv is dark (2027-01-25)",
    )
    assert error.value.missing == pytest.approx(25.0)


@given(st.data())
@settings(max_examples=15, deadline=None, derandomize=True)
def test_what_is_named_contradicts_and_none_can_be_left_out(data: st.DataObject) -> None:
    given = tuple(
        replace(condition, name=f"{number}")
        for number, condition in enumerate(data.draw(st.lists(conditions((3, 2)), min_size=2, max_size=6)))
    )
    # Neither bounds nor budget play a part.
    loose: dict[str, Any] = {"market": small_market(), "budget": 1e4, "periods": 3, "cap": 1e3, "tolerance": 0.1}
    try:
        plan_optimal(**loose, constraints=Constraints(given))
    except Infeasible as error:
        named = [one for one in given if one.name in {name.split(" ")[0] for name in error.conditions}]
        assert error.missing > 0.0 and len(named) == len(error.conditions)
        with pytest.raises(Infeasible):
            plan_optimal(**loose, constraints=Constraints(tuple(named)))
        for left_out in named:
            plan_optimal(**loose, constraints=Constraints(tuple(one for one in named if one is not left_out)))


def test_prices_say_what_more_of_a_condition_earns() -> None:
    def best(most: float, budget: float) -> Any:
        given = Constraints((total("tv in total", mask(0), most=most), total("loose", mask(1), most=1e3)))
        return plan_optimal(small_market(), budget, 4, constraints=given, tolerance=1e-9)

    plan = best(40.0, 100.0)
    assert plan.prices["tv in total"] == pytest.approx((best(40.5, 100.0).value - best(39.5, 100.0).value), rel=1e-2)
    price = plan.prices["the budget of 100.00"]
    assert price == pytest.approx((best(40.0, 100.5).value - best(40.0, 99.5).value), rel=1e-2)
    assert plan.prices["loose"] == pytest.approx(0.0, abs=1e-6)

    def floored(least: float) -> Any:
        given = Constraints((total("tv at least", mask(0), least),))
        return plan_optimal(small_market(), 100.0, 4, constraints=given, tolerance=1e-9)

    # More of what is more than enough loses.
    assert floored(90.0).prices["tv at least"] < 0.0
    slope = floored(90.5).value - floored(89.5).value
    assert floored(90.0).prices["tv at least"] == pytest.approx(slope, rel=1e-2)


def test_dates_on_which_several_spends_contradict_are_named_once() -> None:
    much = each("all", np.ones((4, 2), dtype=bool), 50.0, np.inf, ["Mon", "Tue", "Wed", "Thu"])
    with pytest.raises(Infeasible) as error:
        plan_optimal(small_market(), 310.0, 4, constraints=Constraints((much,)))
    assert "all (Mon, Tue, Wed and 1 more)" in error.value.conditions


def test_a_least_share_costs_what_a_least_amount_does() -> None:
    def price(condition: Condition) -> float:
        plan = plan_optimal(small_market(), 100.0, 4, constraints=Constraints((condition,)), tolerance=1e-9)
        return plan.prices[condition.name]

    everywhere = np.ones((4, 2), dtype=bool)
    amount = price(total("tv", mask(0), 90.0))
    assert amount < 0.0
    assert price(share("tv", mask(0), everywhere, 0.9)) == pytest.approx(amount, rel=1e-3)
    assert price(share("radio", mask(1), everywhere, 0.0, 0.1)) == pytest.approx(-amount, rel=1e-3)


def test_conditions_of_one_name_have_one_price() -> None:
    def prices(*names: str) -> Any:
        given = tuple(change(name, channel, (4, 2), 1.0, relative=False) for channel, name in enumerate(names))
        market = small_market(season=(0.5, 1.5))
        return plan_optimal(market, 100.0, 4, constraints=Constraints(given), tolerance=1e-9).prices

    apart = prices("tv", "radio")
    assert min(apart["tv"], apart["radio"]) > 0.01
    assert prices("change", "change")["change"] == pytest.approx(apart["tv"] + apart["radio"], rel=1e-6)


@pytest.mark.parametrize(("tv", "radio", "budget"), [(25.0, 30.0, 80.0), (33.0, 38.0, 60.0)])
def test_smallest_buys_against_trying_all(tv: float, radio: float, budget: float) -> None:
    market, buy = small_market(), np.array([tv, radio])
    plan = plan_optimal(market, budget, 3, cap=40.0, constraints=Constraints(smallest_buy=buy), tolerance=1e-4)
    on = plan.spend > 0.0
    assert np.all(plan.spend[on] >= np.broadcast_to(buy, (3, 2))[on] - 1e-6)
    assert plan.spend.sum() <= budget + 1e-6
    assert plan.value == pytest.approx(CampaignSimulator(market, budget, 3).plan_value(plan.spend))
    best = 0.0
    for pattern in np.ndindex(*(2,) * 6):
        chosen = np.reshape(pattern, (3, 2)) == 1
        low = np.where(chosen, buy, 0.0)
        if low.sum() < budget:
            fixed = each("off", ~chosen, 0.0, 0.0)
            here = plan_optimal(market, budget, 3, low=low, cap=40.0, constraints=Constraints((fixed,)))
            best = max(best, here.value)
    assert best <= plan.upper_bound * (1.0 + 1e-6)
    assert plan.value >= best * (1.0 - 5e-3)


def test_s_shaped_curves_keep_to_conditions_below_their_bound() -> None:
    channels = tuple(replace(channel, alpha=3.0) for channel in small_market().channels)
    given = (total("tv", mask(0, 6), 30.0, 60.0), change("radio", 1, (6, 2), 20.0, relative=False))
    plan = plan_optimal(small_market(channels=channels), 150.0, 6, cap=60.0, constraints=Constraints(given))
    assert broken(plan.spend, given) <= 1e-6
    assert 0.0 < plan.value <= plan.upper_bound
    free = plan_optimal(small_market(channels=channels), 150.0, 6, cap=60.0)
    assert plan.value <= free.upper_bound


@pytest.mark.parametrize("seed", [100, 110])
def test_s_shaped_plans_under_conditions_are_as_good_as_those_of_many_starts(seed: int) -> None:
    """Markets in which pulses and the plan of the envelopes alone lead to plans that are 2 % and 6 % worse."""
    rng, periods = np.random.default_rng(seed), 6
    n_channels = int(rng.integers(2, 4))
    channels = tuple(
        Channel(
            f"channel {number}",
            beta=float(rng.uniform(200.0, 1000.0)),
            kappa=float(rng.uniform(50.0, 250.0)),
            alpha=float(rng.uniform(1.5, 4.0)),
            theta=float(rng.choice([0.0, 0.3, 0.6])),
            cap=150.0,
        )
        for number in range(n_channels)
    )
    market, budget, shape = Market(channels, tail_periods=3), float(rng.uniform(100.0, 900.0)), (periods, n_channels)
    everywhere, given = np.ones(shape, dtype=bool), []
    if rng.random() < 0.6:
        given.append(change("change", 0, shape, float(rng.uniform(15.0, 60.0)), relative=False))
    if rng.random() < 0.6:
        given.append(share("share", everywhere & (np.arange(n_channels) == 1), everywhere, 0.2, 0.6))
    if rng.random() < 0.6:
        early = everywhere & (np.arange(periods) < 3)[:, None]
        given.append(total("early", early, 0.2 * budget, 0.5 * budget))
    plan = plan_optimal(market, budget, periods, constraints=Constraints(tuple(given)))
    assert broken(plan.spend, given) <= 1e-5 * budget
    size = everywhere.size
    lines = np.concatenate([*(one.weights.reshape(-1, size) for one in given), np.ones((1, size))])
    least = np.concatenate([*(one.least for one in given), [-np.inf]])
    most = np.concatenate([*(one.most for one in given), [budget]])
    objective = Objective(market, Outlook.of_campaign(market, periods))
    best = 0.0
    for _ in range(12):
        found = minimize(
            lambda spend: -float(objective.gain(spend.reshape(shape).T)),
            np.minimum(rng.dirichlet(np.full(size, 0.3)) * budget, 150.0),
            jac=lambda spend: -objective.gradient(spend.reshape(shape).T).T.ravel(),
            bounds=[(0.0, 150.0)] * size,
            constraints=LinearConstraint(lines, least, most),
            method="SLSQP",
            options={"maxiter": 300, "ftol": 1e-9},
        )
        if np.all(lines @ found.x <= most + 1e-5 * budget) and np.all(lines @ found.x >= least - 1e-5 * budget):
            best = max(best, -found.fun)
    assert best > 0.0 and plan.value >= 0.998 * best
    assert plan.value <= plan.upper_bound


def test_mistakes() -> None:
    market = small_market()
    for wrong, message in (
        (Constraints((total("x", mask(0, 3), most=1.0),)), "x: weights must be of 4 periods and 2 channels"),
        (Constraints(smallest_buy=np.array([1.0, 2.0, 3.0])), "smallest_buy must be 2 amounts"),
        (Constraints(smallest_buy=np.array([1.0, -2.0])), "smallest_buy must be 2 amounts"),
    ):
        with pytest.raises(ValueError, match=message):
            plan_optimal(market, 100.0, 4, constraints=wrong)
    with pytest.raises(ValueError, match="needs a market with draws"):
        plan_optimal(market, 100.0, 4, draws=True)
    with pytest.raises(ValueError, match="risk must be"):
        plan_optimal(replace(market, draws=(market.channels,)), 100.0, 4, risk=0.0)
    with pytest.raises(ValueError, match="up to 2000 spends"):
        plan_optimal(market, 100.0, 1001, constraints=Constraints())
