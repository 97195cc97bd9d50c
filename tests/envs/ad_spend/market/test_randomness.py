import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ad_spend_strategies import one_line, random_markets
from hypothesis import HealthCheck, given, settings

from sb3_ext.envs.ad_spend import Channel, Market, Randomness

SIGMAS = ["price_sigma", "beta_sigma", "kappa_sigma", "drift_sigma", "delivery_sigma", "sales_sigma"]


A = Channel("a", beta=10.0, kappa=5.0)


def test_nothing_is_random_by_default() -> None:
    assert not Randomness().any
    assert Market((A,)).randomness == Randomness()


@pytest.mark.parametrize("sigma", SIGMAS)
def test_every_sigma_makes_a_market_random(sigma: str) -> None:
    random = Randomness(**{sigma: 0.1})
    assert random.any
    assert random.draws_parameters is (sigma in ("beta_sigma", "kappa_sigma"))


def test_persistence_of_shocks_that_do_not_happen_is_not_random() -> None:
    assert not Randomness(price_persistence=0.9).any
    assert Randomness(use_draws=True).any
    assert Randomness(use_draws=True).draws_parameters


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf, -math.inf, "0.1", None, True, [0.1], 1 + 2j])
@pytest.mark.parametrize("field", [*SIGMAS, "price_persistence"])
def test_numbers_out_of_range(field: str, value: Any) -> None:
    with pytest.raises(ValueError) as error:
        Randomness(**{field: value})
    one_line(error, field, repr(value))


@pytest.mark.parametrize(
    ("field", "highest", "interval"),
    [(sigma, 10.0 if sigma == "sales_sigma" else 2.0, "]") for sigma in SIGMAS] + [("price_persistence", 1.0, ")")],
)
def test_upper_ends(field: str, highest: float, interval: str) -> None:
    with pytest.raises(ValueError) as error:
        Randomness(**{field: highest * 1.01})
    one_line(error, field, f"[0, {highest:g}{interval}")
    allowed = highest if interval == "]" else math.nextafter(highest, 0.0)
    assert getattr(Randomness(**{field: allowed}), field) == allowed


def test_persistence_of_one_would_have_no_stationary_start() -> None:
    with pytest.raises(ValueError) as error:
        Randomness(price_sigma=0.1, price_persistence=1.0)
    one_line(error, "price_persistence", "[0, 1)", "1.0")


@pytest.mark.parametrize("value", [1, 0, "true", None, 0.5])
def test_use_draws_is_true_or_false(value: Any) -> None:
    with pytest.raises(ValueError) as error:
        Randomness(use_draws=value)
    one_line(error, "use_draws", repr(value))


@pytest.mark.parametrize("sigma", ["beta_sigma", "kappa_sigma"])
def test_draws_leave_no_other_parameters_to_draw(sigma: str) -> None:
    with pytest.raises(ValueError) as error:
        Randomness(use_draws=True, **{sigma: 0.1})
    one_line(error, "use_draws", "beta_sigma", "kappa_sigma")


def test_numpy_numbers_become_floats() -> None:
    random = Randomness(price_sigma=np.float32(0.5), sales_sigma=np.int64(2))  # type: ignore[arg-type]
    assert [type(getattr(random, field.name)) for field in fields(random)].count(float) == 7
    assert (random.price_sigma, random.sales_sigma) == (0.5, 2.0)


def test_markets_refuse_draws_they_do_not_have_and_other_types() -> None:
    with pytest.raises(ValueError) as error:
        Market((A,), randomness=Randomness(use_draws=True))
    one_line(error, "use_draws", "draws")
    Market((A,), draws=((A,),), randomness=Randomness(use_draws=True))
    for other in (None, {"price_sigma": 0.1}, 0.1):
        with pytest.raises(ValueError) as error:
            Market((A,), randomness=other)  # type: ignore[arg-type]
        one_line(error, "randomness", type(other).__name__)


def test_weekly_to_daily_by_hand() -> None:
    weekly = Randomness(0.3, 0.5, 0.2, 0.1, drift_sigma=0.7, delivery_sigma=0.4, sales_sigma=0.05)
    daily = weekly.with_period(1 / 7)
    assert daily.price_persistence**7 == pytest.approx(0.5)
    # A random walk of seven days moves as far as one of a week.
    assert 7 * daily.drift_sigma**2 == pytest.approx(0.7**2)
    # Noise of seven days, each relative to a seventh of the sales, adds up to that of a week.
    assert math.sqrt(7) * daily.sales_sigma / 7 == pytest.approx(0.05)
    kept = {"price_persistence", "drift_sigma", "sales_sigma"}
    assert replace(daily, **{name: getattr(weekly, name) for name in kept}) == weekly


def test_markets_convert_their_randomness() -> None:
    weekly = Market((A,), period_days=7.0, randomness=Randomness(price_sigma=0.3, price_persistence=0.5))
    daily = weekly.with_period(1.0)
    assert daily.randomness == weekly.randomness.with_period(1 / 7)
    back = daily.with_period(7.0).randomness
    assert back.price_persistence == pytest.approx(0.5)
    assert back.price_sigma == 0.3


def test_white_noise_stays_white() -> None:
    assert Randomness(price_persistence=0.0).with_period(1 / 7).price_persistence == 0.0


@given(random_markets())
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_saving_and_loading_keeps_the_randomness(tmp_path: Path, market: Market) -> None:
    market.save(tmp_path / "market.json")
    loaded = Market.load(tmp_path / "market.json")
    assert loaded == market
    assert hash(loaded) == hash(market)
