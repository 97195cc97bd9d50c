"""What a command line asks to evaluate: settings, i.e. algorithms or variants of them, and the runs of each."""

from __future__ import annotations

import argparse
import glob
import math
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from sb3_ext.app.errors import UserError
from sb3_ext.common.wording import printable
from sb3_ext.evaluation.ceilings import as_json, changed_arguments
from sb3_ext.evaluation.runs import Reading, Run, find_runs, read_run
from sb3_ext.zoo.runs import run_numbers


class Setting(NamedTuple):
    """An algorithm, or a variant of one."""

    name: str
    algo: str
    sources: tuple[str, ...]
    """Log folders of the zoo, and saved models; their runs count as seeds of one setting."""


def chosen_settings(args: argparse.Namespace) -> list[Setting]:
    """At least one setting, named after its group if it has one, else after its algorithm."""
    if args.model:
        return [Setting(args.algo[0], args.algo[0], tuple(args.model))]
    if not args.group:
        return [Setting(algo, algo, tuple(args.folder or ["logs"])) for algo in args.algo]
    groups: dict[str, list[str]] = {}
    for text in args.group:
        name, _, path = (part.strip() for part in text.partition("="))
        if not name or not path:
            raise UserError(f"--group: {text!r} names no folder: give NAME=FOLDER, e.g. double=logs/double")
        # Fill in a pattern as a shell does, which leaves those behind `NAME=` alone.
        for source in [path] if Path(path).exists() else sorted(glob.glob(path)) or [path]:
            if any(Path(source).resolve() == Path(other).resolve() for paths in groups.values() for other in paths):
                raise UserError(f"--group: {source!r} is given twice: every folder belongs to one group")
            if not Path(source).exists():
                raise UserError(f"--group: there is no folder or .zip file {source!r}")
            groups.setdefault(name, []).append(source)
    settings = []
    for name, paths in groups.items():
        algos = [algo for algo in args.algo if any(_may_hold(path, algo, args.algo) for path in paths)]
        if not algos:
            raise UserError(f"--group: {', '.join(paths)} holds no runs of {', '.join(args.algo)}: train some first")
        settings += [Setting(name if len(algos) == 1 else f"{name} {algo}", algo, tuple(paths)) for algo in algos]
    return settings


def runs_of(
    setting: Setting, env_id: str, exp_ids: Sequence[int] | None, load_best: bool, reading: Reading
) -> list[Run]:
    """At least one run of a setting on an environment; ``exp_ids`` are those of every log folder, as in find_runs."""
    from huggingface_sb3 import EnvironmentName

    zips = [path for path in setting.sources if path.endswith(".zip")]
    names = {path: Path(path).name for path in zips}
    if len(set(names.values())) < len(zips):
        names = {path: Path(path).as_posix() for path in zips}
    folders = [path for path in setting.sources if path not in names]
    # Of several folders some may lack the algorithm or the environment, but not all.
    name = EnvironmentName(env_id)
    folders = [path for path in folders if run_numbers(Path(path, setting.algo), name)] or folders[:1]
    runs: list[Run] = []
    for path in setting.sources:
        if path in names:
            runs.append(read_run(names[path], setting.algo, env_id, path, reading))
        elif path in folders:
            found, unfinished = find_runs(setting.algo, env_id, path, exp_ids, load_best, reading)
            if unfinished:
                warn(f"skipped without a model: {', '.join(unfinished)}")
            prefix = f"{path}: " if len(setting.sources) > 1 else ""
            runs += [replace(run, name=f"{prefix}{run.name}") for run in found]
    # a run may be named twice, as the latest and by its number
    return list({run.model_path.resolve(): run for run in runs}.values())


def check_one_problem(runs: Sequence[Run]) -> None:
    """Refuse to compare runs on environments of one id whose arguments make different problems."""
    first, *others = runs
    wanted = changed_arguments(first.env_id, first.env_kwargs)
    for other in others:
        found = changed_arguments(other.env_id, other.env_kwargs)
        differing = [name for name in wanted | found if as_json(wanted.get(name)) != as_json(found.get(name))]
        if differing:
            raise UserError(
                f"{first.setting}, {first.name} and {other.setting}, {other.name} are of different problems "
                f"({as_json(first.env_kwargs)} and {as_json(other.env_kwargs)}): evaluate them one by one, or all on "
                f"the same with --env-kwargs {first.env_id}={differing[0]}:VALUE"
            )


def warn_of_mixtures(runs: Sequence[Run], seeds: range) -> None:
    """Warn where statistics over the runs of a setting would mislead."""
    trained = [run.training_seed for run in runs if run.training_seed is not None]
    if len(set(trained)) < len(trained):
        warn(f"runs share training seeds ({trained}): they are not independent, the interval is too narrow")
    trained_on = {as_json(run.training_env_kwargs) for run in runs}
    if len(trained_on) > 1 or any(run.hyperparams != runs[0].hyperparams for run in runs):
        warn("the runs differ in their hyperparameters: their mean is not that of one setting")
    for run in runs:
        if run.training_seed in seeds:
            warn(f"{run.name} was trained with seed {run.training_seed}, which is also an evaluation seed: set --seed")


def numbers_by_environment(flag: str, given: Sequence[str] | None, env_ids: Sequence[str]) -> dict[str, float]:
    """Read ``NUMBER``, or ``ENV=NUMBER`` for each of several environments."""
    numbers: dict[str, float] = {}
    for text in given or []:
        env_id, _, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise UserError(f"{flag} is {text!r}: give a number, or ENV=NUMBER")
        numbers[_environment(flag, "NUMBER", text, env_id, env_ids)] = value
    return numbers


def arguments_by_environment(given: Sequence[str] | None, env_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Read ``NAME:VALUE``, or ``ENV=NAME:VALUE`` for one of several environments; values are evaluated as Python."""
    from rl_zoo3.utils import StoreDict

    found: dict[str, dict[str, Any]] = {env_id: {} for env_id in env_ids}
    for text in given or []:
        # A value may hold an equals sign too: `options:dict(size=3)`.
        parts = re.fullmatch(r"(?:([^=]+)=)?(\w+:.*)", text, re.DOTALL)
        env_id, argument = parts.groups() if parts else (None, text)
        read = argparse.Namespace()
        try:
            StoreDict([], "arguments", nargs="+")(None, read, [argument])  # type: ignore[no-untyped-call]
        except Exception as error:
            raise UserError(
                f"--env-kwargs: cannot read {text!r} ({error}): give NAME:VALUE in Python, e.g. budget:50000"
            ) from error
        found[_environment("--env-kwargs", "NAME:VALUE", text, env_id, env_ids)].update(read.arguments)
    return found


def _environment(flag: str, form: str, text: str, env_id: str | None, env_ids: Sequence[str]) -> str:
    """The environment that a value is of: the one named, or the only one."""
    if not env_id and len(env_ids) > 1:
        raise UserError(f"{flag} is {text!r}: with several environments give ENV={form}, e.g. {env_ids[0]}={text}")
    if env_id and env_id not in env_ids:
        raise UserError(f"{flag} names {env_id!r}, which is not among those of --env: {', '.join(env_ids)}")
    return env_id or env_ids[0]


def warn(message: str) -> None:
    """Tell the user what may mislead."""
    print(printable(f"sb3-ext evaluate: warning: {message}"), file=sys.stderr)


def _may_hold(path: str, algo: str, algos: Sequence[str]) -> bool:
    """Whether a source may hold runs of an algorithm. A zip does not tell of which it is."""
    return len(algos) == 1 or path.endswith(".zip") or Path(path, algo).is_dir()
