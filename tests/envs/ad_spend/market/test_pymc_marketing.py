"""Saved models of PyMC-Marketing: a real fit, files of every kind written here, and files that are refused."""

import json
import math
import time
import warnings
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from ad_spend_strategies import one_line, refused

from sb3_ext.envs.ad_spend import Market
from sb3_ext.envs.ad_spend.market.pymc_file import group_names

xarray = pytest.importorskip("xarray")
h5netcdf = pytest.importorskip("h5netcdf")
REAL = Path(__file__).resolve().parents[5] / "shared" / "data" / "pymc_marketing_mmm.nc"
needs_real = pytest.mark.skipif(
    not REAL.is_file(), reason=f"the fitted model is not part of the repository: {REAL} is missing"
)
# The multidimensional class of PyMC-Marketing 0.19.2, two geos, two channels, 52 weeks: every tenth of 2 x 50 draws.
GEO = Path(__file__).with_name("pymc_marketing_geo.nc")
CHAINS, DRAWS, DATES = 2, 3, 20
CHANNELS = ["search", "tv"]
LENGTH = 4


def convolved(amounts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """What arrives of amounts (dates,), by weights (L,)."""
    return np.convolve(amounts, weights)[: len(amounts)]


def geometric(alpha: float) -> np.ndarray:
    return alpha ** np.arange(LENGTH)


def delayed(alpha: float, theta: float) -> np.ndarray:
    return alpha ** ((np.arange(LENGTH) - theta) ** 2)


def binomial(alpha: float) -> np.ndarray:
    return (1 - np.arange(LENGTH) / (LENGTH + 1)) ** (1 / alpha - 1)


def weibull_pdf(lam: float, k: float) -> np.ndarray:
    from scipy.stats import weibull_min

    density = weibull_min.pdf(np.arange(1, LENGTH + 1), k, scale=lam)
    return (density - density.min()) / (density.max() - density.min())


def weibull_cdf(lam: float, k: float) -> np.ndarray:
    from scipy.stats import weibull_min

    return np.cumprod([1.0, *weibull_min.sf(np.arange(1, LENGTH + 1), k, scale=lam)])


ADSTOCKS = {
    "geometric": (geometric, ("alpha",)),
    "delayed": (delayed, ("alpha", "theta")),
    "binomial": (binomial, ("alpha",)),
    "weibull_pdf": (weibull_pdf, ("lam", "k")),
    "weibull_cdf": (weibull_cdf, ("lam", "k")),
    "no_adstock": (lambda: np.ones(1), ()),
}
SATURATIONS = {
    "logistic": (lambda x, lam, beta: beta * (1 - np.exp(-lam * x)) / (1 + np.exp(-lam * x)), ("lam", "beta")),
    "inverse_scaled_logistic": (
        lambda x, lam, beta: beta * (1 - 3 ** (-x / lam)) / (1 + 3 ** (-x / lam)),
        ("lam", "beta"),
    ),
    "tanh": (lambda x, b, c: b * np.tanh(x / (b * c)), ("b", "c")),
    "tanh_baselined": (
        lambda x, x0, gain, r, beta: beta * gain * x0 * np.tanh(x * math.atanh(r) / x0) / r,
        ("x0", "gain", "r", "beta"),
    ),
    "michaelis_menten": (lambda x, alpha, lam: alpha * x / (lam + x), ("alpha", "lam")),
    "hill": (lambda x, slope, kappa, beta: beta * x**slope / (kappa**slope + x**slope), ("slope", "kappa", "beta")),
    "root": (lambda x, alpha, beta: beta * x**alpha, ("alpha", "beta")),
}


class Saved:
    """A model file, part by part, as ``MMM.save()`` writes it."""

    def __init__(
        self, adstock: str = "geometric", saturation: str = "logistic", normalize: bool = True, first: bool = True
    ) -> None:
        rng = np.random.default_rng(3)
        weigh, adstock_names = ADSTOCKS[adstock]
        respond, saturation_names = SATURATIONS[saturation]
        dims, shape = ("chain", "draw", "channel"), (CHAINS, DRAWS, len(CHANNELS))
        drawn = {f"adstock_{name}": rng.uniform(0.2, 0.9, shape) for name in adstock_names}
        drawn |= {f"saturation_{name}": rng.uniform(0.3, 0.9, shape) for name in saturation_names}
        dates = np.datetime64("2026-01-05") + 7 * np.arange(DATES)
        coords = {"chain": range(CHAINS), "draw": range(DRAWS), "channel": CHANNELS, "date": dates.astype("M8[ns]")}
        spent = np.where(rng.random((DATES, 2)) < 0.7, rng.uniform(0.0, 900.0, (DATES, 2)), 0.0)
        scale, self.target = spent.max(axis=0), 5000.0
        contribution = np.empty((CHAINS, DRAWS, DATES, 2))
        for chain, draw, channel in np.ndindex(shape):
            at = (chain, draw, channel)
            weights = weigh(*(drawn[f"adstock_{name}"][at] for name in adstock_names))
            if normalize and adstock != "no_adstock":
                weights = weights / weights.sum()
            settings = [drawn[f"saturation_{name}"][at] for name in saturation_names]
            x = spent[:, channel] / scale[channel]
            sold = respond(convolved(x, weights), *settings) if first else convolved(respond(x, *settings), weights)
            contribution[chain, draw, :, channel] = sold
        self.contribution = self.target * contribution
        intercept = rng.uniform(0.3, 0.4, (CHAINS, DRAWS))
        season = rng.uniform(0.01, 0.02, (CHAINS, DRAWS, 2))
        angle = 2 * np.pi * (dates - np.datetime64("2026-01-01") + 1).astype(float) / 365.25
        yearly = np.einsum("cdf,ft->cdt", season, [np.sin(angle), np.cos(angle)])
        self.season, self.intercept = season.mean(axis=(0, 1)), intercept.mean()
        self.posterior = xarray.Dataset(
            {name: (dims, values) for name, values in drawn.items()}
            | {
                "channel_contribution": (("chain", "draw", "date", "channel"), contribution),
                "intercept": (("chain", "draw"), intercept),
                "gamma_fourier": (("chain", "draw", "fourier_mode"), season),
                "yearly_seasonality_contribution": (("chain", "draw", "date"), yearly),
                "mu": (("chain", "draw", "date"), contribution.sum(-1) + yearly + intercept[..., None]),
            },
            coords | {"fourier_mode": ["sin_1", "cos_1"]},
            {"pymc_marketing_version": "0.19.2"},
        )
        self.data = xarray.Dataset(
            {
                "channel_data": (("date", "channel"), spent),
                "channel_scale": (("channel",), scale),
                "target_scale": ((), self.target),
            },
            {name: coords[name] for name in ("date", "channel")},
        )
        self.stats = xarray.Dataset({"diverging": (("chain", "draw"), np.zeros((CHAINS, DRAWS), dtype=bool))})
        self.attributes = {
            "adstock": json.dumps({"lookup_name": adstock, "l_max": LENGTH, "normalize": normalize, "mode": "After"}),
            "saturation": json.dumps({"lookup_name": saturation, "prefix": "saturation"}),
            "adstock_first": json.dumps(first),
            "time_varying_media": "false",
        }

    def write(self, path: Path) -> Path:
        with h5netcdf.File(path, "w") as file:
            file.attrs.update(self.attributes)
        for name, group in (("posterior", self.posterior), ("sample_stats", self.stats), ("constant_data", self.data)):
            if group is not None:
                group.to_netcdf(path, mode="a", group=name, engine="h5netcdf")
        return path


def assert_contributions(market: Market, contribution: np.ndarray) -> None:
    """Every draw of a market sells what the file says, (draws, dates, channels), on each date and channel."""
    spent = np.transpose([channel.history for channel in market.channels])
    assert len(market.draws) == len(contribution)
    for draw, expected in zip(market.draws, contribution, strict=True):
        # As the model was fitted: nothing was spent before the first date.
        channels = tuple(replace(channel, history=(0.0,) * len(channel.weights or ())) for channel in draw)
        sold = replace(market, channels=channels, draws=()).sales(spent)
        np.testing.assert_allclose(sold, expected, rtol=1e-6, atol=1e-6 * expected.max())


@needs_real
def test_a_real_fit_contributes_what_its_file_says() -> None:
    """Per draw, channel and date, of all 600 draws; and it is read and built quickly."""
    started = time.process_time()
    market = Market.load(REAL)
    assert time.process_time() - started < 10.0
    with xarray.open_dataset(REAL, group="posterior", engine="h5netcdf") as posterior:
        published = posterior["channel_contribution_original_scale"].stack(sample=("chain", "draw"))
        published = published.transpose("sample", "date", "channel").to_numpy()
        season = posterior["yearly_seasonality_contribution_original_scale"].mean(("chain", "draw")).to_numpy()
        mean_mu = posterior["y_original_scale"].mean(("chain", "draw")).to_numpy()
    assert_contributions(market, published)
    assert market.names == ("search", "social", "tv") and market.period_days == 7.0 and market.tail_periods == 7
    assert market.first_day == date(2025, 12, 29) and len(market.baseline) == 52
    assert any(note.startswith("11 of 600 draws") for note in market.notes)
    base = mean_mu - published.mean(axis=0).sum(axis=-1)
    np.testing.assert_allclose(np.mean(market.baseline), base[-52:].mean(), rtol=2e-3)
    # Weeks of a year and the day of the year drift apart by about a day a year.
    np.testing.assert_allclose(np.subtract(market.baseline, np.mean(market.baseline)), season[-52:], atol=300.0)
    # The market's own curves are close to the mean of its draws'.
    spent = np.transpose([channel.history for channel in market.channels])
    for channel, mean in zip(market.sales(spent).T[:, 8:], published.mean(axis=0).T[:, 8:], strict=True):
        assert np.abs(channel - mean).max() < 0.03 * mean.max()
    started = time.process_time()
    hash(replace(market, margin=2.0))
    assert time.process_time() - started < 1.0


@pytest.mark.parametrize(
    ("adstock", "saturation", "normalize", "first"),
    [
        ("geometric", "logistic", True, True),
        ("delayed", "hill", False, False),
        ("binomial", "tanh", False, True),
        ("weibull_pdf", "michaelis_menten", True, False),
        ("weibull_cdf", "root", False, True),
        ("no_adstock", "tanh_baselined", True, True),
        ("geometric", "inverse_scaled_logistic", False, False),
        ("weibull_pdf", "hill", False, True),
        ("weibull_cdf", "root", False, False),
    ],
)
def test_every_adstock_and_saturation(
    tmp_path: Path, adstock: str, saturation: str, normalize: bool, first: bool
) -> None:
    saved = Saved(adstock, saturation, normalize, first)
    market = Market.from_pymc_marketing(saved.write(tmp_path / "mmm.nc"))
    assert_contributions(market, saved.contribution.reshape(-1, DATES, 2))
    assert market.saturation_first is not first
    market.save(tmp_path / "market.json")
    assert Market.load(tmp_path / "market.json") == market


def test_base_line_by_hand(tmp_path: Path) -> None:
    """Intercept and yearly season at the dates to come, in money."""
    saved = Saved()
    market = Market.load(saved.write(tmp_path / "mmm.nc"))
    assert market.first_day == date(2026, 5, 25)
    days = np.array([(date(2026, 5, 25) - date(2025, 12, 31)).days + 7 * week for week in (0, 1)])
    angle = 2 * np.pi * days / 365.25
    expected = saved.target * (saved.intercept + saved.season @ [np.sin(angle), np.cos(angle)])
    np.testing.assert_allclose(market.baseline[:2], expected, rtol=1e-9)
    channel = market.channels[1]
    assert channel.history == tuple(saved.data["channel_data"].values[:, 1])
    assert channel.cap == channel.historical_max == max(channel.history)
    assert channel.historical_mean == pytest.approx(np.mean(channel.history))


def test_one_group_is_read_and_units_become_money(tmp_path: Path) -> None:
    """The multidimensional class with a single geo; channels in impressions with what they cost."""
    saved = Saved()
    plain = Market.load(saved.write(tmp_path / "plain.nc"))
    for name in ("posterior", "data"):
        group = getattr(saved, name)
        for variable in ("channel_data", "channel_scale", "target_scale", "channel_contribution", "saturation_beta"):
            if variable in group:
                group[variable] = group[variable].expand_dims(geo=["DE"])
    saved.attributes["dims"] = json.dumps(["geo"])
    assert Market.load(saved.write(tmp_path / "geo.nc")) == plain
    saved.data["channel_spend"] = 2.0 * saved.data["channel_data"]
    market = Market.load(saved.write(tmp_path / "units.nc"))
    np.testing.assert_allclose(market.draw_curves.kappa, 2.0 * plain.draw_curves.kappa)
    np.testing.assert_allclose(market.historical_mean, 2.0 * plain.historical_mean)


def test_divergences_and_channels_without_spend_are_said(tmp_path: Path) -> None:
    saved = Saved()
    saved.stats["diverging"][0, 1] = True
    saved.data["channel_data"][:, 1] = 0.0
    saved.posterior["channel_contribution"][..., 1] = 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        market = Market.load(saved.write(tmp_path / "mmm.nc"))
    assert [note[:30] for note in market.notes] == ["1 of 6 draws of the model diver"[:30]]
    assert market.channels[1].beta == 0.0 and market.channels[1].cap is None
    del saved.posterior["channel_contribution"]
    assert any("could not be checked" in note for note in Market.load(saved.write(tmp_path / "mmm.nc")).notes)


def unknown(name: str) -> dict[str, str]:
    return {name: json.dumps({"lookup_name": "magic", "l_max": 3})}


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        (unknown("adstock"), ["adstock", "'magic'", "geometric", "weibull_cdf"]),
        (unknown("saturation"), ["saturation", "'magic'", "logistic", "root"]),
        ({"adstock": json.dumps({"lookup_name": "geometric", "l_max": 4, "mode": "Before"})}, ["mode", "'Before'"]),
        ({"adstock": json.dumps({"lookup_name": "geometric", "l_max": 0})}, ["l_max", "1 to 1000", "0"]),
        ({"time_varying_media": "true"}, ["time_varying_media"]),
        ({"link": '"log"'}, ["link", "log"]),
        ({"adstock": None}, ["MMM.save()", "'adstock'"]),
        ({"adstock": json.dumps({"lookup_name": "geometric", "l_max": 3})}, ["contributes", "0.19.2", "search"]),
    ],
)
def test_models_that_are_not_known_are_refused(tmp_path: Path, attributes: dict, said: list[str]) -> None:
    saved = Saved()
    saved.attributes = {key: value for key, value in (saved.attributes | attributes).items() if value is not None}
    with pytest.raises(ValueError) as error:
        Market.load(saved.write(tmp_path / "mmm.nc"))
    one_line(error, "mmm.nc", *said)


def of_groups(path: Path, groups: dict[str, Saved]) -> Path:
    """A file as the multidimensional class writes it: one model of several groups."""
    whole = next(iter(groups.values()))
    for part in ("posterior", "data"):
        each = [getattr(saved, part) for saved in groups.values()]
        setattr(whole, part, xarray.concat(each, xarray.Variable("geo", list(groups)).to_index(), data_vars="all"))
    return whole.write(path)


def test_a_group_of_several_is_the_model_of_that_group(tmp_path: Path) -> None:
    alone, together = {"DE": Saved(), "FR": Saved()}, {"DE": Saved(), "FR": Saved()}
    for groups in (alone, together):
        for name in ("channel_contribution", "mu"):
            groups["FR"].posterior[name] = 2.0 * groups["FR"].posterior[name]
        groups["FR"].posterior["saturation_beta"] = 2.0 * groups["FR"].posterior["saturation_beta"]
    path = of_groups(tmp_path / "mmm.nc", together)
    assert group_names(path) == ["DE", "FR"]
    for name, saved in alone.items():
        own = saved.write(tmp_path / f"{name}.nc")
        assert group_names(own) == []
        assert Market.from_pymc_marketing(path, group=name) == Market.load(own)
    with pytest.raises(ValueError) as error:
        Market.from_pymc_marketing(path, group="IT")
    one_line(error, "mmm.nc", "'IT'", "DE, FR")
    with pytest.raises(ValueError, match="no group 'DE', its groups are: none"):
        Market.from_pymc_marketing(tmp_path / "FR.nc", group="DE")


def test_a_real_file_of_two_groups_contributes_what_it_says() -> None:
    assert group_names(GEO) == ["north", "south"]
    with xarray.open_dataset(GEO, group="posterior", engine="h5netcdf") as posterior:
        drawn = posterior["channel_contribution"].stack(sample=("chain", "draw"))
        drawn = drawn.transpose("geo", "sample", "date", "channel").to_numpy()
        base = posterior["intercept_contribution"].mean(("chain", "draw")).to_numpy()
    with xarray.open_dataset(GEO, group="constant_data", engine="h5netcdf") as data:
        target, spent = float(data["target_scale"]), data["channel_data"].transpose("geo", "channel", "date").to_numpy()
    for number, name in enumerate(("north", "south")):
        market = Market.from_pymc_marketing(GEO, group=name)
        assert_contributions(market, target * drawn[number])
        assert market.names == ("tv", "search") and market.first_day == date(2025, 12, 29)
        np.testing.assert_array_equal([channel.history for channel in market.channels], spent[number])
        np.testing.assert_allclose(market.baseline, target * base[number])
    with pytest.raises(ValueError) as error:
        Market.load(GEO)
    one_line(error, "2 groups", "geo: north, south", "--groups")


def test_files_with_faults_are_refused(tmp_path: Path) -> None:
    saved = Saved()
    saved.posterior["saturation_lam"][1, 2, 0] = np.nan
    refused(saved, tmp_path, "saturation_lam", "1 values of 12", "NaN")
    saved = Saved()
    del saved.posterior["adstock_alpha"]
    refused(saved, tmp_path, "adstock_alpha")
    saved = Saved()
    del saved.data["channel_scale"]
    refused(saved, tmp_path, "0.19.2", "channel_scale", "0.14")
    saved = Saved()
    saved.data["channel_data"][0, 0] = -5.0
    refused(saved, tmp_path, "channel_data", ">= 0")
    saved = Saved()
    saved.data["channel_data"] = saved.data["channel_data"].expand_dims(geo=["DE", "FR"])
    refused(saved, tmp_path, "2 groups", "geo: DE, FR", "group='DE'", "--groups")
    saved = Saved()
    saved.posterior = None
    refused(saved, tmp_path, "posterior")
    saved = Saved()
    saved.data = saved.data.assign_coords(date=saved.data["date"].values + (np.arange(DATES) ** 2).astype("m8[D]"))
    saved.posterior = saved.posterior.drop_vars(["channel_contribution", "mu", "yearly_seasonality_contribution"])
    refused(saved, tmp_path, "dates", "equally far apart")


def test_files_of_other_kinds_are_refused(tmp_path: Path) -> None:
    path = Saved().write(tmp_path / "mmm.nc")
    (tmp_path / "cut.nc").write_bytes(path.read_bytes()[:5000])
    (tmp_path / "classic.nc").write_bytes(b"CDF\x01" + bytes(100))
    with h5netcdf.File(tmp_path / "other.nc", "w") as file:
        file.attrs["title"] = "weather"
    for name, said in (("cut.nc", "not a complete"), ("classic.nc", "NetCDF 4"), ("other.nc", "MMM.save()")):
        with pytest.raises(ValueError) as error:
            Market.load(tmp_path / name)
        one_line(error, name, said)
    with pytest.raises(ValueError) as error:
        Market.load(path, {"tv": 2.0})
    one_line(error, "spend_per_exposure", "Robyn")
    with pytest.raises(FileNotFoundError):
        Market.from_pymc_marketing(tmp_path / "none.nc")
