from dataclasses import replace

import numpy as np
import pytest

from sb3_ext.envs.ad_spend import Channel, Market, Randomness
from sb3_ext.envs.ad_spend.campaign.learning import expected_sales, learn_from_sales
from sb3_ext.envs.ad_spend.market.presets import uncertain

TV = Channel("tv", beta=100.0, kappa=10.0)
SPEND = np.array([[10.0], [30.0], [10.0], [90.0], [0.0], [20.0]])


def drawn(*betas: float) -> Market:
    return Market((TV,), draws=tuple((replace(TV, beta=beta),) for beta in betas))


def test_expected_sales_by_hand() -> None:
    np.testing.assert_allclose(expected_sales(drawn(100.0, 40.0), SPEND[:2])[..., 0], [[50.0, 75.0], [20.0, 30.0]])


@pytest.mark.parametrize("base", [0.0, None])
def test_weights_are_the_likelihoods(base: float | None) -> None:
    """Two draws whose log-likelihoods differ by a number computed by hand, and the shares they are kept with."""
    market, sales = drawn(*[100.0, 90.0] * 500), expected_sales(drawn(98.0), SPEND)[0, :, 0]
    learned = learn_from_sales(market, SPEND, sales, noise=5.0, base=base)
    shares = SPEND[:, 0] / (10.0 + SPEND[:, 0])
    if base is None:
        shares = shares - shares.mean()
    ratio = np.exp(-(2.0**2 - 8.0**2) * (shares @ shares) / (2.0 * 5.0**2))
    kept = np.mean([channels[0].beta == 100.0 for channels in learned.market.draws])
    assert kept == pytest.approx(ratio / (1.0 + ratio), abs=0.03)
    assert learned.market.channels[0].beta == pytest.approx(90.0 + 10.0 * kept)
    assert learned.effective == pytest.approx(1000 * (1 + ratio) ** 2 / (2 * (1 + ratio**2)))
    assert learned.candidates == 1000


def test_an_unknown_base_and_noise_are_no_obstacle() -> None:
    betas = np.linspace(20.0, 180.0, 400)
    sales = expected_sales(drawn(130.0), SPEND)[0, :, 0] + 1000.0 + np.random.default_rng(0).normal(0.0, 3.0, 6)
    learned = learn_from_sales(drawn(*betas), SPEND, sales)
    assert learned.market.channels[0].beta == pytest.approx(130.0, abs=12.0)
    assert np.std([channels[0].beta for channels in learned.market.draws]) < 15.0


def test_a_market_that_draws_its_parameters_is_sampled() -> None:
    market = uncertain()
    spend = np.random.default_rng(1).uniform(0.0, 8000.0, (40, 2))
    truth = replace(market, channels=tuple(replace(c, beta=1.6 * c.beta) for c in market.channels))
    sales = expected_sales(replace(truth, draws=(truth.channels,)), spend)[0].sum(axis=1)
    learned = learn_from_sales(market, spend, sales, noise=300.0, base=0.0)
    believed = expected_sales(replace(learned.market, draws=(learned.market.channels,)), spend)[0].sum(axis=1)
    np.testing.assert_allclose(believed, sales, rtol=0.1)
    assert len(learned.market.draws) == 200 and learned.market.randomness.use_draws
    assert (learned.market.randomness.beta_sigma, learned.market.randomness.sales_sigma) == (0.0, 0.05)


def test_missing_sales_tell_nothing() -> None:
    sales = expected_sales(drawn(120.0), SPEND)[0, :, 0]
    gaps = np.where([True, True, False, True, True, True], sales, np.nan)
    market = drawn(*np.linspace(50.0, 150.0, 100))
    full = learn_from_sales(market, SPEND[[0, 1, 3, 4, 5]], sales[[0, 1, 3, 4, 5]], noise=2.0)
    assert learn_from_sales(market, SPEND, gaps, noise=2.0).effective == pytest.approx(full.effective)


@pytest.mark.parametrize(
    ("market", "known", "options", "reason"),
    [
        (drawn(1.0, 2.0), 3, {}, "the sales of 3 periods tell nothing yet: 4 are needed while base and noise"),
        (drawn(1.0, 2.0), 1, {"noise": 1.0}, "the sales of 1 periods tell nothing yet: 2 are needed"),
        (Market((TV,)), 6, {}, "the market has no draws"),
        (Market((TV,), randomness=Randomness(sales_sigma=0.1)), 6, {}, "the market has no draws"),
    ],
)
def test_what_teaches_nothing_is_said(market: Market, known: int, options: dict[str, float], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        learn_from_sales(market, SPEND, np.where(np.arange(6) < known, 5.0, np.nan), **options)
