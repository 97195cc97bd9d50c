"""What a file of PyMC-Marketing holds: settings, draws and data of one model, checked at the door."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.market.netcdf import has_variable, read_groups
from sb3_ext.envs.ad_spend.market.posterior import next_day, to_numbers
from sb3_ext.envs.ad_spend.market.pymc_components import ADSTOCKS, SATURATIONS

if TYPE_CHECKING:
    from xarray import Dataset

_OWN_DIMENSIONS = ("chain", "draw", "date", "channel", "control", "fourier_mode")


class PymcFile:
    """
    A model that ``MMM.save()`` wrote, or one group of it.

    :param path: The file.
    :param group: Which group, of a model of several.
    :raises ValueError: If it is of another kind, holds several groups and none is named, or values that are not finite,
        or its model has an adstock, saturation or another feature that is not known here.
    """

    def __init__(self, path: str | os.PathLike[str], group: str | None = None) -> None:
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
        self.data, self.posterior = _one_group(data, groups["posterior"], group)
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


def group_names(path: str | os.PathLike[str]) -> list[str]:
    """
    The groups of a model of several that ``MMM.save()`` of PyMC-Marketing wrote; empty of any other file.

    :param path: The file.
    :return: Their names, as in the file.
    :raises ValueError: If it cannot be read.
    :raises ImportError: If xarray or h5netcdf is missing.
    """
    if not has_variable(path, "constant_data", "channel_data"):
        return []
    data = read_groups(path, ("constant_data",))[1]["constant_data"]
    dim = _group_dimension(data)
    return [str(name) for name in data[dim].values] if dim else []


def _group_dimension(values: Dataset) -> str | None:
    """The dimension of several groups; None if there is one group."""
    grouped = ("channel_data", "channel_scale", "target_scale", "channel_contribution")
    dims = {str(dim) for name in grouped if name in values for dim in values[name].dims}
    several = sorted(dim for dim in dims if dim not in _OWN_DIMENSIONS and values.sizes[dim] > 1)
    if len(several) > 1:
        raise ValueError(f"the model has groups by {' and '.join(several)}: one such dimension can be read")
    return several[0] if several else None


def _one_group(data: Dataset, posterior: Dataset, group: str | None) -> tuple[Dataset, Dataset]:
    """Data and posterior of one group, without the dimensions of groups."""
    dim = _group_dimension(data) or _group_dimension(posterior)
    names = [str(name) for name in (data if dim in data.dims else posterior)[dim].values] if dim else []
    if names and group is None:
        raise ValueError(
            f"the model has {len(names)} groups ({dim}: {', '.join(names[:8])}): name one, "
            f"Market.from_pymc_marketing(path, group={names[0]!r}), or plan for all of them: `sb3-ext plan --groups`"
        )
    if group is not None and group not in names:
        raise ValueError(f"the model has no group {group!r}, its groups are: {', '.join(names) or 'none'}")
    chosen = {dim: names.index(group)} if group is not None else {}
    return _squeezed(data.isel(chosen, missing_dims="ignore")), _squeezed(posterior.isel(chosen, missing_dims="ignore"))


def _squeezed(values: Dataset) -> Dataset:
    """Without dimensions of groups that have one entry."""
    single = [dim for dim in values.dims if dim not in _OWN_DIMENSIONS and values.sizes[dim] == 1]
    squeezed: Dataset = values.squeeze(single, drop=True)
    return squeezed
