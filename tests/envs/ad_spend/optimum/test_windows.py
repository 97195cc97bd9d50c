"""Plans where carry-over has a window: over draws, S-shaped, and with spends that saturate first."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from sb3_ext.envs.ad_spend import Channel, Market, plan_optimal
from sb3_ext.envs.ad_spend.campaign.simulator import CampaignSimulator

TV = Channel("tv", beta=300.0, kappa=40.0, weights=(0.1, 0.6, 0.3), history=(80.0, 10.0, 30.0))
SEARCH = Channel("search", beta=200.0, kappa=30.0, weights=(0.8, 0.2), historical_mean=20.0)
RADIO = Channel("radio", beta=150.0, kappa=20.0, theta=0.6, historical_mean=10.0)


def drawn(*channels: Channel, count: int = 5, **settings: object) -> Market:
    """A market with draws that differ in their curves and in when advertising works."""
    rng = np.random.default_rng(1)

    def draw(channel: Channel) -> Channel:
        weights = None if channel.weights is None else tuple(rng.dirichlet(np.ones(4)))
        beta, kappa = channel.beta * rng.uniform(0.5, 2.0), channel.kappa * rng.uniform(0.5, 2.0)
        return replace(channel, beta=beta, kappa=kappa, weights=weights)

    draws = tuple(tuple(map(draw, channels)) for _ in range(count))
    return Market(channels, draws=draws, tail_periods=4, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "market",
    [drawn(TV, SEARCH), drawn(TV, RADIO), drawn(TV, SEARCH, saturation_first=True)],
    ids=["windows", "a window and a geometric one", "spends saturate first"],
)
def test_a_plan_over_draws_earns_the_mean_of_its_campaigns(market: Market) -> None:
    plan = plan_optimal(market, 500.0, 6, draws=True, tolerance=1e-6)
    markets = [replace(market, channels=draw, draws=()) for draw in market.draws]

    def mean(spend: np.ndarray) -> float:
        return float(np.mean([CampaignSimulator(each, 501.0, 6).plan_value(spend) for each in markets]))

    assert plan.value == pytest.approx(mean(plan.spend), rel=1e-9)
    assert -1e-9 <= plan.relative_gap < 1e-5
    rng = np.random.default_rng(2)
    for _ in range(100):
        other = rng.dirichlet(np.full(12, 0.5)).reshape(6, 2) * 500.0
        assert mean(np.minimum(other, market.spend_caps(500.0, 6))) <= plan.upper_bound + 1e-6


@pytest.mark.parametrize("saturation_first", [False, True])
def test_s_shaped_windows_against_all_plans_of_a_grid(saturation_first: bool) -> None:
    """Four periods, 90 to spend in steps of 15: nothing beats the plan by much, and nothing its bound."""
    market = Market((replace(TV, alpha=3.0, history=()),), tail_periods=2, saturation_first=saturation_first)
    plan = plan_optimal(market, 90.0, 4, cap=90.0)
    campaign, levels = CampaignSimulator(market, 90.0, 4), np.arange(0.0, 91.0, 15.0)
    grid = max(
        campaign.plan_value(np.array(spend)[:, None]) for spend in product(levels, repeat=4) if sum(spend) <= 90.0
    )
    assert plan.value >= grid - 1e-9 and plan.upper_bound >= plan.value
    assert plan.value == pytest.approx(campaign.plan_value(plan.spend), rel=1e-9)


def test_a_delayed_effect_moves_the_money_forward() -> None:
    """What works two weeks later is worth nothing in the last two weeks, unless they are followed by a tail."""
    late = Market((replace(TV, weights=(0.0, 0.0, 1.0), history=()),), tail_periods=0)
    spend = plan_optimal(late, 200.0, 6, cap=60.0).spend[:, 0]
    np.testing.assert_allclose(spend, [50.0, 50.0, 50.0, 50.0, 0.0, 0.0], atol=0.01)
    spend = plan_optimal(replace(late, tail_periods=2), 200.0, 6, cap=60.0).spend[:, 0]
    np.testing.assert_allclose(spend, 200.0 / 6, atol=0.01)
