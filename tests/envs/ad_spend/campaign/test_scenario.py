"""Moments are of fixed seeds; their tolerances are five standard errors."""

import copy
import math
import pickle
from dataclasses import replace

import numpy as np
import pytest

from sb3_ext.envs.ad_spend import Channel, Market, Randomness
from sb3_ext.envs.ad_spend.campaign.scenario import EXTREME, MOST_DELIVERED, Scenario, ScenarioSampler

CAMPAIGNS = 2000
MARKET = Market(
    (
        Channel("a", beta=30.0, kappa=4.0, theta=0.5, historical_mean=2.0, cap=9.0),
        Channel("b", beta=90.0, kappa=2.0, alpha=0.5),
    )
)
DRAWS = tuple(
    tuple(replace(c, beta=c.beta * k, kappa=c.kappa + k, theta=k / 10) for c in MARKET.channels) for k in (1, 2, 5)
)
STREAMS = {
    "price_shock": Randomness(price_sigma=0.3),
    "curves": Randomness(beta_sigma=0.5, kappa_sigma=0.4),
    "drift": Randomness(drift_sigma=0.1),
    "delivery": Randomness(delivery_sigma=0.3),
    "sales_noise": Randomness(sales_sigma=0.1),
}
ALL = Randomness(0.3, 0.7, 0.5, 0.4, drift_sigma=0.1, delivery_sigma=0.3, sales_sigma=0.1)


def sampler(random: Randomness, seeds: range, periods: int = 6, draws: bool = False) -> ScenarioSampler:
    market = replace(MARKET, draws=DRAWS if draws else (), randomness=random)
    drawn = ScenarioSampler(market, periods)
    drawn.seed([np.random.default_rng(seed) for seed in seeds])
    return drawn


def sample(random: Randomness, campaigns: int = CAMPAIGNS, periods: int = 6, draws: bool = False) -> Scenario:
    return sampler(random, range(campaigns), periods, draws).draw()


def arrays(scenario: Scenario) -> dict[str, np.ndarray]:
    """Everything random in a scenario, by name."""
    names = ("price_shock", "media", "drift", "delivery", "sales_noise", "theta")
    found = {name: getattr(scenario, name) for name in names}
    if scenario.curves is not None:
        found |= {name: getattr(scenario.curves, name) for name in ("beta", "kappa", "alpha")}
    return {name: array for name, array in found.items() if array is not None}


def assert_equal(first: Scenario, second: Scenario) -> None:
    first_arrays, second_arrays = arrays(first), arrays(second)
    assert first_arrays.keys() == second_arrays.keys()
    for name, array in first_arrays.items():
        np.testing.assert_array_equal(array, second_arrays[name], err_msg=name)


def test_shocks_follow_the_autoregression() -> None:
    """Without persistence shocks are the normals themselves; the others follow from them."""
    normals = sample(Randomness(price_sigma=1.0, price_persistence=0.0), 3).price_shock
    scenario = sample(Randomness(price_sigma=0.3, price_persistence=0.6), 3)
    z = 0.3 * normals[0]
    for t in range(6):
        if t:
            z = 0.6 * z + math.sqrt(1 - 0.6**2) * 0.3 * normals[t]
        np.testing.assert_allclose(scenario.price_shock[t], z, rtol=1e-12)
        np.testing.assert_allclose(scenario.media[t], np.exp(z - 0.3**2 / 2), rtol=1e-12)


@pytest.mark.parametrize("rho", [0.0, 0.7, 0.95])
def test_shocks_are_stationary(rho: float) -> None:
    shock = sample(Randomness(price_sigma=0.4, price_persistence=rho), periods=8).price_shock / 0.4
    n = CAMPAIGNS
    np.testing.assert_allclose(shock.mean(axis=1), 0.0, atol=5 / math.sqrt(n))
    np.testing.assert_allclose(shock.var(axis=1), 1.0, atol=5 * math.sqrt(2 / n))
    for lag in (1, 3):
        moments = (shock[lag:] * shock[:-lag]).mean(axis=1)
        np.testing.assert_allclose(moments, rho**lag, atol=5 * math.sqrt((1 + rho ** (2 * lag)) / n))
    channels = (shock[:, :, 0] * shock[:, :, 1]).mean(axis=1)
    np.testing.assert_allclose(channels, 0.0, atol=5 / math.sqrt(n))
    assert abs(np.corrcoef(shock[0, :-1, 0], shock[0, 1:, 0])[0, 1]) < 5 / math.sqrt(n)


def lognormal_error(sigma: float) -> float:
    return 5 * math.sqrt(math.expm1(sigma**2) / CAMPAIGNS)


def test_factors_have_the_mean_one() -> None:
    scenario = sample(replace(ALL, delivery_sigma=0.0))
    np.testing.assert_allclose(scenario.media.mean(axis=1), 1.0, atol=lognormal_error(0.3))
    for t in range(6):
        np.testing.assert_allclose(
            scenario.drift[t].mean(axis=0), 1.0, atol=lognormal_error(0.1 * math.sqrt(t)) + 1e-12
        )
    np.testing.assert_allclose(scenario.curves.beta.mean(axis=0) / MARKET.beta, 1.0, atol=lognormal_error(0.5))
    np.testing.assert_allclose(scenario.curves.kappa.mean(axis=0) / MARKET.kappa, 1.0, atol=lognormal_error(0.4))
    assert scenario.sales_noise.mean() == pytest.approx(0.0, abs=5 * 0.1 * 120 / math.sqrt(6 * CAMPAIGNS))


def test_parameters_are_log_normal() -> None:
    scenario = sample(ALL)
    curves = scenario.curves
    error = 5 / math.sqrt(2 * CAMPAIGNS)
    np.testing.assert_allclose(np.log(curves.beta).std(axis=0), 0.5, rtol=error)
    np.testing.assert_allclose(np.log(curves.kappa).std(axis=0), 0.4, rtol=error)
    logs = np.column_stack([np.log(curves.beta), np.log(curves.kappa)])
    np.testing.assert_allclose(np.corrcoef(logs, rowvar=False), np.eye(4), atol=5 / math.sqrt(CAMPAIGNS))
    np.testing.assert_array_equal(curves.alpha, np.broadcast_to(MARKET.alpha, (CAMPAIGNS, 2)))
    assert scenario.theta is None


def test_one_parameter_alone_can_be_drawn() -> None:
    both = sample(ALL, 3).curves
    for name, other in (("beta", "kappa"), ("kappa", "beta")):
        curves = sample(replace(ALL, **{f"{other}_sigma": 0.0}), 3).curves
        np.testing.assert_array_equal(getattr(curves, name), getattr(both, name))
        np.testing.assert_array_equal(getattr(curves, other), np.broadcast_to(getattr(MARKET, other), (3, 2)))


def test_drift_is_a_random_walk_from_one() -> None:
    logs = np.log(sample(Randomness(drift_sigma=0.2)).drift)
    np.testing.assert_array_equal(logs[0], 0.0)
    steps = np.diff(logs, axis=0)
    np.testing.assert_allclose(steps.mean(axis=1), -(0.2**2) / 2, atol=5 * 0.2 / math.sqrt(CAMPAIGNS))
    np.testing.assert_allclose(steps.std(axis=1), 0.2, rtol=5 / math.sqrt(2 * CAMPAIGNS))
    np.testing.assert_allclose((steps[1:] * steps[:-1]).mean(axis=1), 0.02**2, atol=5 * 0.2**2 / math.sqrt(CAMPAIGNS))


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.0])
def test_delivery_is_log_normal_up_to_twice_the_order(sigma: float) -> None:
    delivery = sample(Randomness(delivery_sigma=sigma)).delivery
    assert delivery.min() > 0.0
    assert delivery.max() == MOST_DELIVERED == 2.0
    normals = np.log(sample(Randomness(delivery_sigma=1e-3)).delivery) / 1e-3 + 1e-3 / 2
    np.testing.assert_allclose(delivery, np.minimum(np.exp(sigma * normals - sigma**2 / 2), 2.0), rtol=1e-9)

    def below(z: float) -> float:
        return 0.5 * (1 + math.erf(z / math.sqrt(2)))

    mean = below((math.log(2) - sigma**2 / 2) / sigma) + 2 * below(-(math.log(2) + sigma**2 / 2) / sigma)
    assert delivery.mean() == pytest.approx(mean, abs=5 * delivery.std() / math.sqrt(delivery.size))


def test_noise_is_relative_to_the_saturation_sales() -> None:
    noise = sample(Randomness(sales_sigma=0.05)).sales_noise
    assert noise.shape == (6, CAMPAIGNS)
    np.testing.assert_allclose(noise.std(axis=1), 0.05 * (30 + 90), rtol=5 / math.sqrt(2 * CAMPAIGNS))
    np.testing.assert_allclose((noise[1:] * noise[:-1]).mean(axis=1), 0.0, atol=5 * 6.0**2 / math.sqrt(CAMPAIGNS))


def test_extreme_shocks_are_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    random = Randomness(price_sigma=0.5, price_persistence=0.0)
    assert EXTREME == 5.0
    free = sample(random, 50).price_shock
    monkeypatch.setattr("sb3_ext.envs.ad_spend.campaign.scenario.EXTREME", 1.0)
    np.testing.assert_array_equal(sample(random, 50).price_shock, np.clip(free, -0.5, 0.5))


@pytest.mark.parametrize("stream", STREAMS)
def test_a_stream_does_not_care_for_the_others(stream: str) -> None:
    alone, together = sample(STREAMS[stream], 3), sample(ALL, 3)
    for name, array in arrays(alone).items():
        np.testing.assert_array_equal(array, arrays(together)[name], err_msg=name)
    for name in STREAMS:
        assert (getattr(alone, name) is None) == (name != stream)


def test_streams_are_different_numbers() -> None:
    """Nothing of one stream must be read off another."""
    scenario = sample(ALL, 2000)
    columns = np.column_stack(
        [
            scenario.price_shock[0],
            np.log(scenario.drift[1]),
            np.minimum(scenario.delivery[0], 1.9),
            scenario.sales_noise[0],
            np.log(scenario.curves.beta),
            np.log(scenario.curves.kappa),
        ]
    )
    np.testing.assert_allclose(np.corrcoef(columns, rowvar=False), np.eye(11), atol=5 / math.sqrt(2000))


def test_draws_are_equally_likely_and_whole() -> None:
    scenario = sample(Randomness(use_draws=True), draws=True)
    curves = scenario.curves
    chosen = [[np.allclose(beta, [c.beta for c in draw]) for draw in DRAWS] for beta in curves.beta]
    shares = np.mean(chosen, axis=0)
    np.testing.assert_allclose(shares, 1 / 3, atol=5 * math.sqrt(2 / 9 / CAMPAIGNS))
    for name in ("beta", "kappa", "alpha", "theta"):
        columns = np.array([[getattr(channel, name) for channel in draw] for draw in DRAWS])
        drawn = scenario.theta if name == "theta" else getattr(curves, name)
        np.testing.assert_array_equal(drawn, columns[np.argmax(chosen, axis=1)], err_msg=name)


def test_draws_are_not_used_unless_asked_for() -> None:
    assert sample(Randomness(price_sigma=0.1), 3, draws=True).curves is None


def test_episodes_differ_and_seeds_repeat_them() -> None:
    drawn = sampler(ALL, range(5, 8))
    first, second = drawn.draw(), drawn.draw()
    for name, array in arrays(first).items():
        if name != "alpha":
            assert not np.any(array[1:] == arrays(second)[name][1:]), name
    again = sampler(ALL, range(5, 8))
    assert_equal(again.draw(), first)
    assert_equal(again.draw(), second)
    again.seed([np.random.default_rng(seed) for seed in range(5, 8)])
    assert_equal(again.draw(), first)


@pytest.mark.parametrize("draws", [False, True])
def test_a_campaign_does_not_depend_on_its_neighbours(draws: bool) -> None:
    random = replace(ALL, use_draws=True, beta_sigma=0.0, kappa_sigma=0.0) if draws else ALL
    many = sampler(random, range(10, 14), draws=draws)
    alone = [sampler(random, range(seed, seed + 1), draws=draws) for seed in range(10, 14)]
    for _ in range(3):
        together = many.draw()
        for campaign, one in enumerate(alone):
            assert_equal(together.of(campaign), one.draw().of(0))


def test_shapes() -> None:
    shapes = {name: array.shape for name, array in arrays(sample(ALL, 3)).items()}
    path = (6, 3, 2)
    assert shapes == {
        **{"price_shock": path, "media": path, "drift": path, "delivery": path, "sales_noise": (6, 3)},
        **{"beta": (3, 2), "kappa": (3, 2), "alpha": (3, 2)},
    }
    assert {array.shape for array in arrays(sample(ALL, 3).of(1)).values()} == {(6, 2), (6,), (2,)}


def test_seeding_leaves_the_generator_alone() -> None:
    generator, untouched = np.random.default_rng(3), np.random.default_rng(3)
    drawn = ScenarioSampler(replace(MARKET, randomness=ALL), 4)
    drawn.seed([generator])
    drawn.draw()
    assert generator.random() == untouched.random()
    np.testing.assert_array_equal(generator.spawn(1)[0].random(3), untouched.spawn(1)[0].random(3))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda drawn: pickle.loads(pickle.dumps(drawn))])
def test_copies_continue_the_path(copied) -> None:
    drawn = sampler(ALL, range(3))
    drawn.draw()
    twin = copied(drawn)
    assert_equal(drawn.draw(), twin.draw())
