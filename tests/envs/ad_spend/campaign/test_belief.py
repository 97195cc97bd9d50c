"""What sales tell about drawn parameters, and how environments show it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ad_spend_strategies import DRAWN
from ad_spend_strategies import DRAWN_ONE as ONE
from ad_spend_strategies import DRAWN_TWO as TWO
from hypothesis import given, settings
from hypothesis import strategies as st

from sb3_ext.envs.ad_spend import AdSpendEnv, AdSpendVectorEnv, Channel, Market, Randomness
from sb3_ext.envs.ad_spend.campaign.belief import Belief
from sb3_ext.envs.ad_spend.market.presets import PRESETS

# Nearly no noise and many parameters: in the end one or two points are left.
SHARP = Market(
    tuple(Channel(name, beta=100.0, kappa=20.0, historical_mean=20.0) for name in "abcd"),
    randomness=Randomness(beta_sigma=2.0, kappa_sigma=2.0, delivery_sigma=1.0, drift_sigma=0.3),
)


def with_points(market: Market, points: list[list[float]], n_campaigns: int = 1) -> Belief:
    """A belief on given points, standardised log beta and then log kappa of each channel."""
    belief = Belief(market, n_campaigns)
    random, n_channels = market.randomness, len(market.names)
    belief._points = np.array(points)
    u_beta, u_kappa = belief._points[:, :n_channels], belief._points[:, n_channels:]
    beta = market.beta * np.exp(random.beta_sigma * u_beta - random.beta_sigma**2 / 2)
    kappa = market.kappa * np.exp(random.kappa_sigma * u_kappa - random.kappa_sigma**2 / 2)
    belief._curves = [
        replace(belief._curves[i], beta=beta[:, i], kappa=kappa[:, i], alpha=np.full(len(beta), market.alpha[i]))
        for i in range(n_channels)
    ]
    belief._log_weights = np.zeros((n_campaigns, len(points)))
    belief._weights = np.full((n_campaigns, len(points)), 1.0 / len(points))
    return belief


def ignorant(n_channels: int, n_campaigns: int) -> np.ndarray:
    return np.repeat([[0.0], [1.0]], 2 * n_channels, axis=0) * np.ones(n_campaigns)


def of_belief(env: AdSpendEnv | AdSpendVectorEnv) -> np.ndarray:
    """Which entries of an observation are the belief's."""
    return np.array([name.startswith(("belief", "doubt")) for name in env.observation_names])


@pytest.mark.parametrize("n_campaigns", [1, 2, 7, 100])
@pytest.mark.parametrize("market", [ONE, TWO, SHARP], ids=["one", "two", "four"])
def test_before_anything_is_sold_it_is_the_prior(market: Market, n_campaigns: int) -> None:
    entries = Belief(market, n_campaigns).entries
    np.testing.assert_allclose(entries, ignorant(len(market.names), n_campaigns), atol=1e-15, rtol=2e-15)


def test_points_stand_for_the_parameters_that_a_campaign_may_draw() -> None:
    """Log-normal factors with the mean 1, but for the error of few points."""
    belief = Belief(TWO, 1)
    beta, kappa = (np.column_stack([getattr(c, name) for c in belief._curves]) for name in ("beta", "kappa"))
    for drawn, expected, sigma in ((beta, TWO.beta, 0.5), (kappa, TWO.kappa, 0.4)):
        np.testing.assert_allclose(drawn.mean(axis=0), expected, rtol=0.05)
        np.testing.assert_allclose(np.log(drawn / expected).mean(axis=0), -(sigma**2) / 2)
        np.testing.assert_allclose(np.log(drawn).std(axis=0), sigma)
    assert len(np.unique(belief._points, axis=0)) == len(belief._points)


def test_bayes_by_hand() -> None:
    """
    Two points that differ in beta alone: 10 exp(0.5 - 0.125) and 10 exp(-0.5 - 0.125); kappa 4 exp(-0.08); noise 1.

    Adstock 4 at demand 2 sells 2 * beta * 4 / (4 + 3.69247) = 1.039979 * beta: 15.13160 and 5.56660. The log odds are
    half the difference of the squared errors, and the mean of points at 1 and -1 is the tanh of half of that.
    """
    belief = with_points(ONE, [[1.0, 0.0], [-1.0, 0.0]], n_campaigns=2)
    belief.learn(np.array([[4.0], [4.0]]), np.array([10.0, 10.5]), 2.0)
    log_odds = [((sold - 5.56660) ** 2 - (sold - 15.13160) ** 2) / 2 for sold in (10.0, 10.5)]
    means = np.tanh(np.array(log_odds) / 2)
    assert means[0] == pytest.approx(-0.9315, abs=1e-4)
    np.testing.assert_allclose(belief.entries, [means, [0, 0], np.sqrt(1 - means**2), [0, 0]], atol=1e-4)


def test_evidence_of_periods_adds_up() -> None:
    """Three points, two channels, S-shaped and not, against the product of densities."""
    points = [[0.3, -1.0, 0.5, 0.2], [-0.7, 0.4, 1.5, -0.9], [1.1, 0.6, -2.0, 0.7]]
    belief = with_points(replace(TWO, randomness=replace(DRAWN, sales_sigma=0.4)), points)
    history = [([20.0, 3.0], 65.0, 1.0), ([35.0, 0.0], 110.0, 2.0), ([0.0, 12.0], 4.0, 0.5)]
    density = np.ones(3)
    for adstock, sold, demand in history:
        belief.learn(np.array([adstock]), np.array([sold]), demand)
        for number, (beta_a, beta_b, kappa_a, kappa_b) in enumerate(points):
            beta = 60 * np.exp(0.5 * beta_a - 0.125), 40 * np.exp(0.5 * beta_b - 0.125)
            kappa = 20 * np.exp(0.4 * kappa_a - 0.08), 10 * np.exp(0.4 * kappa_b - 0.08)
            a, b = adstock
            expected = demand * (beta[0] * a**2 / (kappa[0] ** 2 + a**2) + beta[1] * b / (kappa[1] + b))
            density[number] *= np.exp(-(((sold - expected) / (0.4 * 100.0)) ** 2) / 2)
    weights = density / density.sum()
    assert weights.min() > 0.01
    mean = weights @ points
    deviation = np.sqrt(weights @ (points - mean) ** 2)
    np.testing.assert_allclose(belief.entries[:, 0], [*mean, *deviation], rtol=1e-9)


@pytest.mark.parametrize(("u_beta", "u_kappa"), [(0.0, 0.0), (1.2, -0.5), (-1.0, 1.0)])
def test_one_channel_against_a_dense_grid(u_beta: float, u_kappa: float) -> None:
    market = replace(ONE, randomness=replace(DRAWN, sales_sigma=0.2))
    line = np.linspace(-6.0, 6.0, 601)
    beta_line, kappa_line = np.meshgrid(line, line, indexing="ij")

    def sells(u: Any, v: Any, adstock: float) -> Any:
        beta, kappa = 10 * np.exp(0.5 * u - 0.125), 4 * np.exp(0.4 * v - 0.08)
        return beta * adstock / (kappa + adstock)

    rng = np.random.default_rng(3)
    belief, log_density = Belief(market, 1), -(beta_line**2 + kappa_line**2) / 2
    for adstock in (1.0, 4.0, 16.0, 2.0, 8.0):
        sold = sells(u_beta, u_kappa, adstock) + 2.0 * rng.standard_normal()
        belief.learn(np.array([[adstock]]), np.array([sold]), 1.0)
        log_density -= ((sold - sells(beta_line, kappa_line, adstock)) / 2.0) ** 2 / 2
    density = np.exp(log_density - log_density.max())
    density /= density.sum()
    means = [float((density * grid).sum()) for grid in (beta_line, kappa_line)]
    grids = zip((beta_line, kappa_line), means, strict=True)
    deviations = [float(np.sqrt((density * (grid - mean) ** 2).sum())) for grid, mean in grids]
    assert deviations[0] < 0.6  # something was learned
    np.testing.assert_allclose(belief.entries[:, 0], [*means, *deviations], atol=0.12)


@given(st.integers(0, 2**20), st.floats(0.1, 3.0))
@settings(max_examples=50, deadline=None)
def test_without_adstock_nothing_is_learned(seed: int, demand: float) -> None:
    rng = np.random.default_rng(seed)
    belief, fresh = Belief(TWO, 3), Belief(TWO, 3)
    belief.learn(np.zeros((3, 2)), rng.normal(0.0, 100.0, 3), demand)
    np.testing.assert_allclose(belief.entries, fresh.entries, atol=1e-12)
    adstock, sold = rng.uniform(0.0, 50.0, (3, 2)), rng.uniform(0.0, 150.0, 3)
    for each in (belief, fresh):
        each.learn(adstock, sold, demand)
    np.testing.assert_allclose(belief.entries, fresh.entries, atol=1e-9)


@pytest.mark.parametrize("idle", [0, 1])
def test_a_channel_without_adstock_has_no_say(idle: int) -> None:
    """Weights are the same whatever its parameters; what its entries show is the error of few points, and small."""
    adstock = np.array([[30.0, 30.0]])
    adstock[0, idle] = 0.0
    belief, other = Belief(TWO, 1), Belief(TWO, 1)
    curves = other._curves[idle]
    other._curves[idle] = replace(curves, beta=1e3 + 0.0 * curves.beta, kappa=1e-3 + 0.0 * curves.kappa)
    for each in (belief, other):
        each.learn(adstock, np.array([50.0]), 1.0)
    np.testing.assert_array_equal(belief.entries, other.entries)
    entries = belief.entries[:, 0].reshape(2, 2, 2)
    np.testing.assert_allclose(entries[:, :, idle], [[0.0, 0.0], [1.0, 1.0]], atol=0.2)
    assert entries[1, 0, 1 - idle] < 0.75


@given(st.integers(0, 2**20))
@settings(max_examples=30, deadline=None)
def test_campaigns_learn_from_their_own_sales_alone_and_in_any_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    adstock, sold, demand = rng.uniform(0, 50, (4, 3, 2)), rng.uniform(0, 150, (4, 3)), rng.uniform(0.5, 2.0, 4)
    many, alone = Belief(TWO, 3), Belief(TWO, 1)
    for t in range(4):
        many.learn(adstock[t], sold[t], demand[t])
    for t in reversed(range(4)):
        alone.learn(adstock[t, 1:2], sold[t, 1:2], demand[t])
    np.testing.assert_allclose(many.entries[:, 1], alone.entries[:, 0], atol=1e-9)


def test_reset_forgets() -> None:
    belief = Belief(TWO, 2)
    belief.learn(np.full((2, 2), 20.0), np.array([10.0, 120.0]), 1.0)
    assert np.abs(belief.entries - Belief(TWO, 2).entries).max() > 0.5
    belief.reset()
    np.testing.assert_array_equal(belief.entries, Belief(TWO, 2).entries)


def test_sales_beyond_any_reason_leave_finite_entries() -> None:
    belief = Belief(TWO, 3)
    for _ in range(100):
        belief.learn(np.array([[0.0, 0.0], [1e9, 1e9], [1e-9, 5.0]]), np.array([1e9, -1e9, 1e12]), 1.0)
    entries = belief.entries
    assert np.all(np.isfinite(entries)) and np.all(np.abs(entries[:4]) <= 5.0) and np.all(entries[4:] >= 0.0)


def test_a_market_that_never_sells_teaches_nothing() -> None:
    belief = Belief(replace(ONE, channels=(replace(ONE.channels[0], beta=0.0),)), 2)
    belief.learn(np.array([[0.0], [5.0]]), np.zeros(2), 1.0)
    np.testing.assert_allclose(belief.entries, ignorant(1, 2), atol=1e-12)


def believed_and_true(market: Market, n: int, periods: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means, deviations and truths of n random campaigns at their end, shapes (n, 2 N)."""
    envs = AdSpendVectorEnv(n, market, periods=periods, belief=True, autoreset_mode="Disabled")
    envs.reset(seed=1000)
    rng = np.random.default_rng(1)
    for _ in range(periods):
        observations = envs.step(rng.uniform(-1.0, 0.0, (n, len(market.names))).astype(np.float32))[0]
    random, curves = market.randomness, envs.scenario.curves
    assert curves is not None
    truths = [
        np.log(drawn / expected) / sigma + sigma / 2
        for drawn, expected, sigma in (
            (curves.beta, market.beta, random.beta_sigma),
            (curves.kappa, market.kappa, random.kappa_sigma),
        )
    ]
    mean, deviation = np.split(observations[:, of_belief(envs)], 2, axis=1)
    return mean, deviation, np.concatenate(truths, axis=1)


def rms(errors: np.ndarray) -> np.ndarray:
    return np.sqrt((errors.astype(np.float64) ** 2).mean(axis=0))


@pytest.mark.parametrize(("noise", "periods", "tolerance"), [(0.3, 28, 0.065), (0.1, 14, 0.1), (0.05, 28, 0.2)])
def test_doubt_is_as_large_as_the_error(noise: float, periods: int, tolerance: float) -> None:
    """
    The standard error of 2000 campaigns is 1.6 %. The rest is that of the points: the more exact the sales and the
    longer the campaign, the fewer are left, and they are trusted too much.
    """
    preset = PRESETS["uncertain"]()
    market = replace(preset, randomness=replace(preset.randomness, sales_sigma=noise))
    mean, deviation, truth = believed_and_true(market, 2000, periods)
    error, prior = rms(mean - truth), rms(truth)
    np.testing.assert_allclose(error, rms(deviation), rtol=tolerance)
    # Total sales tell of beta; kappa hardly shows in them.
    assert np.all(error[:2] < 0.85 * prior[:2]) and np.all(error[2:] < (1.0 + tolerance / 2) * prior[2:])
    assert np.all((mean * truth)[:, :2].mean(axis=0) > 0.2)


def test_more_sales_and_less_noise_teach_more() -> None:
    preset = PRESETS["uncertain"]()
    noisy = replace(preset, randomness=replace(preset.randomness, sales_sigma=0.3))
    runs = {}
    for name, market, periods in (("short", preset, 3), ("long", preset, 28), ("noisy", noisy, 28)):
        mean, deviation, truth = believed_and_true(market, 500, periods)
        runs[name] = np.array([rms(mean - truth)[:2], rms(deviation)[:2]])
    assert np.all(runs["long"] < 0.9 * runs["short"]) and np.all(runs["long"] < 0.9 * runs["noisy"])


def test_marginal_sales_by_hand() -> None:
    """Before anything is seen the mean over the points, for a Hill curve of exponent 2 and one of 1."""
    belief = with_points(TWO, [[0.0, 0.0, 0.0, 0.0]])
    beta, kappa = TWO.beta * np.exp(-0.125), TWO.kappa * np.exp(-0.08)
    adstock = np.array([[10.0, 5.0]])
    steep = beta[0] * 2.0 * 10.0 * kappa[0] ** 2 / (kappa[0] ** 2 + 100.0) ** 2
    flat = beta[1] * kappa[1] / (kappa[1] + 5.0) ** 2
    np.testing.assert_allclose(belief.marginal(adstock), [[steep], [flat]], rtol=1e-12)
    two = with_points(TWO, [[0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0]])
    np.testing.assert_allclose(two.marginal(adstock)[:, 0], np.array([steep, flat]) * (1 + np.exp(0.5)) / 2, rtol=1e-12)
    assert belief.marginal(np.zeros((1, 2)))[0, 0] < 1e-6


def test_logistic_curves_by_hand() -> None:
    """Two points, beta 10 exp(0.375) and 10 exp(-0.625), kappa 4 exp(-0.08); adstock 4 sells beta tanh(lam 4 / 2)."""
    market = replace(ONE, channels=(replace(ONE.channels[0], saturation="logistic"),))
    belief = with_points(market, [[1.0, 0.0], [-1.0, 0.0]])
    lam = np.log(3) / (4 * np.exp(-0.08))
    beta = 10 * np.exp(np.array([0.375, -0.625]))
    slope = beta * lam / 2 / np.cosh(2 * lam) ** 2
    np.testing.assert_allclose(belief.marginal(np.array([[4.0]])), [[slope.mean()]], rtol=1e-12)
    belief.learn(np.array([[4.0]]), np.array([10.0]), 2.0)
    likelihood = np.exp(-((10.0 - 2 * beta * np.tanh(2 * lam)) ** 2) / 2)
    weights = likelihood / likelihood.sum()
    assert belief.entries[0, 0] == pytest.approx(weights @ [1.0, -1.0])
    np.testing.assert_allclose(belief.marginal(np.array([[4.0]])), [[weights @ slope]], rtol=1e-12)


def test_only_drawn_parameters_are_shown() -> None:
    market = replace(TWO, randomness=Randomness(beta_sigma=0.5, sales_sigma=0.1))
    belief = Belief(market, 3)
    assert belief.names == ["belief_beta_a", "belief_beta_b", "doubt_beta_a", "doubt_beta_b"]
    np.testing.assert_allclose(belief.entries, [[0.0] * 3] * 2 + [[1.0] * 3] * 2, atol=1e-12)
