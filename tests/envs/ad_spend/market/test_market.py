import json
import math
import os
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ad_spend_strategies import markets, one_line
from hypothesis import given, settings
from hypothesis import strategies as st

from sb3_ext.envs.ad_spend import Channel, Market, Randomness
from sb3_ext.envs.ad_spend.market.checks import check_number
from sb3_ext.envs.ad_spend.market.document import SCHEMA

A = Channel("a", beta=100.0, kappa=20.0, alpha=0.5, theta=0.25, historical_mean=4.0, cap=50.0, historical_max=40.0)
B = Channel("b", beta=60.0, kappa=10.0)
MARKET = Market((A, B), season=(1.0, 2.0), margin=0.5, spend_cost=0.25, tail_periods=3, period_days=2.0)


def document(**changes: object) -> dict[str, object]:
    return {"schema": SCHEMA, "channels": [{"name": "a", "beta": 1.0, "kappa": 2.0}], **changes}


def write(path: Path, data: object) -> Path:
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


@pytest.mark.parametrize(
    ("alpha", "adstock", "share"),
    [
        (1.0, 20.0, 1 / 2),
        (1.0, 60.0, 3 / 4),
        (0.5, 20.0, 1 / 2),
        (0.5, 80.0, 2 / 3),
        (3.0, 20.0, 1 / 2),
        (3.0, 40.0, 8 / 9),
        (3.0, 10.0, 1 / 9),
        (0.5, 0.0, 0.0),
        (1.0, 0.0, 0.0),
        (3.0, 0.0, 0.0),
    ],
)
def test_hill_curve_by_hand(alpha: float, adstock: float, share: float) -> None:
    market = Market((replace(A, alpha=alpha),))
    np.testing.assert_allclose(market.response(np.array([adstock])), [100.0 * share], rtol=1e-13)


def test_channels_with_different_exponents_do_not_disturb_each_other() -> None:
    np.testing.assert_allclose(MARKET.response(np.array([[80.0, 30.0], [20.0, 10.0]])), [[200 / 3, 45.0], [50.0, 30.0]])


@given(markets(), st.floats(0.01, 300.0))
@settings(max_examples=100, deadline=None)
def test_marginal_response_is_the_slope_of_the_response(market: Market, level: float) -> None:
    adstock = np.full(len(market.channels), level)
    step = 1e-5 * level
    slope = (market.response(adstock + step) - market.response(adstock - step)) / (2 * step)
    scale = market.beta / market.kappa + market.beta / level
    np.testing.assert_allclose(market.curves.slope(adstock) / (1 + scale), slope / (1 + scale), rtol=1e-5, atol=1e-8)


def test_slope_at_zero() -> None:
    channels = tuple(replace(A, name=f"alpha {alpha}", alpha=alpha) for alpha in (0.5, 1.0, 2.0))
    np.testing.assert_array_equal(Market(channels).curves.slope(np.zeros(3)), [math.inf, 5.0, 0.0])


def test_adstock_by_hand() -> None:
    levels = MARKET.adstock([[8.0, 3.0], [0.0, 5.0]])
    np.testing.assert_allclose(levels, [[0.25 * 4 + 0.75 * 8, 3.0], [0.25 * 7.0, 5.0]])
    np.testing.assert_allclose(MARKET.adstock([[8.0, 3.0]], initial=[0.0, 0.0]), [[6.0, 3.0]])


@given(markets(), st.integers(1, 30))
@settings(max_examples=50, deadline=None)
def test_constant_spend_is_its_own_adstock(market: Market, periods: int) -> None:
    constant = np.broadcast_to(market.initial_adstock, (periods, len(market.channels)))
    np.testing.assert_allclose(market.adstock(constant, initial=constant[0]), constant, rtol=1e-12)


def test_season_repeats_and_is_cut() -> None:
    np.testing.assert_array_equal(MARKET.season_factors(5), [1.0, 2.0, 1.0, 2.0, 1.0])
    np.testing.assert_array_equal(MARKET.season_factors(1), [1.0])


def test_caps_are_given_or_four_times_the_even_split() -> None:
    np.testing.assert_allclose(MARKET.spend_caps(budget=800.0, periods=10), [50.0, 4 * 800 / 10 / 2])


def test_concavity_is_told_by_the_exponents_that_matter() -> None:
    assert Market((A, B)).is_concave
    assert not Market((A, replace(B, alpha=1.01))).is_concave
    assert Market((A, replace(B, alpha=3.0, beta=0.0))).is_concave


@given(markets(windows=False), st.sampled_from([(7.0, 1.0), (1.0, 7.0), (7.0, 3.5)]), st.floats(0.0, 200.0))
@settings(max_examples=50, deadline=None)
def test_with_period_keeps_steady_states_and_carry_over(
    market: Market, lengths: tuple[float, float], spend: float
) -> None:
    old, new = lengths
    market = replace(market, season=(1.0,), period_days=old, tail_periods=4)
    converted = market.with_period(new)
    per_day = np.full(len(market.channels), spend)
    np.testing.assert_allclose(
        converted.response(per_day * new) / new, market.response(per_day * old) / old, rtol=1e-9, atol=1e-12
    )
    np.testing.assert_allclose(converted.theta ** (old / new), market.theta, atol=1e-12)
    assert converted.period_days == new
    assert converted.tail_periods == math.ceil(4 * old / new)
    np.testing.assert_allclose(converted.initial_adstock / new, market.initial_adstock / old)
    back = converted.with_period(old)
    np.testing.assert_allclose(back.kappa, market.kappa)
    np.testing.assert_allclose(back.theta, market.theta, atol=1e-9)


def test_with_period_converts_caps_and_draws() -> None:
    weekly = Market((A,), period_days=7.0, draws=((replace(A, beta=70.0),),))
    daily = weekly.with_period(1.0)
    channel = daily.channels[0]
    assert (channel.cap, channel.historical_max) == pytest.approx((50 / 7, 40 / 7))
    assert daily.draws[0][0].beta == pytest.approx(10.0)


def test_with_period_refuses_seasons_and_lengths() -> None:
    with pytest.raises(ValueError) as error:
        MARKET.with_period(1.0)
    one_line(error, "constant season")
    with pytest.raises(ValueError) as error:
        Market((A,)).with_period(0.0)
    one_line(error, "period_days", "0.0")


@given(markets(), st.booleans())
@settings(max_examples=100, deadline=None)
def test_saving_and_loading_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, market: Market, draws: bool
) -> None:
    if draws:
        market = replace(market, draws=(market.channels, tuple(replace(c, beta=c.beta / 3) for c in market.channels)))
    path = tmp_path_factory.mktemp("market") / "market.json"
    market.save(path)
    loaded = Market.load(path)
    assert loaded == market
    assert hash(loaded) == hash(market)
    assert Market.from_dict(market.to_dict()) == market


def test_numpy_numbers_can_be_saved(tmp_path: Path) -> None:
    market = Market(
        (Channel("a", beta=np.float32(3.0), kappa=np.int64(2)),),  # type: ignore[arg-type]
        season=tuple(np.ones(2, dtype=np.float32)),
        margin=np.float32(0.5),  # type: ignore[arg-type]
    )
    market.save(tmp_path / "market.json")
    assert Market.load(tmp_path / "market.json") == market


def test_documents_hold_the_schema_and_plain_values(tmp_path: Path) -> None:
    MARKET.save(tmp_path / "market.json")
    data = json.loads((tmp_path / "market.json").read_text())
    assert data["schema"] == "adspend-params/1"
    assert data["period_days"] == 2.0
    assert data["season"] == [1.0, 2.0]
    assert data["randomness"] == {
        "price_sigma": 0.0,
        "price_persistence": 0.7,
        "beta_sigma": 0.0,
        "kappa_sigma": 0.0,
        "use_draws": False,
        "drift_sigma": 0.0,
        "delivery_sigma": 0.0,
        "sales_sigma": 0.0,
    }
    assert data["channels"][0] == {
        "name": "a",
        "beta": 100.0,
        "kappa": 20.0,
        "alpha": 0.5,
        "theta": 0.25,
        "historical_mean": 4.0,
        "cap": 50.0,
        "historical_max": 40.0,
    }


def test_randomness_needs_no_more_than_what_is_random(tmp_path: Path) -> None:
    random = {"price_sigma": 0.25, "use_draws": True}
    draws = [[{"name": "a", "beta": 5.0, "kappa": 2.0}]]
    market = Market.load(write(tmp_path / "m.json", document(randomness=random, draws=draws)))
    assert market.randomness == Randomness(price_sigma=0.25, use_draws=True)
    market.save(tmp_path / "again.json")
    assert Market.load(tmp_path / "again.json") == market


def test_money_per_exposure_is_for_robyn_exports(tmp_path: Path) -> None:
    path = write(tmp_path / "m.json", document())
    with pytest.raises(ValueError) as error:
        Market.load(path, {"a": 0.1})
    one_line(error, path, "spend_per_exposure", "Robyn")


def test_least_document_gets_the_defaults(tmp_path: Path) -> None:
    assert Market.load(write(tmp_path / "m.json", document())) == Market((Channel("a", beta=1.0, kappa=2.0),))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([1, 2], ["adspend-params/1", "list"]),
        ({"channels": []}, ["adspend-params/1", "None"]),
        (document(schema="adspend-params/3"), ["adspend-params/1", "adspend-params/2"]),
        (document(seasons=[1.0]), ["seasons", "season", "channels"]),
        (document(channels=[{"name": "a", "beta": 1.0, "kappa": 2.0, "gamma": 3.0}]), ["gamma", "'a'", "alpha"]),
        (document(channels=[{"name": "a", "beta": 1.0}]), ["kappa", "missing"]),
        ({"schema": SCHEMA, "margin": 1.0}, ["channels", "missing"]),
        (document(channels={"a": {"beta": 1.0}}), ["channels must be a list"]),
        (document(channels=[["a", 1.0, 2.0]]), ["channels must be a list"]),
        (document(channels=[]), ["at least one channel"]),
        (document(season=2.0), ["season", "2.0"]),
        (document(season="12"), ["season", "12"]),
        (document(season=[]), ["season"]),
        (document(season=[1.0, -1.0]), ["season factor", "-1.0"]),
        (document(margin=True), ["margin", "True"]),
        (document(margin="1"), ["margin", "'1'"]),
        (document(tail_periods=1.5), ["tail_periods", "1.5"]),
        (document(tail_periods=True), ["tail_periods", "True"]),
        (document(draws=3), ["draws", "int"]),
        (document(draws=[[{"name": "z", "beta": 1.0, "kappa": 2.0}]]), ["draw", "'a'", "'z'"]),
        (document(draws=[[]]), ["draw", "'a'"]),
        (document(randomness=None), ["randomness", "object", "None"]),
        (document(randomness=[0.3]), ["randomness", "object", "[0.3]"]),
        (document(randomness={"price": 0.3}), ["randomness", "'price'", "price_sigma"]),
        (document(randomness={"price_sigma": -0.3}), ["price_sigma", "-0.3", "[0, 2]"]),
        (document(randomness={"use_draws": 1}), ["use_draws", "1"]),
        (document(randomness={"use_draws": True}), ["use_draws", "draws"]),
        ('{"schema": "adspend-params/1", "channels": [], "randomness": {"price_sigma": NaN}}', ["price_sigma", "nan"]),
        ('{"schema": "adspend-params/1", "channels": [{"name": "a", "beta": NaN, "kappa": 2}]}', ["beta", "nan"]),
        ('{"schema": "adspend-params/1", "channels": [{"name": "a", "beta": 1, "kappa": Infinity}]}', ["kappa", "inf"]),
        (
            '{"schema": "adspend-params/1", "channels": [{"name": "a", "beta": 1, "kappa": 1' + "0" * 400 + "}]}",
            ["kappa"],
        ),
        ('{"schema": "adspend-params/1", "channels": [{"na', ["not a complete JSON file"]),
        ("", ["not a complete JSON file"]),
        ("channel,spend\n", ["not a complete JSON file"]),
    ],
)
def test_foreign_documents_are_refused(tmp_path: Path, data: object, said: list[str]) -> None:
    path = write(tmp_path / "market.json", data)
    with pytest.raises(ValueError) as error:
        Market.load(path)
    one_line(error, path, *said)


def test_binary_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(b"\x80\x04\x95\xff\xfe")
    with pytest.raises(ValueError) as error:
        Market.load(path)
    one_line(error, path, "JSON")


@pytest.mark.parametrize("path", ["nowhere.json", "."])
def test_missing_files(tmp_path: Path, path: str) -> None:
    for load in (Market.load, Market.from_robyn):
        with pytest.raises(FileNotFoundError) as error:
            load(tmp_path / path)
        one_line(error, tmp_path / path)


def test_failed_save_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "market.json"
    MARKET.save(path)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(OSError, match="disk full"):
            Market((B,)).save(path)
    unwritable = Market((B,))
    object.__setattr__(unwritable, "margin", math.nan)
    with pytest.raises(ValueError, match="JSON"):
        unwritable.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_saved_files_have_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    MARKET.save(tmp_path / "market.json")
    (tmp_path / "other").write_text("")
    assert stat.S_IMODE((tmp_path / "market.json").stat().st_mode) == stat.S_IMODE((tmp_path / "other").stat().st_mode)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("name", ["", " ", 3, None, ["a"], "a\nb", "\x1b[31ma", "\ud800", "a\u202eb", "x" * 201]),
        ("beta", [-1.0, math.nan, math.inf, "9", True, None, 1e308, 10**20]),
        ("kappa", [0.0, -1.0, math.nan, math.inf, 1e300]),
        ("alpha", [0.0, -0.5, 20.5, math.nan, math.inf, 1e-3]),
        ("theta", [-0.1, 1.0, 1.5, math.nan]),
        ("historical_mean", [-1.0, math.inf, 1e14]),
        ("cap", [0.0, -1.0, math.inf, "1", 1e14, 10**400]),
        ("historical_max", [0.0, math.nan, 1e300]),
        ("initial_adstock", [-1.0, math.inf, "1", 1e14]),
        ("saturation", ["tanh", None, 1, ["hill"]]),
    ],
)
def test_channel_parameters_out_of_range(field: str, values: list[object]) -> None:
    for value in values:
        with pytest.raises(ValueError) as error:
            replace(A, **{field: value})
        one_line(error, field, ascii(value)[1:30] if field == "name" else repr(value)[:80])
        if field == "saturation":
            one_line(error, "channel 'a'", "'hill'", "'logistic'")
        elif field != "name":
            one_line(error, "channel 'a'", "[")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"channels": ()}, ["at least one channel"]),
        ({"channels": (A, A)}, ["unique", "'a'"]),
        ({"channels": ("facebook",)}, ["Channel", "str"]),
        ({"draws": ((A,),)}, ["draw", "'a', 'b'"]),
        ({"draws": (("a", "b"),)}, ["Channel", "str"]),
        ({"draws": ((replace(A, alpha=1.0, saturation="logistic"), B),)}, ["draw", "'a'", "hill", "'logistic'"]),
        ({"season": ()}, ["season"]),
        ({"season": (1.0, 0.0)}, ["season factor", "0.0"]),
        ({"season": (1.0, math.nan)}, ["season factor", "nan"]),
        ({"period_days": 0.0}, ["period_days", "0.0"]),
        ({"margin": 0.0}, ["margin", "0.0"]),
        ({"spend_cost": -1.0}, ["spend_cost", "-1.0"]),
        ({"tail_periods": -1}, ["tail_periods", "-1"]),
        ({"afterwards": "same"}, ["afterwards", "nothing", "past", "'same'"]),
        ({"afterwards": "past", "channels": (B,)}, ["afterwards", "historical"]),
        ({"afterwards": (1.0,)}, ["afterwards", "each of 2 channels", "(1.0,)"]),
        ({"afterwards": (1.0, -2.0)}, ["afterwards", "-2.0"]),
        ({"tail_periods": 2.0}, ["tail_periods", "2.0"]),
    ],
)
def test_market_parameters_out_of_range(changes: dict[str, object], said: list[str]) -> None:
    with pytest.raises(ValueError) as error:
        replace(MARKET, **changes)
    one_line(error, *said)


def test_campaigns_start_with_what_is_given_or_with_the_steady_state_of_the_mean(tmp_path: Path) -> None:
    """Carry-over 0.25 of 12 is 3, where the mean would leave 1 of 4; weekly amounts are seven daily ones."""
    market = replace(MARKET, channels=(replace(A, initial_adstock=12.0), B), season=(1.0,))
    np.testing.assert_array_equal(market.initial_adstock, [12.0, 0.0])
    np.testing.assert_array_equal(market.adstock([[0.0, 0.0]]), [[3.0, 0.0]])
    np.testing.assert_allclose(market.with_period(1.0).initial_adstock, [6.0, 0.0])
    market.save(tmp_path / "market.json")
    assert Market.load(tmp_path / "market.json") == market
    document = json.loads((tmp_path / "market.json").read_text())
    assert ["initial_adstock" in channel for channel in document["channels"]] == [True, False]


def test_a_logistic_curve_has_no_alpha() -> None:
    with pytest.raises(ValueError) as error:
        replace(B, alpha=0.5, saturation="logistic")
    one_line(error, "channel 'b'", "logistic", "alpha", "0.5")


def test_files_of_hill_curves_are_as_before_there_were_others(tmp_path: Path) -> None:
    mixed = replace(MARKET, channels=(A, replace(B, saturation="logistic")))
    mixed.save(tmp_path / "market.json")
    channels = json.loads((tmp_path / "market.json").read_text())["channels"]
    assert "saturation" not in channels[0] and channels[1]["saturation"] == "logistic"
    assert Market.load(tmp_path / "market.json") == mixed


def test_check_number_intervals() -> None:
    assert check_number(1, "x", 1.0, 2.0) == 1.0
    for value, bounds in ((1.0, "(1, 2]"), (2.5, "(1, 2]")):
        with pytest.raises(ValueError) as error:
            check_number(value, "x", 1.0, 2.0, low_open=True)
        one_line(error, "x", bounds, value)


def test_markets_are_immutable() -> None:
    with pytest.raises(AttributeError):
        MARKET.margin = 2.0  # type: ignore[misc]
    with pytest.raises(ValueError):
        MARKET.beta[0] = 1.0
