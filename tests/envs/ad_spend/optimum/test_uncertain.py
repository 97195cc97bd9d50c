from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sb3_ext.envs.ad_spend import Channel, Market, plan_optimal
from sb3_ext.envs.ad_spend.campaign.simulator import CampaignSimulator
from sb3_ext.envs.ad_spend.optimum.aim import Aim
from sb3_ext.envs.ad_spend.optimum.outlook import Outlook
from sb3_ext.envs.ad_spend.optimum.uncertain import Lowest


def uncertain(count: int, seed: int = 0, alpha: float = 1.0, **changes: float) -> Market:
    rng = np.random.default_rng(seed)
    central = (
        Channel("tv", 900.0, 300.0, alpha=alpha, theta=0.5, historical_mean=100.0),
        Channel("radio", 600.0, 150.0, theta=0.3, historical_mean=50.0),
        Channel("search", 500.0, 90.0, theta=0.1, historical_mean=40.0),
    )
    draws = tuple(
        tuple(
            replace(
                channel,
                beta=channel.beta * rng.lognormal(0.0, 0.5),
                kappa=channel.kappa * rng.lognormal(0.0, 0.3),
                theta=channel.theta * rng.uniform(0.5, 1.5),
            )
            for channel in central
        )
        for _ in range(count)
    )
    return replace(Market(central, tail_periods=3, draws=draws), **changes)


def values(market: Market, budget: float, spend: np.ndarray) -> np.ndarray:
    """What a plan earns under every draw, by the simulator."""
    each = (replace(market, channels=draw, draws=()) for draw in market.draws)
    return np.array([CampaignSimulator(one, budget, len(spend)).plan_value(spend) for one in each])


def lowest(earned: np.ndarray, share: float) -> float:
    """Conditional value at risk, by its definition as a maximum (Rockafellar & Uryasev): the best level is a value."""
    return max(float(level - np.maximum(level - earned, 0.0).mean() / share) for level in earned)


def nearby(plan: np.ndarray, cap: np.ndarray, budget: float, count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    moved = [np.minimum(plan * rng.uniform(0.8, 1.2, plan.shape), cap) for _ in range(count)]
    return [other * min(1.0, budget / other.sum()) for other in moved]


@pytest.mark.parametrize("count", [1, 40])
def test_the_mean_over_draws_is_maximised_and_certified(count: int) -> None:
    market, budget = uncertain(count), 2000.0
    plan = plan_optimal(market, budget, 8, draws=True)
    assert plan.value == pytest.approx(values(market, budget, plan.spend).mean(), rel=1e-10)
    assert 0.0 <= plan.relative_gap <= 1e-6
    cap = market.spend_caps(budget, 8)
    for other in (plan_optimal(market, budget, 8).spend, *nearby(plan.spend, cap, budget, 10)):
        assert values(market, budget, other).mean() <= plan.upper_bound


def test_one_draw_is_a_market_of_its_own() -> None:
    market = uncertain(1)
    alone = plan_optimal(replace(market, channels=market.draws[0], draws=()), 2000.0, 8)
    for arguments in ({"draws": True}, {"risk": 0.3}, {"risk": 1.0}):
        plan = plan_optimal(market, 2000.0, 8, **arguments)
        assert plan.value == pytest.approx(alone.value, rel=1e-5)


@pytest.mark.parametrize("risk", [0.025, 0.2, 0.5, 0.93])
def test_risk_is_the_mean_of_the_lowest_share_and_certified(risk: float) -> None:
    market, budget = uncertain(40), 2000.0
    plan = plan_optimal(market, budget, 8, risk=risk, tolerance=1e-5)
    assert plan.value == pytest.approx(lowest(values(market, budget, plan.spend), risk), rel=1e-9)
    assert 0.0 <= plan.relative_gap <= 1e-5
    cap = market.spend_caps(budget, 8)
    careless = plan_optimal(market, budget, 8, draws=True).spend
    for other in (careless, *nearby(plan.spend, cap, budget, 10)):
        assert lowest(values(market, budget, other), risk) <= plan.upper_bound
    assert lowest(values(market, budget, careless), risk) <= plan.value


def test_no_risk_at_all_is_the_mean() -> None:
    market = uncertain(20)
    mean, whole = plan_optimal(market, 2000.0, 8, draws=True), plan_optimal(market, 2000.0, 8, risk=1.0)
    assert whole.value == pytest.approx(mean.value, rel=1e-5)


@pytest.mark.parametrize("risk", [None, 0.2])
def test_s_shaped_draws_are_bounded_by_their_envelopes(risk: float | None) -> None:
    market, budget = uncertain(15, alpha=1.0), 900.0
    draws = tuple((replace(draw[0], alpha=2.5), *draw[1:]) for draw in market.draws)
    market = replace(market, draws=draws)
    plan = plan_optimal(market, budget, 5, draws=True, risk=risk, tolerance=1e-4)
    assert plan.value <= plan.upper_bound
    earned = values(market, budget, plan.spend)
    assert plan.value == pytest.approx(earned.mean() if risk is None else lowest(earned, risk), rel=1e-9)
    rng = np.random.default_rng(0)
    cap = market.spend_caps(budget, 5)
    for other in nearby(rng.uniform(0.0, cap, (5, 3)), cap, budget, 10):
        earned = values(market, budget, other)
        assert (earned.mean() if risk is None else lowest(earned, risk)) <= plan.upper_bound


def test_many_draws_are_computed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    market = uncertain(30)
    whole = plan_optimal(market, 2000.0, 4, draws=True)
    monkeypatch.setattr("sb3_ext.envs.ad_spend.optimum.uncertain._PART", 7 * 3 * 16)
    for kept in (2**25, 0):
        monkeypatch.setattr("sb3_ext.envs.ad_spend.optimum.uncertain._KEPT", kept)
        parts = plan_optimal(market, 2000.0, 4, draws=True)
        np.testing.assert_allclose(parts.spend, whole.spend, rtol=1e-6, atol=1e-6)
        assert plan_optimal(market, 2000.0, 4, risk=0.3).relative_gap <= 1e-6


@given(st.integers(1, 30), st.sampled_from([0.1, 0.25, 0.5, 1.0]), st.floats(1e-3, 100.0), st.integers(0, 2**20))
@settings(max_examples=50, deadline=None)
def test_smoothed_risk_against_finite_differences(count: int, share: float, smoothing: float, seed: int) -> None:
    market = uncertain(count, seed)
    objective = Aim.of(market, Outlook.of_draws(market, 2), np.zeros((3, 2)), np.full((3, 2), 900.0), share).objective
    assert isinstance(objective, Lowest)
    objective.sharpen_to(smoothing)
    spend = np.random.default_rng(seed).uniform(20.0, 300.0, (3, 2))
    # Between the risk and its bound, and within what smoothing may add.
    risk = objective.gain(spend)
    assert risk - 1e-9 <= objective.value(spend) <= risk + 0.5 * smoothing * (1.0 / share - 1.0) + 1e-9
    assert objective.above(spend) >= -1e-9
    gradient = objective.gradient(spend)
    for index in np.ndindex(3, 2):
        shift = np.zeros_like(spend)
        shift[index] = 1e-4
        difference = (objective.value(spend + shift) - objective.value(spend - shift)) / 2e-4
        assert gradient[index] == pytest.approx(difference, rel=1e-3, abs=1e-4)
