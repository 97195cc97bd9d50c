"""Bounds on what policies without foresight earn: against dynamic programming, and what makes them bounds."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from sb3_ext.envs.ad_spend import Channel, Market, Randomness, plan_clairvoyant
from sb3_ext.envs.ad_spend.campaign.scenario import EXTREME, Scenario, ScenarioSampler
from sb3_ext.envs.ad_spend.campaign.simulator import CampaignSimulator
from sb3_ext.envs.ad_spend.market.presets import drift, profit, s_shape, shock, uncertain
from sb3_ext.envs.ad_spend.optimum.foresight import ForesightPenalty, charges_of
from sb3_ext.envs.ad_spend.optimum.news import limited_news, news_after
from sb3_ext.envs.ad_spend.optimum.policy_bound import PolicyBound, bound_policies, can_bound, penalised_optima
from sb3_ext.envs.ad_spend.optimum.replanned import replan_campaigns

SIGMA, RHO = 0.5, 0.6
TINY = Market(
    (Channel("tv", beta=300.0, kappa=40.0, theta=0.5, historical_mean=20.0, cap=150.0),),
    spend_cost=1.0,
    tail_periods=3,
    randomness=Randomness(price_sigma=SIGMA, price_persistence=RHO),
)
# Two days, and less money than would pay on cheap ones.
BUDGET, PERIODS, CAP = 110.0, 2, np.array([150.0])
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(80)
WEIGHTS = WEIGHTS / WEIGHTS.sum()
BOTH = replace(shock(), randomness=Randomness(price_sigma=0.3, drift_sigma=0.2, delivery_sigma=0.2, sales_sigma=0.01))


def scenarios(market: Market, periods: int, n: int, seed: int = 1) -> Scenario:
    sampler = ScenarioSampler(market, periods)
    sampler.seed([np.random.default_rng([seed, number]) for number in range(n)])
    return sampler.draw()


def earned(market: Market, budget: float, scenario: Scenario, spend: np.ndarray) -> np.ndarray:
    """What plans, shape (n, N, T), earn in the simulator."""
    campaigns = CampaignSimulator(market, budget, spend.shape[-1], len(spend))
    campaigns.reset(scenario)
    periods = [campaigns.step(spend[..., period]) for period in range(spend.shape[-1])]
    return np.sum([period.value + period.tail for period in periods], axis=0)


def media(shocks: np.ndarray) -> np.ndarray:
    return np.exp(shocks - SIGMA**2 / 2)


def last_day(adstock: np.ndarray, left: np.ndarray, shocks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Best spend of the tiny market's last day, by bisection on its marginal value, and what is earned from then on."""
    (channel,) = TINY.channels
    decay = channel.theta ** np.arange(TINY.tail_periods + 1)
    low, high = np.zeros_like(shocks), np.broadcast_to(np.minimum(left, CAP[0]), shocks.shape)
    for _ in range(60):
        spend = (low + high) / 2
        levels = (channel.theta * adstock + (1 - channel.theta) * media(shocks) * spend)[..., None] * decay
        slope = (decay * channel.beta * channel.kappa / (channel.kappa + levels) ** 2).sum(-1)
        pays = (1 - channel.theta) * media(shocks) * slope > TINY.spend_cost
        low, high = np.where(pays, spend, low), np.where(pays, high, spend)
    return low, (channel.beta * levels / (channel.kappa + levels)).sum(-1) - TINY.spend_cost * low


def first_day(spend: np.ndarray, shocks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Adstock and sales."""
    (channel,) = TINY.channels
    adstock = channel.theta * channel.adstock_before + (1 - channel.theta) * media(shocks) * spend
    return adstock, channel.beta * adstock / (channel.kappa + adstock)


def next_shocks(shocks: np.ndarray) -> np.ndarray:
    """The nodes of a quadrature over the next day's log prices, shape (..., 80)."""
    return RHO * shocks[..., None] + SIGMA * (1 - RHO**2) ** 0.5 * NODES


@cache
def best_first_spends() -> tuple[np.ndarray, np.ndarray]:
    """By log price, of the dynamic program: the expected value is concave in the spend, and halving finds its top."""
    grid = SIGMA * np.linspace(-EXTREME, EXTREME, 101)

    def value(spend: np.ndarray) -> np.ndarray:
        adstock, sales = first_day(spend, grid)
        rest = last_day(adstock[:, None], BUDGET - spend[:, None], next_shocks(grid))[1] @ WEIGHTS
        return sales - TINY.spend_cost * spend + rest

    low, high = np.zeros(101), np.full(101, BUDGET)
    for _ in range(20):
        spend = (low + high) / 2
        rises = value(spend + 1e-4) > value(spend - 1e-4)
        low, high = np.where(rises, spend, low), np.where(rises, high, spend)
    return grid, low


def best_policy(scenario: Scenario) -> np.ndarray:
    """Spends of the dynamic program's policy, shape (n, 1, 2)."""
    shocks = scenario.price_shock[..., 0]
    first = np.interp(shocks[0], *best_first_spends())
    second, _ = last_day(first_day(first, shocks[0])[0], BUDGET - first, shocks[1])
    return np.stack([first, second], axis=-1)[:, None]


def test_the_bound_lies_between_dynamic_programming_and_the_clairvoyant() -> None:
    scenario = scenarios(TINY, PERIODS, 400)
    bound = bound_policies(TINY, BUDGET, PERIODS, CAP, scenario, n_fitted=1000)
    best = earned(TINY, BUDGET, scenario, best_policy(scenario))
    clairvoyant = penalised_optima(TINY, BUDGET, CAP, scenario, np.zeros((400, 1, PERIODS))).mean()
    gap, half_width = bound.gap(best)
    assert -half_width <= gap <= 0.1 * (clairvoyant - best.mean())
    assert best.mean() < 0.97 * clairvoyant and bound.value < clairvoyant
    assert bound.gap(bound.replanned)[0] > gap


def test_with_gradients_of_the_exact_value_every_campaign_is_bounded_by_what_the_best_policy_earns_there() -> None:
    scenario = scenarios(TINY, PERIODS, 50)
    spend, shocks = best_policy(scenario), scenario.price_shock[..., 0]
    adstock, left = first_day(spend[:, 0, 0], shocks[0])[0], BUDGET - spend[:, 0, 0]

    def slopes(at: np.ndarray) -> list[np.ndarray]:
        """Of the value by the adstock and by the money spent, at log prices (n, k)."""
        h = 1e-3
        by_adstock = (
            last_day(adstock[:, None] + h, left[:, None], at)[1] - last_day(adstock[:, None] - h, left[:, None], at)[1]
        )
        by_spent = (
            last_day(adstock[:, None], left[:, None] - h, at)[1] - last_day(adstock[:, None], left[:, None] + h, at)[1]
        )
        return [by_adstock / (2 * h), by_spent / (2 * h)]

    surprises = np.zeros((50, 2, 2))
    pairs = zip(slopes(shocks[1][:, None]), slopes(next_shocks(shocks[0])), strict=True)
    surprises[:, :, 0] = np.stack([known[:, 0] - expected @ WEIGHTS for known, expected in pairs], axis=1)
    charges = charges_of(surprises, TINY.theta, np.moveaxis(scenario.media, 0, -1))
    bounds = penalised_optima(TINY, BUDGET, CAP, scenario, charges, tolerance=1e-6)
    paid = (charges * spend).sum(axis=(1, 2))
    assert paid.std() > 1.0
    np.testing.assert_allclose(bounds, earned(TINY, BUDGET, scenario, spend) - paid, atol=0.02)


@pytest.mark.parametrize("limit", [0.4, 1.0, 2.5, np.inf])
def test_the_mean_of_news_is_zero(limit: float) -> None:
    mean, deviation = 0.2, 0.6

    def weighted(x: float) -> float:
        return float(limited_news(np.array(x), np.array(mean), deviation, [limit])[0] * norm.pdf(x, mean, deviation))

    kink = [np.log(limit)] if np.isfinite(limit) else []
    assert quad(weighted, -6.0, 6.0, points=kink, epsabs=1e-10)[0] == pytest.approx(0.0, abs=1e-8)


@pytest.mark.parametrize("market", [shock(), drift()])
def test_news_tell_nothing_that_the_past_has_told(market: Market) -> None:
    scenario = scenarios(market, 3, 10_000)
    # Prices of the next period, or demand of this one.
    news = news_after(market.randomness, scenario, 1 if scenario.drift is None else 2, 3)
    path = scenario.uncut_shock if scenario.drift is None else np.log(scenario.drift)
    for known in (np.ones_like(path[1]), path[1], path[1] ** 2):
        products = known[..., None] * news
        assert np.all(np.abs(products.mean(axis=0)) < 4.5 * products.std(axis=0) / 10_000**0.5)
    assert np.all(np.abs((path[2][..., None] * news).mean(axis=0)) > 0.1 * path[2].std() * news.std(axis=0))


def test_shocks_are_cut_off_and_go_on_from_where_they_were() -> None:
    scenario = scenarios(shock(), 4, 100)
    uncut = scenario.uncut_shock
    np.testing.assert_array_equal(scenario.price_shock, np.clip(uncut, -EXTREME * 0.3, EXTREME * 0.3))
    assert np.corrcoef(uncut[0].ravel(), uncut[1].ravel())[0, 1] == pytest.approx(0.7, abs=0.1)


@cache
def charged() -> tuple[Scenario, np.ndarray, np.ndarray]:
    """Campaigns with random prices and demand, what they charge, and what re-planning spends in them."""
    cap = BOTH.spend_caps(15_000.0, 4)
    fitted, other = scenarios(BOTH, 4, 200, seed=2), scenarios(BOTH, 4, 3000, seed=3)
    penalty = ForesightPenalty.fitted(BOTH, fitted, replan_campaigns(BOTH, 15_000.0, 4, cap, fitted))
    paths = replan_campaigns(BOTH, 15_000.0, 4, cap, other)
    return other, penalty.charges(other, paths), paths.spend


@settings(max_examples=15, deadline=None)
@given(weights=st.lists(st.floats(-1.0, 1.0), min_size=10, max_size=10))
def test_nobody_without_foresight_pays_the_penalty_on_average(weights: list[float]) -> None:
    scenario, charges, _ = charged()
    campaigns = CampaignSimulator(BOTH, 15_000.0, 4, len(charges))
    campaigns.reset(scenario)
    by_price, by_adstock = np.reshape(weights[:8], (2, 2, 2))
    sold, spend = np.zeros(len(charges)), np.empty_like(charges)
    for period in range(4):
        known = 4.0 * scenario.price_shock[period] @ by_price + campaigns.adstock / 2000.0 @ by_adstock
        known += weights[8] * sold[:, None] / 5000.0 + weights[9]
        happened = campaigns.step(8000.0 / (1.0 + np.exp(-known)))
        sold, spend[..., period] = happened.total_sales, happened.spend
    paid = (charges * spend).sum(axis=(1, 2))
    assert abs(paid.mean()) < 4.5 * paid.std() / len(paid) ** 0.5


def test_foresight_pays_the_penalty() -> None:
    scenario, charges, spend = charged()
    cap = BOTH.spend_caps(15_000.0, 4)
    plans = [plan_clairvoyant(BOTH, 15_000.0, 4, cap, scenario.of(path), tolerance=1e-3) for path in range(50)]
    more = (charges[:50] * (np.stack([plan.spend.T for plan in plans]) - spend[:50])).sum(axis=(1, 2))
    assert more.mean() > 3.0 * more.std() / 50**0.5


@pytest.mark.parametrize("market", [shock(), drift(), BOTH])
def test_no_plan_of_a_campaign_beats_its_certificate(market: Market) -> None:
    rng, n, periods, budget = np.random.default_rng(0), 8, 5, 15_000.0
    scenario, cap = scenarios(market, periods, n), market.spend_caps(budget, periods)
    charges = rng.normal(0.0, 1.0, (n, 2, periods))
    bounds = penalised_optima(market, budget, cap, scenario, charges)
    most = cap[:, None] * (1.0 if scenario.delivery is None else np.moveaxis(scenario.delivery, 0, -1))
    certain = replace(scenario, delivery=None, sales_noise=None)
    best = np.full(n, -np.inf)
    for _ in range(300):
        spend = most * rng.beta(0.3, 0.6, (n, 2, periods))
        spend *= np.minimum(1.0, budget / spend.sum(axis=(1, 2)))[:, None, None]
        worth = earned(market, budget, certain, spend) - (charges * spend).sum(axis=(1, 2))
        assert np.all(worth <= bounds + 1e-6)
        best = np.maximum(best, worth)
    assert best.sum() > 0.7 * bounds.sum()


def test_a_policy_is_paired_with_the_bound() -> None:
    bound = PolicyBound(np.array([10.0, 30.0, 20.0]), np.array([9.0, 26.0, 19.0]))
    gap, half_width = bound.gap(bound.replanned)
    assert bound.value == 20.0 and gap == pytest.approx(2.0)
    assert half_width == pytest.approx(4.3027 * 3.0**0.5 / 3.0**0.5, rel=1e-4)
    assert np.isnan(PolicyBound(np.ones(1), np.ones(1)).gap(np.zeros(1))[1])


@pytest.mark.parametrize(
    "market",
    [
        profit(),
        uncertain(),
        replace(s_shape(), randomness=shock().randomness),
        replace(TINY, channels=(Channel("tv", beta=300.0, kappa=40.0, weights=(0.6, 0.4)),)),
        replace(uncertain(), randomness=replace(uncertain().randomness, price_sigma=0.3)),
    ],
)
def test_a_market_without_a_bound_is_refused(market: Market) -> None:
    assert not can_bound(market) and can_bound(TINY)
    with pytest.raises(ValueError, match="plan_clairvoyant"):
        bound_policies(market, 100.0, 3, market.spend_caps(100.0, 3), Scenario())


@pytest.mark.parametrize(
    "scenario", [Scenario(), scenarios(TINY, 3, 5).of(0), scenarios(TINY, 4, 5), scenarios(drift(), 3, 5)]
)
def test_the_scenario_must_be_of_many_campaigns_of_the_market(scenario: Scenario) -> None:
    with pytest.raises(ValueError, match="of n campaigns of 3 periods"):
        bound_policies(TINY, BUDGET, 3, CAP, scenario)
