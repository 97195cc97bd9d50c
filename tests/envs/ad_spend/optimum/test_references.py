"""What plans are measured against: simple ones, and the best that could have been done in a random campaign."""

from dataclasses import replace

import numpy as np
import pytest
from ad_spend_strategies import RANDOM, feasible_plans, markets, one_line, play, random_markets, scenarios
from hypothesis import given, settings
from hypothesis import strategies as st

from sb3_ext.envs.ad_spend import Channel, Market, plan_clairvoyant, plan_optimal
from sb3_ext.envs.ad_spend.campaign.scenario import Scenario
from sb3_ext.envs.ad_spend.campaign.simulator import CampaignSimulator
from sb3_ext.envs.ad_spend.market.curves import Hill
from sb3_ext.envs.ad_spend.market.presets import BUDGET, PERIODS, PRESETS
from sb3_ext.envs.ad_spend.optimum.outlook import Outlook
from sb3_ext.envs.ad_spend.optimum.references import campaign_references, reference_plans, steady_spend


def simulated(market: Market, budget: float, scenario: Scenario, orders: np.ndarray) -> float:
    return float(sum(play(CampaignSimulator(market, budget, len(orders)), orders, replace(scenario, sales_noise=None))))


def money(market: Market, budget: float, scenario: Scenario, periods: int) -> float:
    """A scale for rounding errors."""
    outlook = Outlook.of_campaign(market, periods, scenario)
    return market.margin * outlook.demand.sum() * outlook.curves.beta.sum() + market.spend_cost * budget + 1.0


@given(
    random_markets(alpha=(0.3, 1.0), max_channels=2), st.integers(1, 6), st.floats(20.0, 1000.0), st.integers(0, 2**20)
)
@settings(max_examples=25, deadline=None)
def test_nobody_beats_the_clairvoyant(market: Market, periods: int, budget: float, seed: int) -> None:
    cap = market.spend_caps(budget, periods)
    scenario = scenarios(market, periods, 1, seed).of(0)
    plan = plan_clairvoyant(market, budget, periods, cap, scenario)
    delivered = 1.0 if scenario.delivery is None else scenario.delivery
    scale = money(market, budget, scenario, periods)
    assert np.all(plan.spend >= 0.0)
    assert np.all(plan.spend <= cap * delivered)
    assert plan.spend.sum() <= budget
    assert simulated(market, budget, scenario, plan.spend / delivered) == pytest.approx(plan.value, abs=1e-9 * scale)
    assert plan.value <= plan.upper_bound <= plan.value + 1e-5 * abs(plan.value) + 1e-7 * scale
    rng = np.random.default_rng(seed)
    others = feasible_plans(rng, 12, np.zeros_like(cap), cap, budget, periods)
    others.append(plan_optimal(market, budget, periods).spend)
    others.append(np.broadcast_to(np.minimum(cap, budget / periods / len(cap)), (periods, len(cap))))
    for near in (0.9, 0.99, 1.01):
        others.append(np.minimum(near * plan.spend / delivered, cap))
    for orders in others:
        assert simulated(market, budget, scenario, orders) <= plan.upper_bound + 1e-9 * scale


@given(
    random_markets(alpha=(0.5, 3.0), max_channels=2), st.integers(1, 4), st.floats(20.0, 1000.0), st.integers(0, 2**20)
)
@settings(max_examples=10, deadline=None)
def test_nobody_beats_the_clairvoyants_bound_on_s_curves(
    market: Market, periods: int, budget: float, seed: int
) -> None:
    cap = market.spend_caps(budget, periods)
    scenario = scenarios(market, periods, 1, seed).of(0)
    plan = plan_clairvoyant(market, budget, periods, cap, scenario)
    delivered = 1.0 if scenario.delivery is None else scenario.delivery
    scale = money(market, budget, scenario, periods)
    assert np.all(plan.spend <= cap * delivered * (1 + 1e-12))
    assert plan.spend.sum() <= budget * (1 + 1e-12)
    assert simulated(market, budget, scenario, plan.spend / delivered) == pytest.approx(plan.value, abs=1e-9 * scale)
    assert plan.value <= plan.upper_bound + 1e-9 * scale
    for orders in feasible_plans(np.random.default_rng(seed), 30, np.zeros_like(cap), cap, budget, periods):
        assert simulated(market, budget, scenario, orders) <= plan.upper_bound + 1e-9 * scale


@given(markets(alpha=(0.3, 1.0), max_channels=2), st.integers(1, 6))
@settings(max_examples=15, deadline=None)
def test_without_randomness_the_clairvoyant_knows_nothing_more(market: Market, periods: int) -> None:
    cap = market.spend_caps(100.0, periods)
    first, second = plan_clairvoyant(market, 100.0, periods, cap, Scenario()), plan_optimal(market, 100.0, periods)
    np.testing.assert_array_equal(first.spend, second.spend)
    assert (first.value, first.upper_bound) == (second.value, second.upper_bound)


def test_clairvoyant_of_one_period_by_hand() -> None:
    """
    Cheap media: maximise 2 * 100 m / (20 + m) - x with m = 5 x: m = sqrt(2 * 100 * 20 * 5) - 20, unless fewer come.
    """
    market = Market((Channel("a", beta=1.0, kappa=20.0),), spend_cost=1.0, tail_periods=0)
    curves = Hill(np.array([100.0]), np.array([20.0]), np.ones(1))
    free = Scenario(media=np.array([[5.0]]), drift=np.array([[2.0]]), curves=curves)
    media = np.sqrt(2 * 100 * 20 * 5) - 20
    plan = plan_clairvoyant(market, 100.0, 1, [50.0], free, tolerance=1e-9)
    assert plan.spend[0, 0] == pytest.approx(media / 5, rel=1e-3)
    assert plan.value == pytest.approx(200 * media / (20 + media) - media / 5, rel=1e-8)
    scarce = replace(free, delivery=np.array([[0.1]]))
    plan = plan_clairvoyant(market, 100.0, 1, [50.0], scarce, tolerance=1e-9)
    assert plan.spend[0, 0] == pytest.approx(5.0, rel=1e-6)
    assert plan.value == pytest.approx(200 * 25 / 45 - 5, rel=1e-6)


@pytest.mark.parametrize("preset", RANDOM)
def test_clairvoyants_need_the_scenario_of_one_whole_campaign(preset: str) -> None:
    market, cap = PRESETS[preset](), np.full(2, 1e4)
    batch, short = scenarios(market, 28, 28, 0), scenarios(market, 20, 1, 0).of(0)
    wrong = [batch] if preset == "uncertain" else [batch, short]
    for scenario in [] if preset == "noisy" else wrong:
        with pytest.raises(ValueError) as error:
            plan_clairvoyant(market, 1e5, 28, cap, scenario)
        one_line(error, "scenario", "one campaign", "28 periods", "2 channels")
    with pytest.raises(ValueError) as error:
        plan_clairvoyant(market, 1e5, "28", cap, short)  # type: ignore[arg-type]
    one_line(error, "periods", "'28'")


def test_noise_shifts_even_pacing_and_the_optimum_alike() -> None:
    market = replace(PRESETS["noisy"](), margin=0.5)
    scenario = scenarios(market, 28, 1, 0).of(0)
    cap = market.spend_caps(1e5, 28)
    even, plan = campaign_references(market, 1e5, 28, cap, scenario)
    quiet_even, quiet = campaign_references(market, 1e5, 28, cap, replace(scenario, sales_noise=None))
    luck = 0.5 * scenario.sales_noise.sum()
    assert even - quiet_even == pytest.approx(luck)
    assert plan.value - quiet.value == pytest.approx(luck)
    assert plan.upper_bound - quiet.upper_bound == pytest.approx(luck)


def test_reference_plans() -> None:
    market, cap = PRESETS["adstock"](), np.array([5000.0, 1000.0])
    references = reference_plans(market, BUDGET, PERIODS, cap)
    plan = plan_optimal(market, BUDGET, PERIODS, cap=cap, tolerance=1e-8)
    # What instagram may not spend goes to facebook: plans are compared at equal spend.
    even = CampaignSimulator(market, BUDGET, PERIODS).plan_value(np.tile([BUDGET / 28 - 1000, 1000.0], (PERIODS, 1)))
    assert references.even_value == pytest.approx(even)
    assert (references.plan.value, references.plan.upper_bound) == (plan.value, plan.upper_bound)
    assert plan.relative_gap <= 1e-8
    drawn = replace(market, draws=(market.channels,))
    assert reference_plans(drawn, BUDGET, PERIODS, cap) is reference_plans(market, BUDGET, PERIODS, cap)


@pytest.mark.parametrize(
    ("money", "weights", "low", "cap", "spend"),
    [
        (90.0, [1, 1, 1], [0, 0, 0], [50, 50, 50], [30, 30, 30]),
        (90.0, [1, 1, 1], [0, 0, 0], [20, 50, 50], [20, 35, 35]),
        (90.0, [1, 1, 1], [50, 0, 0], [60, 50, 50], [50, 20, 20]),
        (90.0, [3, 1, 0], [0, 0, 0], [40, 50, 50], [40, 50, 0]),
        (80.0, [3, 1, 0], [0, 0, 5], [60, 50, 50], [56.25, 18.75, 5]),
        (90.0, [1, 1, 1], [0, 0, 0], [10, 20, 30], [10, 20, 30]),
        (10.0, [1, 1, 1], [5, 5, 5], [10, 20, 30], [5, 5, 5]),
        (15.0, [1, 1, 1], [5, 5, 5], [5, 20, 30], [5, 5, 5]),
    ],
)
def test_steady_spends_by_hand(money: float, weights: list, low: list, cap: list, spend: list) -> None:
    found = steady_spend(money, *(np.array(values, dtype=float) for values in (weights, low, cap)))
    np.testing.assert_allclose(found, spend, rtol=1e-12)
