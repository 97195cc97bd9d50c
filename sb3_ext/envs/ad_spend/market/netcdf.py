"""NetCDF files of fitted models: arrays and text, read as data. Nothing in them is unpickled or executed."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sb3_ext.common.requirements import install_command

if TYPE_CHECKING:
    from xarray import Dataset

_HDF5 = b"\x89HDF\r\n\x1a\n"
_CLASSIC = b"CDF"


def is_netcdf(path: str | os.PathLike[str]) -> bool:
    """Whether a file says of itself that it is NetCDF, of any version."""
    if not Path(path).is_file():
        return False
    with open(path, "rb") as file:
        start = file.read(len(_HDF5))
    return start == _HDF5 or start.startswith(_CLASSIC)


def has_variable(path: str | os.PathLike[str], group: str, variable: str) -> bool:
    """Whether a file has a variable in a group; False if it cannot be read."""
    try:
        import h5netcdf

        with h5netcdf.File(os.fspath(path), "r") as file:
            return group in file.groups and variable in file.groups[group].variables
    except (ImportError, OSError, KeyError, ValueError, RuntimeError):
        return False


def read_groups(path: str | os.PathLike[str], names: Iterable[str]) -> tuple[dict[str, Any], dict[str, Dataset]]:
    """
    Attributes of a file and those of its groups that it has.

    :raises ValueError: If it cannot be read.
    :raises ImportError: If xarray or h5netcdf is missing.
    """
    try:
        import h5netcdf
        import xarray
    except ImportError as error:
        command = install_command("xarray", "h5netcdf", "h5py")
        raise ImportError(f"reading a NetCDF file needs xarray and h5netcdf: {command}") from error
    with open(path, "rb") as file:
        if file.read(len(_HDF5)) != _HDF5:
            raise ValueError("a NetCDF file of version 3, which holds no groups: save the model as NetCDF 4")
    try:
        with h5netcdf.File(os.fspath(path), "r") as file:
            attributes, found = dict(file.attrs), [name for name in names if name in file.groups]
        groups = {}
        for name in found:
            with xarray.open_dataset(path, group=name, engine="h5netcdf") as group:
                groups[name] = group.load()
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise ValueError(f"not a complete NetCDF file ({' '.join(str(error).split())})") from error
    return attributes, groups
