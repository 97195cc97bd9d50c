"""Plans are feasible and certified: no plan earns more than the bound, and no other method finds a better one."""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from ad_spend_strategies import feasible_plans, one_line
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from plan_problems import assert_feasible, money_scale, polytope_of, problems, scipy_optimum, value_of
from scipy.optimize import brentq

from sb3_ext.envs.ad_spend import Channel, Market, plan_optimal
from sb3_ext.envs.ad_spend.campaign.simulator import CampaignSimulator
from sb3_ext.envs.ad_spend.market.presets import BUDGET, PERIODS, PRESETS
from sb3_ext.envs.ad_spend.market.sales_function import SalesFunctionMarket

CONCAVE = [name for name, preset in PRESETS.items() if preset().is_concave]

# The facebook channel of Robyn's demo model: alpha 2.99, inflexion point 9 442, weekly.
FACEBOOK = Channel(
    "facebook_S",
    beta=368248.5235131345,
    kappa=9442.27807 * (1 - 0.03797674341),
    alpha=2.9891167988,
    theta=0.03797674341,
    historical_mean=2127.8854903959614,
    cap=13900.6192339616,
)


@pytest.mark.parametrize("preset", CONCAVE)
def test_presets_are_solved_with_a_certificate(preset: str) -> None:
    market = PRESETS[preset]()
    problem = {
        "market": market,
        "budget": BUDGET,
        "periods": PERIODS,
        "low": np.zeros(2),
        "cap": np.full(2, 4 * BUDGET / 56),
    }
    plan = plan_optimal(market, BUDGET, PERIODS)
    assert 0.0 <= plan.relative_gap <= 1e-6
    assert plan.relative_gap == pytest.approx((plan.upper_bound - plan.value) / plan.value)
    assert plan.value == pytest.approx(value_of(problem, plan.spend), rel=1e-12)
    assert_feasible(plan, problem)


@pytest.mark.parametrize("preset", CONCAVE)
def test_presets_agree_with_scipy(preset: str) -> None:
    problem = {
        "market": PRESETS[preset](),
        "budget": 20_000.0,
        "periods": 6,
        "low": np.zeros(2),
        "cap": np.full(2, 4000.0),
    }
    plan = plan_optimal(**problem)
    reached = scipy_optimum(problem, np.full((6, 2), 1000.0))
    # SciPy stops below the optimum, how far depends on the processor: the plan may be better, but must really earn that
    assert plan.value >= reached * (1 - 1e-5)
    assert plan.value == pytest.approx(value_of(problem, plan.spend), rel=1e-12)
    assert reached <= plan.upper_bound * (1 + 1e-12)


def test_static_optimum_by_hand() -> None:
    """Equal marginal returns: beta kappa / (kappa + x)^2 is the same on both channels, and the money is used up."""
    plan = plan_optimal(PRESETS["static"](), BUDGET, PERIODS, tolerance=1e-9)
    ratio = np.sqrt(9000 * 3000 / (6000 * 1500))
    instagram = (BUDGET / PERIODS + 3000 - ratio * 1500) / (1 + ratio)
    even = np.tile([BUDGET / PERIODS - instagram, instagram], (PERIODS, 1))
    np.testing.assert_allclose(plan.spend, even, rtol=1e-3)
    assert plan.value == pytest.approx(
        CampaignSimulator(PRESETS["static"](), BUDGET, PERIODS).plan_value(even), rel=1e-8
    )


def test_static_logistic_optimum_by_hand() -> None:
    """
    The marginal returns ``beta lam 2 e / (1 + e)**2`` with ``e = exp(-lam x)`` are equal, found by bisection on the
    split; one of the channels is Hill.
    """
    market = Market((Channel("a", 9000.0, 3000.0, saturation="logistic"), Channel("b", 6000.0, 1500.0)), tail_periods=0)
    plan = plan_optimal(market, 28_000.0, 10, tolerance=1e-9)
    lam = np.log(3.0) / 3000.0

    def excess(x: float) -> float:
        left = np.exp(-lam * x)
        return float(9000 * lam * 2 * left / (1 + left) ** 2 - 6000 * 1500 / (1500 + 2800 - x) ** 2)

    logistic = brentq(excess, 0.0, 2800.0)
    np.testing.assert_allclose(plan.spend, np.tile([logistic, 2800 - logistic], (10, 1)), rtol=1e-3)
    value = 9000 * np.tanh(lam * logistic / 2) + 6000 * (2800 - logistic) / (4300 - logistic)
    assert plan.value == pytest.approx(10 * value, rel=1e-8)
    assert plan.relative_gap <= 1e-9


def test_spending_stops_where_it_no_longer_pays() -> None:
    """beta kappa / (kappa + x)^2 = spend_cost at x = 10, although the budget would allow 25."""
    market = Market((Channel("a", beta=80.0, kappa=10.0),), spend_cost=2.0)
    plan = plan_optimal(market, budget=100.0, periods=4, tolerance=1e-9)
    np.testing.assert_allclose(plan.spend, np.full((4, 1), 10.0), rtol=1e-3)
    assert plan.value == pytest.approx(4 * (40.0 - 20.0), rel=1e-8)


def test_nothing_is_spent_where_nothing_pays() -> None:
    for market in (
        Market((Channel("a", beta=10.0, kappa=10.0, theta=0.5, historical_mean=3.0),), spend_cost=1.0),
        Market((Channel("a", beta=0.0, kappa=10.0),)),
        Market((Channel("a", beta=1.0, kappa=10.0, alpha=3.0),), spend_cost=1.0),
    ):
        plan = plan_optimal(market, budget=100.0, periods=4)
        np.testing.assert_array_equal(plan.spend, np.zeros((4, 1)))
        assert plan.value == 0.0
        assert 0.0 <= plan.relative_gap <= 1e-6


@given(problems(alpha=(0.3, 1.0)), st.integers(0, 2**20))
@settings(max_examples=40, deadline=None)
def test_concave_markets_are_certified(problem: dict[str, Any], seed: int) -> None:
    plan = plan_optimal(**problem)
    assert_feasible(plan, problem)
    scale = money_scale(problem)
    assert plan.value == pytest.approx(value_of(problem, plan.spend), abs=1e-12 * scale)
    # Relative to the value, but no finer than rounding allows where profits and costs cancel out.
    assert -1e-12 * scale <= plan.upper_bound - plan.value <= max(1e-4 * abs(plan.value), 1e-9 * scale)
    plans = feasible_plans(
        np.random.default_rng(seed), 60, problem["low"], problem["cap"], problem["budget"], problem["periods"]
    )
    assert max(value_of(problem, spend) for spend in plans) <= plan.upper_bound + 1e-12 * scale


@given(problems(alpha=(0.3, 1.0)))
@settings(max_examples=12, deadline=None)
def test_random_concave_markets_agree_with_scipy(problem: dict[str, Any]) -> None:
    assume(problem["periods"] * len(problem["market"].names) <= 12)
    plan = plan_optimal(**problem)
    reached = scipy_optimum(problem, polytope_of(problem).center().T, plan.spend)
    scale = money_scale(problem)
    assert reached <= plan.upper_bound + 1e-12 * scale
    assert plan.value >= reached - max(1e-5 * abs(reached), 1e-9 * scale)


@pytest.mark.parametrize("preset", PRESETS)
def test_no_random_plan_beats_the_bound(preset: str) -> None:
    market = PRESETS[preset]()
    plan = plan_optimal(market, BUDGET, PERIODS)
    campaign = CampaignSimulator(market, BUDGET, PERIODS, num_envs=1000)
    cap = market.spend_caps(BUDGET, PERIODS)
    rng = np.random.default_rng(0)
    spends = np.array(feasible_plans(rng, 900, np.zeros(2), cap, BUDGET, PERIODS))
    near = np.minimum(plan.spend * rng.uniform(0.9, 1.1, (100, PERIODS, 2)), cap)
    spends = np.concatenate([spends, near * np.minimum(1.0, BUDGET / near.sum(axis=(1, 2)))[:, None, None]])
    values = np.zeros(1000)
    for t in range(PERIODS):
        step = campaign.step(spends[:, t])
        values += step.value + step.tail
    assert values.max() <= plan.upper_bound
    assert values[-100:].max() > 0.95 * plan.value


@pytest.mark.parametrize("alphas", [(1.0, 1.0), (0.4, 0.8), (3.0, 0.5), (2.0, 4.0)])
@pytest.mark.parametrize(("periods", "n_channels", "points"), [(2, 1, 401), (1, 2, 401), (2, 2, 26)])
def test_brute_force(periods: int, n_channels: int, points: int, alphas: tuple[float, float]) -> None:
    channels = (
        Channel("a", beta=100.0, kappa=20.0, alpha=alphas[0], theta=0.4, historical_mean=5.0),
        Channel("b", beta=70.0, kappa=12.0, alpha=alphas[1]),
    )[:n_channels]
    market = Market(channels, season=(1.0, 1.6), margin=0.9, spend_cost=0.5, tail_periods=3)
    cap = np.array([50.0, 30.0])[:n_channels]
    problem = {"market": market, "budget": 60.0, "periods": periods, "low": np.zeros(n_channels), "cap": cap}
    axes = [np.linspace(0.0, cap[i % n_channels], points) for i in range(periods * n_channels)]
    grid = np.array(list(product(*axes))).reshape(-1, periods, n_channels)
    grid = grid[grid.sum(axis=(1, 2)) <= 60.0]
    campaign = CampaignSimulator(market, 60.0, periods, num_envs=len(grid))
    steps = [campaign.step(grid[:, t]) for t in range(periods)]
    best = float(sum(step.value + step.tail for step in steps).max())
    plan = plan_optimal(**problem)
    assert best <= plan.upper_bound
    assert plan.value >= best - 1e-4 * abs(best)
    if market.is_concave:
        assert plan.value <= best * 1.01


@given(problems(alpha=(1.2, 4.0)), st.integers(0, 2**20))
@settings(max_examples=12, deadline=None)
def test_s_shaped_markets_are_bounded(problem: dict[str, Any], seed: int) -> None:
    plan = plan_optimal(**problem)
    assert_feasible(plan, problem)
    scale = money_scale(problem)
    assert plan.value == pytest.approx(value_of(problem, plan.spend), abs=1e-12 * scale)
    plans = feasible_plans(
        np.random.default_rng(seed), 60, problem["low"], problem["cap"], problem["budget"], problem["periods"]
    )
    assert max(value_of(problem, spend) for spend in plans) <= plan.upper_bound + 1e-9 * scale
    assert plan.value <= plan.upper_bound + 1e-9 * scale
    even = polytope_of(problem).even().T
    # Where no curve drawn is S-shaped the plan is best up to its tolerance.
    slack = 1e-9 * scale + (1e-6 * abs(plan.value) if problem["market"].is_concave else 0.0)
    assert plan.value >= value_of(problem, even) - slack
    assert plan.value >= value_of(problem, np.broadcast_to(problem["low"], even.shape)) - slack


def test_pulsing_beats_even_spend_on_robyns_facebook_curve() -> None:
    """26 weeks at the historical mean earn about 122 920; the same money in five weeks nearly ten times as much."""
    market = Market((replace(FACEBOOK, historical_mean=0.0),), period_days=7.0, tail_periods=4)
    budget = 26 * FACEBOOK.historical_mean
    campaign = CampaignSimulator(market, budget, 26)
    assert campaign.plan_value(np.full((26, 1), FACEBOOK.historical_mean)) == pytest.approx(122_920, rel=1e-3)
    plan = plan_optimal(market, budget, 26)
    assert 1_165_167 <= plan.value <= plan.upper_bound
    assert plan.relative_gap < 0.02
    assert np.sum(plan.spend > 1000.0) == 5


def test_tolerance_is_kept() -> None:
    for tolerance in (1e-2, 1e-4, 1e-8):
        assert plan_optimal(PRESETS["adstock"](), BUDGET, PERIODS, tolerance=tolerance).relative_gap <= tolerance


def test_scaling_all_money_scales_the_plan() -> None:
    market = PRESETS["profit"]()
    cents = replace(
        market,
        channels=tuple(
            replace(c, beta=1e6 * c.beta, kappa=1e6 * c.kappa, historical_mean=1e6 * c.historical_mean)
            for c in market.channels
        ),
    )
    plan, scaled = plan_optimal(market, BUDGET, PERIODS), plan_optimal(cents, 1e6 * BUDGET, PERIODS)
    assert scaled.value == pytest.approx(1e6 * plan.value, rel=1e-6)
    assert scaled.relative_gap <= 1e-6


def test_longer_and_wider_campaigns_are_certified_too() -> None:
    rng = np.random.default_rng(1)
    channels = tuple(
        Channel(f"{i}", beta=rng.uniform(1e3, 1e4), kappa=rng.uniform(500, 5e3), theta=rng.uniform(0, 0.9))
        for i in range(8)
    )
    assert plan_optimal(Market(channels), 1e6, 90).relative_gap <= 1e-6


@pytest.mark.parametrize("alpha", [0.7, 1.0, 3.0])
def test_a_fixed_channel_leaves_the_others_their_own_problem(alpha: float) -> None:
    """Channels share nothing but the budget: the plan is that of the others with the money left."""
    free = tuple(Channel(name, 100.0, 15.0, alpha=alpha, theta=0.4, historical_mean=9.0) for name in "ab")
    fixed = Channel("c", 60.0, 10.0, alpha=alpha, theta=0.3)
    plan = plan_optimal(Market((*free, fixed)), 150.0, 5, low=[0.0, 0.0, 7.0], cap=[30.0, 20.0, 7.0])
    np.testing.assert_array_equal(plan.spend[:, 2], 7.0)
    alone = CampaignSimulator(Market((fixed,)), 150.0, 5).plan_value(np.full((5, 1), 7.0))
    rest = plan_optimal(Market(free), 150.0 - 35.0, 5, cap=[30.0, 20.0])
    assert plan.value == pytest.approx(rest.value + alone, rel=1e-5)
    assert plan.value <= plan.upper_bound and rest.value + alone <= plan.upper_bound * (1 + 1e-9)
    assert plan.spend.sum() <= 150.0 * (1 + 1e-12)


@pytest.mark.parametrize("alpha", [0.7, 3.0])
def test_smallest_spends_may_take_the_whole_budget(alpha: float) -> None:
    """In sums that floating point numbers miss by their last digit: 0.1 + 0.2 three times."""
    channels = tuple(Channel(name, 100.0, 1.0, alpha=alpha, theta=0.4) for name in "ab")
    low = np.array([0.1, 0.2])
    plan = plan_optimal(Market(channels), 0.9, 3, low=low, cap=5.0)
    np.testing.assert_array_equal(plan.spend, np.tile(low, (3, 1)))
    assert plan.relative_gap == 0.0
    assert plan.value == pytest.approx(CampaignSimulator(Market(channels), 1.0, 3).plan_value(plan.spend))
    with pytest.raises(ValueError) as error:
        plan_optimal(Market(channels), 0.89, 3, low=low, cap=5.0)
    one_line(error, "0.9", "0.89")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"budget": np.nan}, ["budget", "nan"]),
        ({"budget": -1.0}, ["budget", "-1.0"]),
        ({"budget": True}, ["budget", "True"]),
        ({"periods": 0}, ["periods", "0"]),
        ({"periods": 2.5}, ["periods", "2.5"]),
        ({"periods": "2"}, ["periods", "'2'"]),
        ({"tolerance": 0.0}, ["tolerance", "0.0"]),
        ({"tolerance": 1.0}, ["tolerance", "1.0"]),
        ({"low": -1.0}, ["low", "-1.0"]),
        ({"low": np.nan}, ["low", "nan"]),
        ({"cap": np.inf}, ["cap", "inf"]),
        ({"low": 5.0, "cap": 4.0}, ["low <= cap", "5.0", "4.0"]),
        ({"cap": 0.0}, ["cap > 0", "0.0"]),
        ({"low": 30.0, "cap": 60.0}, ["240", "100"]),
        ({"low": np.zeros(3)}, ["low", "2"]),
        ({"cap": [1.0, 2.0, 3.0]}, ["cap", "2"]),
        ({"cap": "much"}, ["cap", "much"]),
        ({"market": "static"}, ["Market", "str"]),
        ({"market": SalesFunctionMarket(np.sum, ("a",))}, ["Market", "SalesFunctionMarket"]),
    ],
)
def test_errors(arguments: dict[str, Any], said: list[str]) -> None:
    with pytest.raises(ValueError) as error:
        plan_optimal(**{"market": PRESETS["static"](), "budget": 100.0, "periods": 4, **arguments})
    one_line(error, *said)
