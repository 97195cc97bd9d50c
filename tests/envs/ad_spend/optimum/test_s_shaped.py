from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from ad_spend_strategies import feasible_plans, markets
from hypothesis import given, settings
from hypothesis import strategies as st

from sb3_ext.envs.ad_spend import Channel, Market, plan_optimal
from sb3_ext.envs.ad_spend.optimum.channel_problem import channel_problems
from sb3_ext.envs.ad_spend.optimum.lagrangian_bound import _PricedChannel, _Windows, lagrangian_bound
from sb3_ext.envs.ad_spend.optimum.objective import Objective
from sb3_ext.envs.ad_spend.optimum.outlook import Outlook
from sb3_ext.envs.ad_spend.optimum.pulses import _MONEY_CELLS, _choose, _Options, _Pulses, pulse_plans


def value_of(market: Market, outlook: Outlook, plan: np.ndarray) -> float:
    """Margin of the sales less the costs of spending, tail included, step by step; of a plan (N, T)."""
    adstock, value = outlook.adstock, -market.spend_cost * plan.sum()
    tail = np.tile(market.spend_afterwards[:, None], outlook.demand.shape[1] - plan.shape[1])
    media = np.concatenate([plan * outlook.media, tail], axis=1)
    for bought, demand in zip(media.T, outlook.demand.T, strict=True):
        adstock = market.theta * adstock + (1 - market.theta) * bought
        value += market.margin * (demand * market.response(adstock)).sum()
    return float(value)


@st.composite
def campaigns(draw: st.DrawFn, most_periods: int = 8, max_channels: int = 3) -> tuple[Market, Outlook, Any, Any, float]:
    """A market, an outlook with prices, demand and adstock of its own, bounds (N, T), and a budget."""
    market = draw(markets((0.4, 4.0), max_channels=max_channels, windows=False))
    periods, n_channels = draw(st.integers(1, most_periods)), len(market.names)
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    spread = draw(st.sampled_from([0.0, 0.5]))
    expected = Outlook.of_campaign(market, periods)
    outlook = replace(
        expected,
        adstock=expected.adstock * rng.uniform(0.0, 2.0),
        media=np.exp(spread * rng.normal(size=expected.media.shape)),
        demand=expected.demand * np.exp(spread * rng.normal(size=expected.demand.shape)),
    )
    cap = rng.uniform(20.0, 200.0, size=(n_channels, 1)) * np.exp(spread * rng.normal(size=(n_channels, periods)))
    low = cap * draw(st.sampled_from([0.0, 0.0, 0.1]))
    budget = float(low.sum() + draw(st.floats(0.02, 1.2)) * (cap - low).sum())
    return market, outlook, low, cap, budget


def scale_of(market: Market, outlook: Outlook, budget: float) -> float:
    return float(market.margin * (outlook.demand.T * market.beta).sum() + market.spend_cost * budget) + 1e-9


@given(campaigns())
@settings(max_examples=60, deadline=None)
def test_pulse_plans_are_feasible(campaign: tuple[Market, Outlook, Any, Any, float]) -> None:
    market, outlook, low, cap, budget = campaign
    plans = pulse_plans(channel_problems(market, outlook, low, cap), budget)
    assert plans
    for plan in plans:
        assert plan.shape == cap.shape
        assert np.all(plan >= low) and np.all(plan <= cap * (1 + 1e-12))
        assert plan.sum() <= budget * (1 + 1e-9)


@given(campaigns(), st.integers(0, 2**20), st.floats(0.0, 3.0))
@settings(max_examples=60, deadline=None)
def test_no_plan_beats_the_bound_at_any_price(
    campaign: tuple[Market, Outlook, Any, Any, float], seed: int, price: float
) -> None:
    market, outlook, low, cap, budget = campaign
    n_channels, periods = cap.shape
    rng = np.random.default_rng(seed)
    shares = feasible_plans(rng, 30, np.zeros(n_channels), np.ones(n_channels), 1e9, periods)
    plans = [low + (cap - low) * share.T for share in shares]
    plans = [low + (plan - low) * min(1.0, (budget - low.sum()) / max((plan - low).sum(), 1e-9)) for plan in plans]
    channels = channel_problems(market, outlook, low, cap)
    plans += pulse_plans(channels, budget)
    best = max(value_of(market, outlook, plan) for plan in plans)
    rounding = 1e-9 * scale_of(market, outlook, budget)
    for cells in (20, 300):
        priced = [_PricedChannel(channel, cells) for channel in channels]
        assert best <= price * budget + sum(channel.bound(price) for channel in priced) + rounding
    assert best <= lagrangian_bound(channels, budget, 5.0) + rounding


def test_bound_of_concave_markets_is_the_optimum() -> None:
    """There is no duality gap: what is left is the width of the cells, and more cells leave less."""
    market = Market(
        (
            Channel("a", beta=100.0, kappa=20.0, theta=0.6, historical_mean=10.0),
            Channel("b", beta=80.0, kappa=9.0, alpha=0.7, theta=0.2),
        ),
        season=(1.0, 1.5, 0.8),
        spend_cost=0.3,
        tail_periods=4,
    )
    plan = plan_optimal(market, 150.0, 9, cap=30.0, tolerance=1e-9)
    outlook = Outlook.of_campaign(market, 9)
    bounds = np.broadcast_to([0.0, 30.0], (2, 9, 2)).transpose(2, 0, 1)
    channels = channel_problems(market, outlook, *bounds)
    bound = lagrangian_bound(channels, 150.0, plan.value / 150.0) - value_of(market, outlook, np.zeros((2, 9)))
    assert plan.value <= bound <= plan.value * 1.002


def test_bound_without_carry_over_is_the_concave_envelope() -> None:
    """Of equal periods: pulses at the tangent point ``kappa * (alpha - 1)**(1 / alpha)``, fractions of one included."""
    market = Market((Channel("a", beta=100.0, kappa=20.0, alpha=3.0),))
    tangent = 20.0 * 2.0 ** (1 / 3)
    channels = channel_problems(market, Outlook.of_campaign(market, 10), np.zeros((1, 10)), np.full((1, 10), 60.0))
    slope = 100.0 * (2 / 3) / tangent
    for budget in (100.0, 4 * tangent, 6.5 * tangent):
        bound = lagrangian_bound(channels, budget, 1.2 * slope)
        assert budget * slope <= bound <= 1.002 * budget * slope


@pytest.mark.parametrize("budget", [11.0, 30.0, 47.0, 90.0])
def test_separable_markets_by_brute_force(budget: float) -> None:
    """Without carry-over spends trade off by period alone: every channel's best value of ``b`` is tabulated exactly."""
    market = Market(
        (
            Channel("a", beta=100.0, kappa=20.0, alpha=3.0),
            Channel("b", beta=60.0, kappa=8.0, alpha=2.0),
            Channel("c", beta=30.0, kappa=15.0, alpha=0.8),
        ),
        tail_periods=0,
    )
    periods, caps, cells = 4, np.array([40.0, 25.0, 30.0]), 400
    money = np.linspace(0.0, budget, cells + 1)
    best = np.zeros(cells + 1)
    for channel in range(3):
        for _ in range(periods):
            spends = money[money <= caps[channel]]
            sales = market.response(spends[:, None] * np.eye(3)[channel]).sum(axis=-1)
            options = np.full((len(spends), cells + 1), -np.inf)
            for spent, sold in enumerate(sales):
                options[spent, spent:] = best[: cells + 1 - spent] + sold
            best = options.max(axis=0)
    plan = plan_optimal(market, budget, periods, cap=caps)
    assert plan.value >= best[-1] * (1 - 1e-6)
    assert plan.upper_bound >= best[-1]
    # The grid of the brute force costs it little.
    assert plan.value <= best[-1] * 1.005
    outlook = Outlook.of_campaign(market, periods)
    pulses = pulse_plans(channel_problems(market, outlook, np.zeros((3, 4)), np.tile(caps[:, None], 4)), budget)
    assert max(value_of(market, outlook, pulse) for pulse in pulses) >= 0.97 * best[-1]


def test_gap_is_that_of_whole_pulses() -> None:
    """Where the money is enough for whole pulses at the tangent point the bound is reached, between them it is not."""
    market = Market((Channel("a", beta=100.0, kappa=20.0, alpha=3.0),))
    tangent = 20.0 * 2.0 ** (1 / 3)
    gaps = []
    for pulses in (1, 1.5, 2, 2.5, 7, 7.5, 20, 20.5):
        plan = plan_optimal(market, pulses * tangent, 24, cap=60.0)
        whole = max(
            count * float(market.response(np.array([pulses * tangent / count]))[0])
            for count in (np.floor(pulses), np.ceil(pulses))
        )
        assert plan.value == pytest.approx(whole, rel=1e-4)
        gaps.append(plan.relative_gap)
    assert max(gaps[::2]) < 1e-3
    assert all(gap > 1e-3 for gap in gaps[1:4:2])
    assert gaps[1] > gaps[3] > gaps[5]


@pytest.mark.parametrize("theta", [0.0, 0.3, 0.8])
def test_pulses_are_sent_at_the_best_times(theta: float) -> None:
    """All patterns of one level, by brute force."""
    market = Market(
        (Channel("a", beta=100.0, kappa=15.0, alpha=3.0, theta=theta, historical_mean=12.0),),
        season=(1.0, 0.6, 1.7, 1.2, 0.5),
        tail_periods=3,
    )
    outlook = Outlook.of_campaign(market, 9)
    low, cap = np.full((1, 9), 2.0), np.full((1, 9), 60.0)
    table = _Pulses(channel_problems(market, outlook, low, cap)[0], cell=0.05)
    patterns = np.array(list(product([0, 1], repeat=9)))
    for option in range(0, len(table.options.cost), 5):
        level, count = table.levels[table.options.level[option]], table.options.pulses[option]
        allowed = patterns[patterns.sum(axis=1) <= count]
        best = max(value_of(market, outlook, 2.0 + level * pattern[None]) for pattern in allowed)
        plan = table.spend(option)
        assert plan.sum() - 18.0 <= count * level * (1 + 1e-12)
        assert plan.sum() - 18.0 <= table.options.cost[option] * 0.05 * (1 + 1e-12)
        assert value_of(market, outlook, plan[None]) == pytest.approx(best, rel=0.005)
        assert table.options.value[option] == pytest.approx(best, rel=0.01)


def test_knapsack_against_brute_force() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        options = []
        for _ in range(3):
            cost = np.append(0, rng.integers(1, _MONEY_CELLS, 6))
            options.append(_Options(cost, np.append(0.0, rng.uniform(size=6) * cost[1:]), np.arange(7), np.arange(7)))
        affordable = [
            sum(float(option.value[i]) for option, i in zip(options, choice, strict=True))
            for choice in product(range(7), repeat=3)
            if sum(option.cost[i] for option, i in zip(options, choice, strict=True)) <= _MONEY_CELLS
        ]
        chosen = _choose(options)[0]
        assert sum(int(option.cost[i]) for option, i in zip(options, chosen, strict=True)) <= _MONEY_CELLS
        reached = sum(float(option.value[i]) for option, i in zip(options, chosen, strict=True))
        assert reached == pytest.approx(max(affordable))


@given(st.integers(1, 40), st.integers(0, 2**20))
@settings(max_examples=50, deadline=None)
def test_window_maxima(size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    array = rng.normal(size=size)
    first, last = np.sort(rng.integers(0, size, (2, 15)), axis=0)
    expected = [array[a : b + 1].max() for a, b in zip(first, last, strict=True)]
    np.testing.assert_array_equal(_Windows(first, last).maxima(array), expected)


@given(markets((1.2, 4.0), max_channels=3, windows=False), st.integers(2, 12), st.floats(0.05, 0.9))
@settings(max_examples=15, deadline=None)
def test_never_worse_than_the_pulses_alone(market: Market, periods: int, fullness: float) -> None:
    cap = np.full(len(market.names), 60.0)
    budget = float(fullness * periods * cap.sum())
    plan = plan_optimal(market, budget, periods, cap=cap)
    outlook = Outlook.of_campaign(market, periods)
    bounds = np.zeros((len(cap), periods)), np.tile(cap[:, None], periods)
    objective = Objective(market, outlook)
    # Concave markets (all channels logistic) are planned to a gap, without a look at pulses.
    slack = 1e-12 * scale_of(market, outlook, budget) + (1e-6 * plan.value if market.is_concave else 0.0)
    for pulse in pulse_plans(channel_problems(market, outlook, *bounds), budget):
        assert plan.value >= objective.gain(pulse) - slack


def test_the_bound_with_carry_over_is_far_below_the_envelopes() -> None:
    """
    Adstock cannot jump between nothing and the tangent point, as the envelopes of the curves pretend.

    Two channels of the size of a small shop: even pacing earns 149 371, the best constant spends 163 292.
    """
    even = 100_000.0 / 56
    market = Market(
        (
            Channel("facebook", 9000.0, 3000.0, alpha=3.0, theta=0.3 ** (1 / 7), historical_mean=even),
            Channel("instagram", 6000.0, 1500.0, alpha=3.0, theta=0.1 ** (1 / 7), historical_mean=even),
        )
    )
    plan = plan_optimal(market, 100_000.0, 28)
    assert plan.value >= 185_780.0
    assert plan.upper_bound <= 188_700.0 < 207_615.0
    assert plan.relative_gap < 0.016


def test_long_campaigns_pulse_for_several_periods_on_end() -> None:
    market = Market((Channel("a", beta=100.0, kappa=20.0, alpha=3.0), Channel("b", beta=70.0, kappa=9.0, theta=0.5)))
    channels = channel_problems(market, Outlook.of_campaign(market, 150), np.zeros((2, 150)), np.full((2, 150), 50.0))
    plan = pulse_plans(channels, 2000.0)[0]
    value = value_of(market, Outlook.of_campaign(market, 150), plan)
    assert 0.95 * lagrangian_bound(channels, 2000.0, 10.0) <= value


def test_a_single_period_and_a_budget_of_almost_nothing() -> None:
    market = replace(Market((Channel("a", beta=100.0, kappa=20.0, alpha=3.0),)), spend_cost=0.5)
    for budget in (1e-6, 1.0, 25.0, 1e6):
        plan = plan_optimal(market, budget, 1, cap=40.0)
        assert 0.0 <= plan.value <= plan.upper_bound
        assert plan.spend.sum() <= budget * (1 + 1e-9)
