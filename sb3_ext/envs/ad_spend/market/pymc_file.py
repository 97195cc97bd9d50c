"""What a file of PyMC-Marketing holds: settings, draws and data of one model, checked at the door."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.market.netcdf import read_groups
from sb3_ext.envs.ad_spend.market.posterior import next_day, to_numbers
from sb3_ext.envs.ad_spend.market.pymc_components import ADSTOCKS, SATURATIONS

if TYPE_CHECKING:
    from xarray import Dataset

_OWN_DIMENSIONS = ("chain", "draw", "date", "channel", "control", "fourier_mode")


class PymcFile:
    """
    A model that ``MMM.save()`` wrote, of one group.

    :param path: The file.
    :raises ValueError: If it is of another kind, holds several groups or values that are not finite, or its model has
        an adstock, saturation or another feature that is not known here.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.attributes, groups = read_groups(path, ("posterior", "sample_stats", "constant_data"))
        lacking = [name for name in ("adstock", "saturation", "adstock_first") if name not in self.attributes]
        if lacking or "posterior" not in groups:
            raise ValueError(
                f"a NetCDF file, but not of a fitted model that MMM.save() of PyMC-Marketing wrote: "
                f"{lacking[0] if lacking else 'posterior'!r} is missing"
            )
        self.version = str(groups["posterior"].attrs.get("pymc_marketing_version", "of unknown version"))
        self.adstock, self.saturation = self._component("adstock", ADSTOCKS), self._component("saturation", SATURATIONS)
        self._check_features()
        data = groups.get("constant_data")
        for name in ("channel_data", "channel_scale", "target_scale"):
            if data is None or name not in data:
                raise ValueError(
                    f"written by PyMC-Marketing {self.version}, without constant_data.{name}: fit and save the model "
                    "with version 0.14 or later"
                )
        assert data is not None
        self.data, self.posterior = _one_group(data), _one_group(groups["posterior"])
        self.posterior = self.posterior.stack(sample=("chain", "draw"))
        self.channels = [str(name) for name in self.data["channel"].values]
        self.shape = (self.posterior.sizes["sample"], len(self.channels))
        """Draws and channels."""
        self.n_divergent = int(groups["sample_stats"]["diverging"].sum()) if "sample_stats" in groups else 0

    def setting(self, name: str, default: Any = None) -> Any:
        """An attribute of the model, which is JSON."""
        text = self.attributes.get(name)
        if text is None:
            return default
        try:
            return json.loads(text)
        except (TypeError, ValueError):
            return text

    def _component(self, name: str, known: dict[str, Any]) -> dict[str, Any]:
        settings = self.setting(name)
        kind = settings.get("lookup_name") if isinstance(settings, dict) else settings
        if kind not in known:
            raise ValueError(f"{name} {kind!r} of PyMC-Marketing is not known here, known are {', '.join(known)}")
        return dict(settings)

    def _check_features(self) -> None:
        mode = self.adstock.get("mode", "After")
        if mode != "After":
            raise ValueError(
                f"the adstock has the mode {mode!r}: advertising that works before it is bought is unknown"
            )
        length = self.adstock.get("l_max", 1)
        if not isinstance(length, int) or not 1 <= length <= 1000:
            raise ValueError(f"the adstock's l_max must be a whole number from 1 to 1000, got {length!r}")
        if self.setting("time_varying_media"):
            raise ValueError("the effects of media vary over time (time_varying_media): what they will be is not known")
        link = self.setting("link", "identity")
        if str(link).lower() not in ("identity", "none"):
            raise ValueError(f"the model has the link {link!r}: effects that multiply are not known here")

    def parameters(self, prefix: str, names: tuple[str, ...]) -> dict[str, FloatArray]:
        """Draws of parameters by name, (draws, channels), or with a 1 where they are alike."""
        component = self.adstock if prefix == "adstock" else self.saturation
        prefix, found = component.get("prefix", prefix), {}
        for name in names:
            variable = f"{prefix}_{name}"
            if variable in self.posterior:
                drawn = self.posterior[variable]
                found[name] = to_numbers(drawn, ("sample", "channel") if "channel" in drawn.dims else ("sample",))
                found[name] = found[name].reshape(self.shape[0], -1)
            elif isinstance(fixed := component.get("priors", {}).get(name), (int, float)):
                found[name] = np.full((1, 1), float(fixed))
            else:
                raise ValueError(f"the posterior has no {variable!r}")
        return found

    @property
    def media(self) -> FloatArray:
        """What was spent on each date and channel, (dates, channels), money."""
        media = self._bought("channel_data") * self.unit_cost
        if np.any(media < 0.0) or not np.all(np.isfinite(media)):
            raise ValueError("constant_data.channel_data must hold spends >= 0")
        return media

    @property
    def unit_cost(self) -> FloatArray:
        """Mean money per unit of each channel's data; 1 where the data are spends."""
        if "channel_spend" not in self.data:
            return np.ones(len(self.channels))
        spent, units = self._bought("channel_spend").sum(axis=0), self._bought("channel_data").sum(axis=0)
        return np.asarray(np.where(units > 0.0, spent / np.where(units > 0.0, units, 1.0), 1.0))

    def _bought(self, name: str) -> FloatArray:
        # The model itself takes what is missing for 0.
        bought: FloatArray = self.data[name].transpose("date", "channel").to_numpy().astype(np.float64)
        return np.nan_to_num(bought)

    @property
    def calendar(self) -> tuple[np.datetime64, float]:
        """The first day after the data, and the length of a period in days."""
        return next_day(self.data["date"].to_numpy())


def _one_group(values: Dataset) -> Dataset:
    """Without the dimensions of groups, of which each may have one entry."""
    for name, variable in values.items():
        if str(name) not in ("channel_data", "channel_scale", "target_scale", "channel_contribution"):
            continue
        for dim in variable.dims:
            if dim not in _OWN_DIMENSIONS and values.sizes[dim] > 1:
                groups = ", ".join(str(group) for group in values[dim].values[:8])
                raise ValueError(
                    f"the model has {values.sizes[dim]} groups ({dim}: {groups}): save or select one of them, e.g. "
                    f"idata.sel({dim}=...)"
                )
    single = [dim for dim in values.dims if dim not in _OWN_DIMENSIONS and values.sizes[dim] == 1]
    squeezed: Dataset = values.squeeze(single, drop=True)
    return squeezed
