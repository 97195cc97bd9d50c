"""Windows of carry-over: their weights by hand, what a market makes of them, and its file."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from ad_spend_strategies import markets, one_line
from hypothesis import given, settings
from hypothesis import strategies as st

from sb3_ext.envs.ad_spend import Channel, Market
from sb3_ext.envs.ad_spend.market.carry_over import (
    binomial_weights,
    delayed_weights,
    delays,
    geometric_weights,
    impulse,
    left_over,
    weibull_density_weights,
    weibull_survival_weights,
)

TV = Channel("tv", beta=100.0, kappa=10.0, historical_mean=4.0, weights=(0.2, 0.5, 0.3), history=(9.0, 8.0, 6.0, 2.0))
RADIO = Channel("radio", beta=50.0, kappa=5.0, theta=0.5, initial_adstock=8.0)


def test_weights_by_hand() -> None:
    half, two = np.array([0.5]), np.array([2.0])
    np.testing.assert_allclose(geometric_weights(half, 3), [[1.0, 0.5, 0.25]])
    np.testing.assert_allclose(delayed_weights(half, np.array([1.0]), 4), [[0.5, 1.0, 0.5, 0.0625]])
    np.testing.assert_allclose(delayed_weights(half, np.array([0.5]), 2), [[0.5**0.25, 0.5**0.25]])
    np.testing.assert_allclose(binomial_weights(half, 3), [[1.0, 0.75, 0.5]])
    density = np.array([0.5 * t * np.exp(-(t**2) / 4.0) for t in (1.0, 2.0, 3.0)])
    stretched = (density - density.min()) / (density.max() - density.min())
    np.testing.assert_allclose(weibull_density_weights(two, two, 3), [stretched])
    left = np.exp(-np.array([1.0, 4.0]) / 4.0)
    np.testing.assert_allclose(weibull_survival_weights(two, two, 2), [[1.0, left[0], left[0] * left[1]]])


def test_adstock_of_a_window_by_hand() -> None:
    """The past is read from its end; where it is too short, the historical mean was spent before."""
    market = Market((TV, RADIO))
    np.testing.assert_allclose(market.initial_adstock, [0.2 * 2 + 0.5 * 6 + 0.3 * 8, 8.0])
    levels = market.adstock([[10.0, 2.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    tv = [0.2 * 10 + 0.5 * 2 + 0.3 * 6, 0.5 * 10 + 0.3 * 2, 0.3 * 10, 0.0]
    np.testing.assert_allclose(levels, np.transpose([tv, [5.0, 2.5, 1.25, 0.625]]))
    short = Market((replace(TV, history=(3.0,)),))
    np.testing.assert_array_equal(short.window, [[3.0, 4.0, 4.0]])


def test_sales_of_spends_that_saturate_first_by_hand() -> None:
    """Each spend sells on its own curve, and its sales are spread by the weights."""
    market = Market((TV,), saturation_first=True)
    sold = [100.0 * spend / (10.0 + spend) for spend in (6.0, 2.0, 10.0)]
    expected = [0.3 * sold[0] + 0.5 * sold[1] + 0.2 * sold[2], 0.3 * sold[1] + 0.5 * sold[2]]
    np.testing.assert_allclose(market.sales([[10.0], [0.0]])[:, 0], expected)
    np.testing.assert_allclose(
        Market((TV,)).sales([[10.0]])[0, 0], 100.0 * 4.8 / 14.8
    )  # the adstock of the test above saturates as a whole


@given(markets(), st.integers(1, 8), st.integers(0, 2**20))
@settings(max_examples=50, deadline=None)
def test_impulse_delays_and_what_is_left_are_the_recursion(market: Market, periods: int, seed: int) -> None:
    media = np.random.default_rng(seed).uniform(0.0, 50.0, (periods, len(market.names)))
    carried = delays(impulse(market.theta, market.weights, periods), periods)
    levels = (carried @ media.T[..., None])[..., 0] + market.initial_adstock[:, None] * market.theta[
        :, None
    ] ** np.arange(1, periods + 1)
    if market.weights is not None and market.window is not None:
        levels += left_over(market.weights, market.window, periods)
    np.testing.assert_allclose(market.adstock(media), levels.T, rtol=1e-10, atol=1e-9)


def test_files_of_the_second_format(tmp_path: Path) -> None:
    """A market with a window, its draws as arrays; what fits the first format is still written so."""
    draws = tuple((replace(TV, kappa=kappa, weights=(0.5, 0.5)), RADIO) for kappa in (5.0, 7.0))
    market = Market((TV, RADIO), draws=draws, baseline=(10.0, 20.0), first_day=date(2027, 1, 4))
    market.save(tmp_path / "market.json")
    written = json.loads((tmp_path / "market.json").read_text())
    assert written["schema"] == "adspend-params/2" and written["first_day"] == "2027-01-04"
    assert written["draws"] == {"kappa": [[5.0, 5.0], [7.0, 5.0]], "weights": [[[0.5, 0.5], None]] * 2}
    assert Market.load(tmp_path / "market.json") == market
    assert Market((RADIO,)).to_dict()["schema"] == "adspend-params/1"
    for other in (
        Market((TV,)),
        Market((replace(RADIO, history=(1.0,)),)),
        Market((Channel("a", 1.0, 1.0, saturation="root"),)),
        Market((RADIO,), baseline=(1.0,)),
        Market((TV,), saturation_first=True),
        Market((TV,), draws=((TV,), (TV,))),
        Market((TV,), draws=((replace(TV, cap=3.0),),)),
    ):
        assert other.to_dict()["schema"] == "adspend-params/2"
        assert Market.from_dict(json.loads(json.dumps(other.to_dict()))) == other


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"weights": (0.5, 0.4)}, ["tv", "weights", "add up to 1", "0.9"]),
        ({"weights": ()}, ["weights", "add up to 1"]),
        ({"weights": (1.5, -0.5)}, ["weights", "from 0 to"]),
        ({"weights": ("a",)}, ["weights", "list of numbers"]),
        ({"theta": 0.5}, ["tv", "weights", "theta"]),
        ({"initial_adstock": 2.0}, ["weights", "initial_adstock", "history"]),
        ({"history": (float("nan"),)}, ["history", "list of numbers"]),
        ({"history": 3.0}, ["history", "list"]),
        ({"saturation": "root", "alpha": 1.5}, ["alpha", "root", "at most 1", "1.5"]),
    ],
)
def test_channels_out_of_range(changes: dict, said: list[str]) -> None:
    with pytest.raises(ValueError) as error:
        replace(TV, **changes)
    one_line(error, *said)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"channels": (TV, RADIO), "saturation_first": True}, ["saturation_first", "weights", "radio"]),
        ({"channels": (TV,), "draws": ((replace(TV, weights=None),),)}, ["tv", "weights"]),
        ({"channels": (TV,), "saturation_first": 1}, ["saturation_first", "1"]),
        ({"channels": (TV,), "baseline": (float("inf"),)}, ["baseline", "inf"]),
        ({"channels": (TV,), "first_day": "2027-01-04"}, ["first_day", "date"]),
    ],
)
def test_markets_out_of_range(arguments: dict, said: list[str]) -> None:
    with pytest.raises(ValueError) as error:
        Market(**arguments)
    one_line(error, *said)


def test_windows_keep_their_period_length() -> None:
    market = Market((TV, RADIO), period_days=7.0)
    with pytest.raises(ValueError) as error:
        market.with_period(1.0)
    one_line(error, "tv", "weights", "period")
    assert market.with_period(7.0) == market


@pytest.mark.parametrize(
    ("draws", "said"),
    [
        ({"gamma": [[1.0, 1.0]]}, ["gamma", "beta"]),
        ({"beta": [[1.0]]}, ["beta", "2 channels"]),
        ({"beta": 3.0}, ["beta", "list"]),
        ({"beta": [[1.0, 1.0]], "kappa": [[1.0, 1.0]] * 2}, ["as many draws", "[1, 2]"]),
        ({"beta": [[1.0, 1.0], [1.0, float("nan")]]}, ["draw 1", "radio", "beta", "nan"]),
        (3, ["draws", "int"]),
    ],
)
def test_draws_of_a_file_out_of_range(draws: object, said: list[str]) -> None:
    with pytest.raises(ValueError) as error:
        Market.from_dict(Market((TV, RADIO)).to_dict() | {"draws": draws})
    one_line(error, *said)


def test_base_sales_follow_the_calendar() -> None:
    """They start on the first day after the data, and repeat; another start is so many periods later or earlier."""
    market = Market((TV,), period_days=7.0, baseline=(1.0, 2.0, 3.0), first_day=date(2027, 1, 4))
    np.testing.assert_array_equal(market.base_sales(4), [1.0, 2.0, 3.0, 1.0])
    np.testing.assert_array_equal(market.base_sales(2, date(2027, 1, 11)), [2.0, 3.0])
    np.testing.assert_array_equal(market.base_sales(2, date(2026, 12, 28)), [3.0, 1.0])
    np.testing.assert_array_equal(Market((TV,)).base_sales(2), [0.0, 0.0])
