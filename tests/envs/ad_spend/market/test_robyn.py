import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ad_spend_strategies import one_line

from sb3_ext.envs.ad_spend import AdSpendEnv, Market
from sb3_ext.envs.ad_spend.market.robyn import is_robyn_export, robyn_document

SHARED = Path(__file__).resolve().parents[5] / "shared" / "data"
ROBYN_FILE, ALWAYS_ON_FILE = SHARED / "robyn_model_3_165_9.json", SHARED / "robyn_always_on_3_12.json"
PAID = ["tv_S", "ooh_S", "print_S", "facebook_S", "search_S"]

needs_robyn_file = pytest.mark.skipif(
    not ROBYN_FILE.is_file(), reason=f"the Robyn export is not part of the repository: {ROBYN_FILE} is missing"
)


needs_always_on_file = pytest.mark.skipif(
    not ALWAYS_ON_FILE.is_file(), reason=f"the made Robyn export is not part of the repository: {ALWAYS_ON_FILE}"
)


def robyn_market(data: Any, spend_per_exposure: dict[str, float] | None = None) -> Market:
    return Market.from_dict(robyn_document(data, spend_per_exposure))


def export(**changes: Any) -> dict[str, Any]:
    """A small Robyn export: 'tv' modelled on spend, 'clicks' (spend 'search') on exposures."""
    data = {
        "InputCollect": {
            "intervalType": ["week"],
            "paid_media_vars": ["tv", "clicks"],
            "paid_media_spends": ["tv", "search"],
            "rollingWindowStartWhich": [3],
            "rollingWindowEndWhich": [4],
            "adstock": ["geometric"],
        },
        "ExportedModel": {
            "summary": [
                {"variable": "(Intercept)", "coef": 5.0, "decompAgg": 10.0},
                {"variable": "tv", "coef": 1000.0},
                {"variable": "clicks", "coef": 500.0},
            ],
            "hyper_values": {
                **{"tv_alphas": [2.0], "tv_gammas": [0.5], "tv_thetas": [0.5]},
                **{"clicks_alphas": [1.0], "clicks_gammas": [0.25], "clicks_thetas": [0.0]},
                "lambda": [3.0],
            },
        },
        "Extras": {
            "raw_data": [
                {"tv": 80.0, "clicks": 10.0, "search": 4.0},
                {"tv": 0.0, "clicks": 0.0, "search": 0.0},
                {"tv": 40.0, "clicks": 20.0, "search": 8.0},
                {"tv": 10.0, "clicks": 60.0, "search": 24.0},
                {"tv": 999.0, "clicks": 999.0, "search": 999.0},
            ]
        },
    }
    for path, value in changes.items():
        section: Any = data
        *parents, last = path.split("__")
        for parent in parents:
            section = section[parent]
        if value is None:
            del section[last]
        else:
            section[last] = value
    return copy.deepcopy(data)


def test_values_by_hand() -> None:
    tv, clicks = robyn_market(export(), {"clicks": 0.4}).channels
    # Adstock of all rows from the first on: 80, 40, 60, 40, ...; the window holds rows 3 and 4.
    assert (tv.name, tv.beta, tv.alpha, tv.theta) == ("tv", 1000.0, 2.0, 0.5)
    assert tv.kappa == pytest.approx((0.5 * 40.0 + 0.5 * 60.0) * (1 - 0.5))
    assert (tv.historical_mean, tv.historical_max, tv.cap) == (25.0, 40.0, 40.0)
    # The adstock of row 4, normalised: what the campaign starts with.
    assert (tv.initial_adstock, clicks.initial_adstock) == (20.0, pytest.approx(24.0))
    # Exposures in money: 20 and 60 clicks at 0.4.
    assert (clicks.name, clicks.beta, clicks.alpha, clicks.theta) == ("clicks", 500.0, 1.0, 0.0)
    assert clicks.kappa == pytest.approx(0.75 * 8.0 + 0.25 * 24.0)
    assert (clicks.historical_mean, clicks.historical_max) == (16.0, 24.0)


def test_market_is_weekly_and_serves_an_environment() -> None:
    market = robyn_market(export(), {"clicks": 0.4})
    # A theta of 0.5 leaves 0.5**10 = 0.00098 after ten weeks.
    assert (market.period_days, market.tail_periods, market.season) == (7.0, 10, (1.0,))
    env = AdSpendEnv(market, periods=4)
    assert env.budget == pytest.approx(4 * (25.0 + 16.0))
    np.testing.assert_allclose(env.spend_bounds[1], [40.0, 24.0])


@pytest.mark.parametrize(("interval", "days"), [("day", 1.0), ("week", 7.0), ("month", 30.4375)])
def test_intervals(interval: str, days: float) -> None:
    assert robyn_market(export(InputCollect__intervalType=[interval]), {"clicks": 1.0}).period_days == days


@pytest.mark.parametrize(("theta", "periods"), [(0.0, 0), (0.1, 3), (0.5, 10), (0.9, 66), (0.9999, 1000)])
def test_the_tail_lasts_until_nearly_all_is_forgotten(theta: float, periods: int) -> None:
    """0.9**66 = 0.00096 and 0.9**65 = 0.00106; no longer than 1000 periods."""
    market = robyn_market(export(ExportedModel__hyper_values__tv_thetas=[theta]), {"clicks": 1.0})
    assert market.tail_periods == periods


@pytest.mark.parametrize(
    ("version", "inflexion"),
    [
        (["Robyn (stable) v3.8.2"], 50.0),
        (["Robyn (stable) v3.11.1 [R-4.4.0]"], 50.0),
        (["Robyn (stable) v3.12.0 [R-4.4.0]"], 30.0),
        (["Robyn (dev) v3.12.1.9000"], 30.0),
        (["Robyn (stable) v4.0.0"], 30.0),
    ],
)
def test_inflexion_by_version(version: list[str], inflexion: float) -> None:
    """The adstocked window is 60, 40: gamma 0.5 is their middle up to version 3.11, half the maximum from 3.12 on."""
    tv = robyn_market(export(InputCollect__version=version), {"clicks": 0.4}).channels[0]
    assert tv.kappa == pytest.approx(inflexion * (1 - 0.5))


# tv sells 1000 * (3600 / (3600 + 2500) + 1600 / (1600 + 2500)) in the two weeks of the window.
SOLD = [1000 * 36 / 61, 1000 * 16 / 41]


def with_sales(decomp_agg: float, **inputs: Any) -> dict[str, Any]:
    data = export()
    data["ExportedModel"]["summary"][1]["decompAgg"] = decomp_agg
    data["InputCollect"] |= inputs
    for week, row in enumerate(data["Extras"]["raw_data"]):
        row["DATE"] = f"2024-01-{7 * week + 1:02d}"
    return data


def test_sales_are_those_of_the_file() -> None:
    assert robyn_market(with_sales(sum(SOLD)), {"clicks": 0.4}).beta[0] == 1000.0
    for wrong in (1.001 * sum(SOLD), 0.0, -3.0):
        with pytest.raises(ValueError) as error:
            robyn_market(with_sales(wrong, version=["Robyn (stable) v3.11.1"]), {"clicks": 0.4})
        one_line(error, "'tv'", "decompAgg", f"{sum(SOLD):,.6g}", f"{wrong:,.6g}", "v3.11.1")
    with pytest.raises(ValueError) as error:
        robyn_market(with_sales("much"), {"clicks": 0.4})  # type: ignore[arg-type]
    one_line(error, "decompAgg", "'tv'", "'much'")


def test_sales_of_a_refreshed_model_are_those_of_the_new_weeks() -> None:
    dates = {"date_var": ["DATE"], "refreshAddedStart": ["2024-01-22"]}
    assert robyn_market(with_sales(SOLD[1], **dates), {"clicks": 0.4}) == robyn_market(export(), {"clicks": 0.4})
    with pytest.raises(ValueError) as error:
        robyn_market(with_sales(SOLD[0], **dates), {"clicks": 0.4})
    one_line(error, "decompAgg")


@needs_always_on_file
def test_always_on_channel_of_robyn_3_12(tmp_path: Path) -> None:
    """Spends of 80 to 120: the inflexion point is 60, where it would be 100 by the rule of older versions."""
    market = Market.load(ALWAYS_ON_FILE)
    data = json.loads(ALWAYS_ON_FILE.read_text())
    spend = np.array([row["search_S"] for row in data["Extras"]["raw_data"]])
    assert (market.kappa[0], market.beta[0], market.alpha[0]) == (60.0, 1000.0, 2.0)
    sold = 1000 * spend**2 / (spend**2 + 60**2)
    assert sold.sum() == pytest.approx(76_738.09441198396, rel=1e-12)
    np.testing.assert_allclose(market.response(spend[:, None])[:, 0], sold)
    data["InputCollect"]["version"] = ["Robyn (stable) v3.11.1 [R-4.4.0]"]
    path = tmp_path / "old.json"
    path.write_text(json.dumps(data))
    with pytest.raises(ValueError) as error:
        Market.load(path)
    one_line(error, path, "'search_S'", "52,710.2", "76,738.1", "decompAgg", "v3.11.1")


@pytest.mark.parametrize(
    ("left_out", "added", "said"),
    [
        (("Extras",), {}, ["Extras.raw_data", "robyn_write", "3.11"]),
        (("ExportedModel", "Extras"), {}, ["-inputs", "ExportedModel", "robyn_write", "select_model"]),
        (("ExportedModel",), {"ModelsCollect": {}}, ["-models", "ExportedModel", "robyn_write", "select_model"]),
    ],
)
def test_robyn_files_without_a_model_or_data_say_what_is_missing(
    tmp_path: Path, left_out: tuple[str, ...], added: dict[str, Any], said: list[str]
) -> None:
    data = {name: section for name, section in export().items() if name not in left_out} | added
    assert is_robyn_export(data)
    path = tmp_path / "robyn.json"
    path.write_text(json.dumps(data))
    for load in (Market.load, Market.from_robyn):
        with pytest.raises(ValueError) as error:
            load(path)
        one_line(error, path, "Robyn", *said)


def test_exposure_fitted_on_spend_needs_no_conversion() -> None:
    data = export()
    data["ExportedModel"]["summary"][2]["variable"] = "search"
    data["ExportedModel"]["hyper_values"] |= {"search_alphas": [1.0], "search_gammas": [0.0], "search_thetas": [0.0]}
    search = robyn_market(data).channels[1]
    assert (search.name, search.kappa, search.historical_mean) == ("search", 8.0, 16.0)


def test_channel_without_effect_stays_and_sells_nothing() -> None:
    data = export()
    data["ExportedModel"]["summary"][1]["coef"] = 0
    market = robyn_market(data, {"clicks": 0.4})
    assert market.names == ("tv", "clicks")
    np.testing.assert_array_equal(market.response(np.array([40.0, 0.0])), [0.0, 0.0])


def test_scalars_may_be_unboxed() -> None:
    data = export(InputCollect__adstock="geometric", InputCollect__rollingWindowStartWhich=3)
    assert robyn_market(data, {"clicks": 0.4}) == robyn_market(export(), {"clicks": 0.4})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"InputCollect__adstock": ["weibull_cdf"]}, ["geometric", "weibull_cdf"]),
        ({"InputCollect__adstock": ["weibull_pdf"]}, ["geometric", "weibull_pdf"]),
        ({"InputCollect__adstock": None}, ["adstock"]),
        ({"InputCollect__intervalType": ["quarter"]}, ["quarter"]),
        ({"InputCollect__intervalType": None}, ["intervalType"]),
        ({"InputCollect__paid_media_vars": None}, ["paid_media_vars"]),
        ({"InputCollect__paid_media_vars": ["tv"]}, ["incomplete"]),
        ({"InputCollect__rollingWindowStartWhich": None}, ["rollingWindowStartWhich"]),
        ({"InputCollect__rollingWindowStartWhich": [0]}, ["0..4", "5 raw rows"]),
        ({"InputCollect__rollingWindowStartWhich": [5]}, ["5..4", "5 raw rows"]),
        ({"InputCollect__rollingWindowEndWhich": [6]}, ["3..6", "5 raw rows"]),
        ({"InputCollect__rollingWindowEndWhich": ["x"]}, ["3..'x'"]),
        ({"ExportedModel__summary": None}, ["summary"]),
        ({"ExportedModel__summary": [{"variable": "tv", "coef": 1.0}]}, ["'search'", "coefficient"]),
        ({"ExportedModel__summary": [{"variable": "tv"}]}, ["coef"]),
        ({"ExportedModel__hyper_values": None}, ["hyper_values"]),
        ({"ExportedModel__hyper_values__tv_thetas": None}, ["tv_thetas"]),
        ({"ExportedModel__hyper_values__tv_alphas": []}, ["tv_alphas"]),
        ({"ExportedModel__hyper_values__tv_gammas": ["x"]}, ["tv_gammas", "'x'"]),
        ({"ExportedModel__hyper_values__tv_thetas": [1.5]}, ["tv_thetas", "1.5"]),
        ({"ExportedModel": []}, ["incomplete"]),
        ({"Extras": None}, ["Extras"]),
        ({"Extras": []}, ["raw_data"]),
        ({"Extras__raw_data": None}, ["raw_data", "robyn_write"]),
        ({"Extras__raw_data": []}, ["raw_data"]),
        ({"Extras__raw_data": [{"search": 1.0}] * 5}, ["raw_data", "'tv'"]),
        ({"Extras__raw_data": [{"tv": "n/a", "clicks": 1.0}] * 5}, ["raw_data", "'tv'"]),
        ({"Extras__raw_data": [{"tv": -1.0, "clicks": 1.0}] * 5}, ["'tv'", ">= 0"]),
    ],
)
def test_incomplete_or_unsupported_exports(tmp_path: Path, changes: dict[str, Any], said: list[str]) -> None:
    path = tmp_path / "robyn.json"
    path.write_text(json.dumps(export(**changes)))
    with pytest.raises(ValueError) as error:
        Market.from_robyn(path, {"clicks": 0.4})
    one_line(error, path, *said)


def test_exposures_without_conversion_are_refused(tmp_path: Path) -> None:
    for conversion in (None, {}, {"search": 0.4}):
        with pytest.raises(ValueError) as error:
            robyn_market(export(), conversion)
        one_line(error, "'search'", "'clicks'", "spend_per_exposure")
    path = tmp_path / "robyn.json"
    path.write_text(json.dumps(export()))
    with pytest.raises(ValueError) as error:
        Market.load(path)
    one_line(error, path, "spend_per_exposure")
    for money in (0.0, -1.0, float("nan"), "1"):
        with pytest.raises(ValueError) as error:
            robyn_market(export(), {"clicks": money})  # type: ignore[dict-item]
        one_line(error, "spend_per_exposure['clicks']", repr(money))


def test_negative_effects_are_refused() -> None:
    data = export()
    data["ExportedModel"]["summary"][1]["coef"] = -3.0
    with pytest.raises(ValueError) as error:
        robyn_market(data, {"clicks": 0.4})
    one_line(error, "'tv'", "beta", "-3.0")


@pytest.mark.parametrize("data", [[], {}, {"schema": "adspend-params/1", "channels": []}, {"Extras": {}}, None])
def test_foreign_json_is_no_robyn_export(tmp_path: Path, data: object) -> None:
    assert not is_robyn_export(data)
    path = tmp_path / "foreign.json"
    path.write_text(json.dumps(data))
    with pytest.raises(ValueError) as error:
        Market.from_robyn(path)
    one_line(error, path, "not a Robyn export", "ExportedModel")


def test_truncated_export(tmp_path: Path) -> None:
    text = json.dumps(export())
    path = tmp_path / "robyn.json"
    path.write_text(text[: len(text) // 2])
    for load in (Market.load, Market.from_robyn):
        with pytest.raises(ValueError) as error:
            load(path)
        one_line(error, path, "not a complete JSON file")


@needs_robyn_file
def test_response_reproduces_robyns_own_decomposition() -> None:
    market = Market.from_robyn(ROBYN_FILE)
    data = json.loads(ROBYN_FILE.read_text())
    published = {row["variable"]: row["decompAgg"] for row in data["ExportedModel"]["summary"]}
    rows, inputs = data["Extras"]["raw_data"], data["InputCollect"]
    spends = np.array([[row[name] for name in PAID] for row in rows], dtype=np.float64)
    adstock = market.adstock(spends, initial=np.zeros(5))
    window = slice(inputs["rollingWindowStartWhich"][0] - 1, inputs["rollingWindowEndWhich"][0])
    assert market.names == tuple(PAID)
    assert published["facebook_S"] == pytest.approx(3_964_483.74, abs=0.01)
    np.testing.assert_allclose(
        market.response(adstock[window]).sum(axis=0), [published[name] for name in PAID], rtol=1e-6
    )


@needs_robyn_file
def test_campaigns_start_with_the_last_weeks() -> None:
    """TV advertised much more in the last weeks of the window than on average: 158 047 and 51 380 of its last four."""
    market = Market.load(ROBYN_FILE)
    tv = market.channels[0]
    assert market.initial_adstock[0] == pytest.approx(69_531.07, abs=0.01)
    assert tv.historical_mean == pytest.approx(16_505.81, abs=0.01)
    data = json.loads(ROBYN_FILE.read_text())
    spends = np.array([[row[name] for name in PAID] for row in data["Extras"]["raw_data"]], dtype=np.float64)[:163]
    np.testing.assert_allclose(market.adstock(spends, initial=np.zeros(5))[-1], market.initial_adstock)


@needs_robyn_file
def test_robyn_file_is_recognised_and_survives_our_own_format(tmp_path: Path) -> None:
    market = Market.load(ROBYN_FILE)
    assert market == Market.from_robyn(ROBYN_FILE)
    assert market.period_days == 7.0
    market.save(tmp_path / "market.json")
    assert Market.load(tmp_path / "market.json") == market
    assert AdSpendEnv(ROBYN_FILE, periods=26).market == market


@needs_robyn_file
def test_weekly_model_decides_daily_with_the_same_steady_states() -> None:
    weekly = Market.load(ROBYN_FILE)
    daily = weekly.with_period(1.0)
    means = np.array([channel.historical_mean for channel in weekly.channels])
    np.testing.assert_allclose(daily.response(means / 7) * 7, weekly.response(means), rtol=1e-12)
    np.testing.assert_allclose(daily.theta**7, weekly.theta, rtol=1e-12)
    assert daily.tail_periods == 7 * weekly.tail_periods
    # A week at double spend, in days, leaves about the adstock of the weekly model.
    np.testing.assert_allclose(daily.initial_adstock * 7, weekly.initial_adstock)
    adstock = daily.adstock(np.broadcast_to(2 * means / 7, (7, 5)))[-1] * 7
    np.testing.assert_allclose(adstock, weekly.adstock([2 * means])[-1], rtol=1e-12)


@needs_robyn_file
def test_campaign_on_the_robyn_market() -> None:
    env = AdSpendEnv(replace(Market.load(ROBYN_FILE), tail_periods=2), periods=8)
    observation, _ = env.reset(seed=0)
    env.action_space.seed(0)
    terminated = False
    while not terminated:
        assert env.observation_space.contains(observation)
        observation, reward, terminated, _, info = env.step(env.action_space.sample())
        assert np.isfinite(reward)
    assert env.observation_space.contains(observation)
    assert 0.0 < info["campaign_value"] <= info["optimal_upper_bound"]
