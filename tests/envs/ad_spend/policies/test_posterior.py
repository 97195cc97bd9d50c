"""Policies that plan anew every day, what they learn, and the planner of many campaigns behind them."""

from dataclasses import replace

import numpy as np
import pytest
from ad_spend_strategies import market_with_draws

from sb3_ext.envs.ad_spend import (
    AdSpendVectorEnv,
    Channel,
    Market,
    Randomness,
)
from sb3_ext.envs.ad_spend.market.presets import uncertain
from sb3_ext.envs.ad_spend.policies.posterior import ParticlePosterior


def history(market: Market, n: int, seed: int = 0) -> tuple[AdSpendVectorEnv, np.ndarray, np.ndarray]:
    """Campaigns with random spends: the environments, media bought (n, T, N) and total sales (n, T)."""
    env = AdSpendVectorEnv(n, market, autoreset_mode="Disabled")
    env.reset(seed=seed)
    rng, bought, sold = np.random.default_rng(seed), [], []
    noise = env.scenario.sales_noise
    for day in range(env.periods):
        action = rng.uniform(-1.0, 0.0, (n, len(market.names))) * rng.integers(2, size=(n, len(market.names)))
        info = env.step(action.astype(np.float32))[4]
        bought.append(info["spend"])
        sold.append(info["sales"].sum(axis=1) + (0.0 if noise is None else noise[day]))
    return env, np.stack(bought, axis=1), np.stack(sold, axis=1)


def learn(posterior: ParticlePosterior, bought: np.ndarray, sold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    n = len(sold)
    generators = [np.random.default_rng(number) for number in range(n)]
    particles = np.array([posterior.prior(rng) for rng in generators])
    log_weights = np.zeros(particles.shape[:2])
    for day in range(sold.shape[1]):
        period = np.full(n, day + 1)
        particles, log_weights = posterior.observe(particles, log_weights, bought, sold, period, generators)
    return particles, log_weights


def test_posterior_finds_the_truth_where_there_is_little_noise() -> None:
    market = replace(uncertain(), randomness=replace(uncertain().randomness, sales_sigma=0.005))
    env, bought, sold = history(market, 20)
    posterior = ParticlePosterior(market, 28, 500)
    learned, *_ = posterior.mean(*learn(posterior, bought, sold))
    truth = env.scenario.curves
    assert truth is not None
    # Half a cap at most tells less about where a curve saturates than about how it starts.
    for name, share in (("beta", 0.35), ("kappa", 0.65)):
        before = np.abs(np.log(getattr(market, name) / getattr(truth, name))).mean()
        after = np.abs(np.log(getattr(learned, name) / getattr(truth, name))).mean()
        assert after < share * before, name


def test_posterior_is_as_sure_as_it_may_be() -> None:
    """The truth lies one standard deviation off its mean, on average over campaigns."""
    env, bought, sold = history(uncertain(), 40)
    posterior = ParticlePosterior(uncertain(), 28, 500)
    particles, log_weights = learn(posterior, bought, sold)
    weights = np.exp(log_weights - log_weights.max(axis=1, keepdims=True))[..., None]
    weights /= weights.sum(axis=1, keepdims=True)
    mean = (weights * particles).sum(axis=1)
    spread = (weights * (particles - mean[:, None]) ** 2).sum(axis=1)
    truth, market = env.scenario.curves, uncertain()
    assert truth is not None
    ratio = np.concatenate([truth.beta / market.beta, truth.kappa / market.kappa], axis=1)
    drawn = np.log(ratio) / 0.5 + 0.25
    assert 0.6 < ((mean - drawn) ** 2 / spread).mean() < 1.5
    assert spread.mean() < 0.7


def test_posterior_is_that_of_a_grid() -> None:
    """One channel of known kappa: log-normal prior of beta times Gaussian likelihood, integrated numerically."""
    random = Randomness(beta_sigma=0.5, sales_sigma=0.2)
    market = Market((Channel("a", beta=100.0, kappa=10.0, historical_mean=5.0),), randomness=random)
    bought, sold = np.array([[[20.0], [5.0], [0.0]]]), np.array([[90.0, 60.0, 10.0]])
    share = np.array([20.0 / 30.0, 5.0 / 15.0, 0.0])
    z = np.linspace(-6.0, 6.0, 20_001)
    beta = 100.0 * np.exp(0.5 * z - 0.125)
    density = np.exp(-(z**2) / 2.0 - (((sold[0] - beta[:, None] * share) / 20.0) ** 2).sum(axis=1) / 2.0)
    mean = (beta * density).sum() / density.sum()
    spread = ((beta - mean) ** 2 * density).sum() / density.sum()
    posterior = ParticlePosterior(market, 3, 20_000)
    particles, log_weights = learn(posterior, bought, sold)
    assert posterior.mean(particles, log_weights)[0].beta[0, 0] == pytest.approx(mean, rel=0.02)
    weights = np.exp(log_weights - log_weights.max())
    sampled = posterior.curves(particles).beta[0, :, 0]
    variance = np.average((sampled - mean) ** 2, weights=weights[0])
    assert variance == pytest.approx(spread, rel=0.1)


def test_posterior_finds_the_draw() -> None:
    """The adstock of every draw has its own carry-over."""
    market = market_with_draws()
    env, bought, sold = history(market, 10)
    posterior = ParticlePosterior(market, 28, 1000)
    learned, theta, _ = posterior.mean(*learn(posterior, bought, sold))
    truth = env.scenario.curves
    assert truth is not None
    for name in ("beta", "kappa"):
        np.testing.assert_allclose(getattr(learned, name), getattr(truth, name), rtol=1e-3)
    np.testing.assert_allclose(theta, env.scenario.theta, rtol=1e-3)
