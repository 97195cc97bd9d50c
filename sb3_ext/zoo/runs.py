"""The folders of runs that the zoo writes."""

import sys
from pathlib import Path


def run_numbers(folder: Path, name: str) -> list[int]:
    """Numbers of the folders ``<name>_<number>``, ascending, in an algorithm's folder of a log folder."""
    found = (path.name.removeprefix(f"{name}_") for path in folder.glob(f"{name}_*") if path.is_dir())
    return sorted(int(number) for number in found if number.isdigit())


def latest_run(folder: Path, name: str) -> int:
    """Number of the latest run that has a model, which one that failed at its start has not; 0 if there is none."""
    numbers = run_numbers(folder, name)
    latest = max((number for number in numbers if any(Path(folder, f"{name}_{number}").glob("[!.]*.zip"))), default=0)
    if 0 < latest < numbers[-1]:
        print(
            f"warning: {name}_{numbers[-1]} has no model, the latest run with one is {name}_{latest}", file=sys.stderr
        )
    return latest
