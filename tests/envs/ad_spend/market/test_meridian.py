"""Posteriors of Meridian: files written here with numbers by hand, and one whose figures are Meridian's own."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from ad_spend_strategies import refused

from sb3_ext.envs.ad_spend import Market

xarray = pytest.importorskip("xarray")
pytest.importorskip("h5netcdf")
# Meridian 2.1, national, two channels, 104 weeks, max_lag 6: six draws with what its Analyzer says they contribute.
REAL = Path(__file__).with_name("meridian.nc")
WEEKS, CHANNELS, LAG = 30, ["tv", "search"], 3


class Saved:
    """A file with both groups, as the planning guide writes it."""

    def __init__(self, decay: str = "geometric", hill_first: bool = False) -> None:
        rng = np.random.default_rng(5)
        dims, shape = ("chain", "draw", "media_channel"), (2, 3, 2)
        drawn = {name: rng.uniform(0.3, 0.9, shape) for name in ("alpha_m", "ec_m")}
        drawn["slope_m"], beta = rng.uniform(0.8, 2.0, shape), rng.uniform(0.2, 0.5, shape)
        units = np.where(rng.random((WEEKS, 2)) < 0.6, rng.uniform(1e4, 9e4, (WEEKS, 2)), 0.0)
        units[-1] = 5e4
        # The first two weeks only lead up to those that the model explains.
        kpi, worth = rng.uniform(900.0, 1100.0, WEEKS - 2), rng.uniform(15.0, 25.0, WEEKS - 2)
        dates = [str(np.datetime64("2026-01-05") + 7 * week) for week in range(WEEKS)]
        outcome = np.empty((2, 3, WEEKS - 2, 2))
        for at in np.ndindex(shape):
            alpha, ec, slope = (drawn[name][at] for name in ("alpha_m", "ec_m", "slope_m"))
            lags = np.arange(LAG + 1)
            weights = alpha**lags if decay == "geometric" else (1 - lags / (LAG + 1)) ** (1 / alpha - 1)
            weights, column = weights / weights.sum(), units[:, at[2]]
            scaled = column / np.median(column[column > 0.0])
            if hill_first:
                sold = np.convolve(scaled**slope / (scaled**slope + ec**slope), weights)[:WEEKS]
            else:
                carried = np.convolve(scaled, weights)[:WEEKS]
                sold = carried**slope / (carried**slope + ec**slope)
            outcome[at[0], at[1], :, at[2]] = beta[at] * sold[2:] * kpi.std() * worth
        self.cost, self.units, self.outcome, self.worth = np.array([0.02, 0.5]), units, outcome, worth
        self.posterior = xarray.Dataset(
            {name: (dims, values) for name, values in drawn.items()}
            | {"beta_gm": (("chain", "draw", "geo", "media_channel"), beta[:, :, None])},
            {"media_channel": CHANNELS, "geo": ["national"]},
        )
        self.data = xarray.Dataset(
            {
                "media": (("geo", "media_time", "media_channel"), units[None]),
                "media_spend": (("geo", "time", "media_channel"), self.cost * units[None, 2:]),
                "kpi": (("geo", "time"), kpi[None]),
                "revenue_per_kpi": (("geo", "time"), worth[None]),
                "incremental_outcome": (("chain", "draw", "time", "media_channel"), outcome),
            },
            {"media_channel": CHANNELS, "geo": ["national"], "media_time": dates, "time": dates[2:]},
            {"max_lag": LAG, "adstock_decay": decay, "hill_before_adstock": int(hill_first)},
        )

    def write(self, path: Path) -> Path:
        self.posterior.to_netcdf(path, group="posterior", engine="h5netcdf")
        if self.data is not None:
            self.data.to_netcdf(path, mode="a", group="input_data", engine="h5netcdf")
        return path


@pytest.mark.parametrize("hill_first", [False, True])
@pytest.mark.parametrize("decay", ["geometric", "binomial"])
def test_draws_sell_what_meridian_says(tmp_path: Path, decay: str, hill_first: bool) -> None:
    saved = Saved(decay, hill_first)
    market = Market.load(saved.write(tmp_path / "meridian.nc"))
    assert market.saturation_first is hill_first and market.notes == ()
    assert market.first_day == date(2026, 8, 3) and market.period_days == 7.0 and market.tail_periods == LAG
    np.testing.assert_allclose(market.historical_mean, saved.cost * saved.units[2:].mean(axis=0))
    np.testing.assert_allclose([c.history for c in market.channels], (saved.cost * saved.units).T)
    # All weeks weigh alike in a plan: a unit of KPI is worth its mean.
    last = saved.outcome[..., -1, :].reshape(-1, 2) / saved.worth[-1] * saved.worth.mean()
    curves, weights = market.draw_curves, market.draw_weights
    assert weights is not None and market.window is not None
    by_lag = curves.map(lambda parameter: parameter[..., None]).response(market.window)
    sold = (weights * by_lag).sum(-1) if hill_first else curves.response((weights * market.window).sum(-1))
    np.testing.assert_allclose(sold, last, rtol=1e-9)


def test_figures_of_meridian_itself() -> None:
    """The file is read only if every draw, week and channel contributes what Meridian's Analyzer says."""
    market = Market.from_meridian(REAL)
    assert market.names == ("tv", "search") and len(market.draws) == 6 and market.notes == ()
    assert [len(channel.weights or ()) for channel in market.channels] == [7, 7]
    assert market.first_day == date(2025, 12, 29)


def test_files_with_faults_are_refused(tmp_path: Path) -> None:
    saved = Saved()
    saved.data = None
    refused(saved, tmp_path, "Meridian", "input_data", "docs/planning-guide.md")
    saved = Saved()
    del saved.data["media_spend"]
    refused(saved, tmp_path, "input_data.media_spend")
    saved = Saved()
    saved.data.attrs["max_lag"] = 2
    refused(saved, tmp_path, "contributes", "incremental_outcome")
    saved = Saved()
    saved.data.attrs["adstock_decay"] = "weibull"
    refused(saved, tmp_path, "adstock_decay", "'weibull'")
    saved = Saved()
    saved.posterior["ec_m"][0, 0, 0] = np.nan
    refused(saved, tmp_path, "ec_m", "NaN")
    saved = Saved()
    saved.posterior = saved.posterior.isel(geo=[0, 0]).assign_coords(geo=["north", "south"])
    refused(saved, tmp_path, "2 geos", "north, south")
    saved = Saved()
    del saved.posterior["slope_m"]
    refused(saved, tmp_path, "slope_m")


def test_what_could_not_be_checked_or_planned_is_said(tmp_path: Path) -> None:
    saved = Saved()
    del saved.data["incremental_outcome"]
    saved.posterior["alpha_rf"] = (("chain", "draw", "rf_channel"), np.ones((2, 3, 1)))
    saved.posterior = saved.posterior.assign_coords(rf_channel=["youtube"])
    notes = Market.load(saved.write(tmp_path / "meridian.nc")).notes
    assert len(notes) == 2 and "youtube" in notes[0] and "could not be checked" in notes[1]
