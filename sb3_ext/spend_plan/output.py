"""The files of a plan, written all or none."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from sb3_ext.app.errors import UserError, mistakes_explained, need
from sb3_ext.app.files import check_writable
from sb3_ext.common.files import atomic_path
from sb3_ext.spend_plan.plan import SpendPlan
from sb3_ext.spend_plan.record import write_record
from sb3_ext.spend_plan.tables import write_channels, write_dates

_EXTRAS = {"plan.html": ("the page", "matplotlib", "jinja2"), "plan.xlsx": ("the workbook", "xlsxwriter")}
NAMES = ("plan.html", "plan.xlsx", "plan.csv", "channels.csv", "plan.json")


def check_output(folder: str) -> None:
    """Check that the files can be written into a folder."""
    check_writable(folder, "--output")
    for name in NAMES:
        if (Path(folder) / name).is_dir():
            raise UserError(f"--output: {str(Path(folder) / name)!r} is a folder: name another one")


def write_plan(plan: SpendPlan, command: str, folder: Path) -> tuple[list[Path], list[str]]:
    """Write page, workbook and CSVs; also returns what is left out for want of a package, a line each."""
    writers: dict[str, Callable[[Path], object]] = {}
    hints = []
    for name in NAMES:
        try:
            if name in _EXTRAS:
                need(*_EXTRAS[name])
        except UserError as missing:
            hints.append(f"left out: {missing}")
            continue
        writers[name] = _writer(name, plan, command)
    is_new = not folder.exists()
    try:
        with mistakes_explained(f"cannot write to {str(folder)!r}"), contextlib.ExitStack() as files:
            for name, write in writers.items():
                write(files.enter_context(atomic_path(folder / name)))
    except BaseException:
        if is_new:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise
    for name in NAMES:
        if name not in writers:
            # It would show another plan.
            (folder / name).unlink(missing_ok=True)
    return [folder / name for name in writers], hints


def _writer(name: str, plan: SpendPlan, command: str) -> Callable[[Path], object]:
    """What writes a file to a path; all that can go wrong but the writing goes wrong here."""
    if name == "plan.html":
        from sb3_ext.spend_plan.page import render_page

        text = render_page(plan, command)
        return lambda path: path.write_text(text, encoding="utf-8")
    if name == "plan.xlsx":
        from sb3_ext.spend_plan.excel import write_workbook

        return lambda path: write_workbook(plan, command, path)
    write = {"plan.csv": write_dates, "channels.csv": write_channels, "plan.json": write_record}[name]
    return lambda path: write(plan, path)
