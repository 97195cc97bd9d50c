from pathlib import Path

import numpy as np
import pytest
from ad_spend_strategies import one_line
from hypothesis import given, settings
from hypothesis import strategies as st

from sb3_ext.envs.ad_spend.market.response_curves import fit_curve, fit_response_curves


def hill(spend: np.ndarray, beta: float, kappa: float, alpha: float) -> np.ndarray:
    return beta * spend**alpha / (kappa**alpha + spend**alpha)


def write(path: Path, lines: list[str], encoding: str = "utf-8") -> Path:
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    return path


def rows(name: str = "tv") -> list[str]:
    return [f"{name},{spend},{100 * spend / (50 + spend)}" for spend in (0, 10, 40, 90, 200)]


@pytest.mark.parametrize("alpha", [0.4, 1.0, 3.0, 8.0])
@pytest.mark.parametrize("kappa", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("money", [1e-3, 1.0, 1e9])
def test_known_curves_are_recovered(alpha: float, kappa: float, money: float) -> None:
    spend = np.linspace(0.0, 1.0, 15) * money
    fit = fit_curve("tv", list(spend), list(hill(spend, 7.0 * money, kappa * money, alpha)))
    assert fit.channel.alpha == pytest.approx(alpha, rel=1e-3)
    assert fit.channel.kappa == pytest.approx(kappa * money, rel=1e-3)
    assert fit.channel.beta == pytest.approx(7.0 * money, rel=1e-3)
    assert fit.nrmse < 1e-6
    assert fit.r_squared == pytest.approx(1.0)
    assert fit.channel.cap == fit.channel.historical_max == spend[-1]


@settings(max_examples=25, deadline=None)
@given(
    st.floats(0.3, 6.0),
    st.floats(0.1, 1.5),
    st.floats(0.0, 0.05),
    st.integers(0, 1000),
)
def test_fits_are_monotone_and_within_the_noise(alpha: float, kappa: float, noise: float, seed: int) -> None:
    spend = np.linspace(0.0, 1000.0, 20)
    true = hill(spend, 500.0, kappa * 1000.0, alpha)
    seen = np.maximum(true + noise * true.max() * np.random.default_rng(seed).uniform(-1.0, 1.0, spend.shape), 0.0)
    fit = fit_curve("tv", list(spend), list(seen))
    channel = fit.channel
    fine = hill(np.linspace(0.0, 1000.0, 400), channel.beta, channel.kappa, channel.alpha)
    assert np.all(np.diff(fine) >= 0.0)
    fitted = hill(spend, channel.beta, channel.kappa, channel.alpha)
    # The truth is one of the curves searched, so the fit's errors are no larger; the fit stays near the truth.
    assert np.square(fitted - seen).sum() <= np.square(true - seen).sum() * (1.0 + 1e-6) + 1e-9
    assert np.max(np.abs(fitted - true)) <= 2.0 * noise * true.max() + 1e-4 * true.max()
    assert fit.nrmse == pytest.approx(np.sqrt(np.mean(np.square(fitted - seen))) / np.ptp(seen), abs=1e-9)


def test_error_and_explained_variance_by_hand() -> None:
    # beta 1, kappa 1, alpha 1 through 0, 1/2, 2/3, 3/4; the same point twice with +-d leaves the fit, and the error d.
    spend = [0.0, 1.0, 2.0, 3.0, 3.0]
    fit = fit_curve("tv", spend, [0.0, 1 / 2, 2 / 3, 3 / 4 + 0.03, 3 / 4 - 0.03])
    assert fit.channel.beta == pytest.approx(1.0, rel=1e-6)
    assert fit.nrmse == pytest.approx(np.sqrt(2 * 0.03**2 / 5) / 0.78, rel=1e-5)
    seen = np.array([0.0, 1 / 2, 2 / 3, 0.78, 0.72])
    assert fit.r_squared == pytest.approx(1.0 - 2 * 0.03**2 / np.square(seen - seen.mean()).sum(), rel=1e-6)


def test_a_file_becomes_a_market(tmp_path: Path) -> None:
    path = write(
        tmp_path / "curves.csv",
        [
            "\ufeffRegion; Channel ;SPEND;response;theta;historical_mean",
            *(f'x;"Out of home, B";{s};{80 * s / (30 + s)};0,4;12,5'.replace(".", ",") for s in (0, 10.5, 40, 90, 200)),
            "",
            *(f"x;search;{s};{20 * s / (10 + s)};0;0".replace(".", ",") for s in (1, 10, 40, 90)),
        ],
    )
    market, fits = fit_response_curves(path, period_days=7.0)
    assert market.names == ("Out of home, B", "search") == tuple(fit.channel.name for fit in fits)
    # A theta of 0.4 leaves 0.4**8 = 0.0007.
    assert (market.period_days, market.tail_periods) == (7.0, 8)
    np.testing.assert_allclose(market.theta, [0.4, 0.0])
    np.testing.assert_allclose(market.initial_adstock, [12.5, 0.0])
    np.testing.assert_allclose(market.kappa, [30.0, 10.0], rtol=1e-3)
    np.testing.assert_allclose(market.historical_max, [200.0, 90.0])
    assert fit_response_curves(path, carry_over={"search": 0.3})[0].theta[1] == 0.3


def test_tabs_and_repeated_spends(tmp_path: Path) -> None:
    lines = [row.replace(",", "\t") for row in ["channel,spend,response", *rows(), "tv,200,90"]]
    market, fits = fit_response_curves(write(tmp_path / "curves.tsv", lines), period_days=1.0)
    assert (len(fits[0].spend), market.tail_periods) == (6, 0)


@pytest.mark.parametrize(
    ("lines", "largest"),
    [
        # Five thousand in a German spreadsheet, once planned as 5.
        (["channel;spend;response", *(f"tv;{spend}.000;{spend}" for spend in (1, 2, 3, 5))], 5000),
        (["channel;spend;response", *(f"tv;{spend}.000;{spend},5" for spend in (1, 2, 3, 5))], 5000),
        (["channel;spend;response", *(f"tv;{spend}.5;{spend}" for spend in (1, 2, 3, 5))], 5.5),
        (["channel,Weekly Spend,response", *(f'tv,"${spend},000",{spend}' for spend in (1, 2, 3, 5))], 5000),
        (["Channel Name,spend,response,Currency", *(f"tv,{spend} 000,{spend},EUR" for spend in (1, 2, 3, 5))], 5000),
        (["channel,spend,response", *(f'tv,"{spend},000","{spend},000.50"' for spend in (1, 2, 3, 5))], 5000),
        (["channel,spend,response,historical_mean", *(f"tv,{spend}k,{spend}M,40" for spend in (1, 2, 3, 5))], 5000),
    ],
)
def test_amounts_are_read_as_people_write_them(tmp_path: Path, lines: list[str], largest: float) -> None:
    _, fits = fit_response_curves(write(tmp_path / "curves.csv", lines))
    assert fits[0].channel.historical_max == largest


@pytest.mark.parametrize(
    ("lines", "parts"),
    [
        (["channel,spend,response", *(f'tv,"{s},000",{s}' for s in (1, 2, 3, 5))], ["line 2: spend: '1,000' can mean"]),
        (["channel;spend;response", *(f"tv;{s},000;{s}" for s in (1, 2, 3, 5))], ["line 2: spend: '1,000' can mean"]),
        (["channel;spend;response", *(f"tv;{s}.000;{s}.5" for s in (1, 2, 3, 5))], ["line 2: spend: '1.000' can mean"]),
        (["channel;spend;response", "tv;1.5;1", "tv;2,5;2"], ["line 2: spend: '1.5' has a decimal point", "line 3"]),
        (["channel,weekly spend,annual spend,response"], ["column 'spend' is there 2 times"]),
        (["channel,spend (k),response", "tv,1,1"], ["'spend (k)'", "write the amounts in full"]),
        (["channel,monthly spend,response", "tv,1,1"], ["'monthly spend'", "give 30.4375 as the days of a period"]),
        (["spend,tv,search", "1,1,1"], ["column 'channel' is missing", "a line for every channel and spend"]),
        (["channel,spend,response,currency", "tv,1,1,USD", "tv,2,2,EUR"], ["['EUR', 'USD']", "in one currency"]),
        (["channel,spend,response", "tv,10%,1"], ["line 2: spend must be a number, not a percentage"]),
    ],
)
def test_doubtful_amounts_are_asked(tmp_path: Path, lines: list[str], parts: list[str]) -> None:
    path = write(tmp_path / "curves.csv", lines)
    with pytest.raises(ValueError) as error:
        fit_response_curves(path)
    one_line(error, path, *parts)


@pytest.mark.parametrize(
    ("spend", "response", "doubt"),
    [
        ([0, 10, 20, 30, 40], [0, 1, 2, 3, 4], "where the channel saturates is a guess"),
        ([50, 60, 70, 80], [99.9, 99.95, 99.98, 99.99], "what smaller spends sell is a guess"),
        ([0, 10, 20, 30, 40, 50], [0, 90, 5, 80, 10, 60], "fits poorly"),
        ([0, 10, 20, 30], [0, 0, 0, 0], "sells nothing"),
    ],
)
def test_doubts(spend: list[float], response: list[float], doubt: str) -> None:
    assert doubt in "; ".join(fit_curve("tv", spend, response).warnings)


def test_no_doubt_about_a_good_curve() -> None:
    spend = np.linspace(0.0, 1000.0, 12)
    assert fit_curve("tv", list(spend), list(hill(spend, 50.0, 300.0, 2.0))).warnings == ()


@pytest.mark.parametrize(
    ("lines", "parts"),
    [
        ([], ["column 'channel' is missing"]),
        (["channel,spend", "tv,1"], ["column 'response' is missing"]),
        (["channel,spend,response"], ["no points"]),
        (["channel,spend,response,spend", "tv,1,1,1"], ["column 'spend' is there 2 times"]),
        (["channel,spend,response", *rows(), "tv,abc,3"], ["line 7", "spend must be a number", "'abc'"]),
        (["channel,spend,response", *rows(), "tv,-1,3"], ["line 7", "spend", "-1"]),
        (["channel,spend,response", *rows(), "tv,1,nan"], ["line 7", "response", "nan"]),
        (["channel,spend,response", *rows(), "tv,1,1e999"], ["line 7", "response", "finite", "1e999"]),
        (["channel,spend,response", *rows(), "tv,1"], ["line 7", "2 cells"]),
        (["channel,spend,response", *rows(), ",1,2"], ["line 7", "no name"]),
        (["channel,spend,response", "tv,1,1", "tv,1,2", "tv,2,3", "tv,3,3"], ["'tv'", "3 different spends", "4"]),
        (["channel,spend,response,theta", *(f"{row},1.0" for row in rows())], ["theta", "1"]),
        (["channel,spend,response,theta", "tv,1,1,0.1", "tv,2,2,0.2"], ["line 3", "0.2", "0.1 in an earlier line"]),
    ],
)
def test_malformed_files_are_one_line(tmp_path: Path, lines: list[str], parts: list[str]) -> None:
    path = write(tmp_path / "curves.csv", lines)
    with pytest.raises(ValueError) as error:
        fit_response_curves(path)
    one_line(error, path, *parts)


def test_other_mistakes_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as missing:
        fit_response_curves(tmp_path / "no.csv")
    one_line(missing, "no.csv")
    latin = write(tmp_path / "latin.csv", ["channel,spend,response", *rows("Größe")], encoding="latin-1")
    assert fit_response_curves(latin)[0].names == ("Größe",)
    good = write(tmp_path / "good.csv", ["channel,spend,response", *rows()])
    with pytest.raises(ValueError) as unknown:
        fit_response_curves(good, carry_over={"radio": 0.5})
    one_line(unknown, "radio", "tv")
    with pytest.raises(ValueError) as days:
        fit_response_curves(good, period_days=0.0)
    one_line(days, "period_days")
