"""What ``sb3-ext tune`` does: search, train the best on fresh seeds, and tell and write what came out."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import fields
from pathlib import Path
from typing import Any

from optuna import Study
from rich.console import Console

from sb3_ext.app.console import console
from sb3_ext.app.document import print_json
from sb3_ext.app.errors import UserError, mistakes_explained
from sb3_ext.app.ray import ray_connection, ray_options, room
from sb3_ext.app.table import Row, Table
from sb3_ext.common.files import atomic_path
from sb3_ext.tuning.blocks import put_block
from sb3_ext.tuning.comparison import candidates, queue_comparison
from sb3_ext.tuning.dead_workers import fail_dead_workers_trials
from sb3_ext.tuning.distributed import run_tasks
from sb3_ext.tuning.dry_run import show_search
from sb3_ext.tuning.processes import run_processes
from sb3_ext.tuning.progress import Progress
from sb3_ext.tuning.report import document, write_results
from sb3_ext.tuning.result import SearchResult
from sb3_ext.tuning.search_space import check_search_space
from sb3_ext.tuning.settings import as_settings
from sb3_ext.tuning.spec import TuningSpec
from sb3_ext.tuning.study import begin, claim_study, open_study
from sb3_ext.tuning.trials import failures, reason_of, shortfall, states
from sb3_ext.zoo.experiment import CheckedExperimentManager
from sb3_ext.zoo.storage import loss_explained, shown


def search(args: argparse.Namespace, typed: str) -> None:
    """Search as the checked arguments say; the command as it was typed goes into what is written."""
    command, out = shown(typed), console(stderr=args.json)
    spec = _make_spec(args)
    if args.dry_run:
        show_search(spec, args)
        return
    study = open_study(spec)
    block = spec.block
    with loss_explained(spec.storage):
        fail_dead_workers_trials(study, spec.max_retries)
        spec = claim_study(spec, study, command)
    with loss_explained(spec.storage), _workers(args) as (run, workers):
        _say_start(out, spec, study, workers, changed=block != spec.block)
        with Progress(spec, study, out, args.progress).running() as progress:
            run(spec, study, progress)
        _say_failures(out, study)
        if missing := shortfall(spec, study):
            out.print(missing)
        if not states(study)["complete"]:
            raise UserError(_no_result(study), exit_code=1)

        comparison = open_study(spec.comparison)
        if spec.fresh_seeds:
            fail_dead_workers_trials(comparison, spec.max_retries)
            begin(comparison)
            queue_comparison(spec, study, comparison, args.top_k)
            with Progress(spec.comparison, comparison, out, args.progress).running() as progress:
                run(spec.comparison, comparison, progress)
            _say_failures(out, comparison)
    found = candidates(spec, study, comparison, args.top_k)
    if spec.fresh_seeds and not any(len(candidate.finished) for candidate in found):
        raise UserError(_no_result(comparison), exit_code=1)
    result = SearchResult(spec, study, comparison, found, command)
    written = write_results(result, Path(args.output))
    if not args.json:
        out.print(result.table)
        out.print(result.lead)
    if args.write_back and result.best is not result.current:
        changed = put_block(Path(args.write_back).read_text(encoding="utf-8"), spec.env_id, result.best_block)
        with atomic_path(args.write_back) as path:
            path.write_text(changed, encoding="utf-8")
        written.append(Path(args.write_back))
    if args.json:
        print_json(document(result, written))
    else:
        out.print(f"Written: {', '.join(map(str, written))}")


@contextlib.contextmanager
def _workers(args: argparse.Namespace) -> Iterator[tuple[Callable[[TuningSpec, Study, Progress], None], str]]:
    """What runs a study, and how to call it: processes of this machine, or tasks of a Ray cluster."""
    ray = ray_options(args)
    if ray is None:
        n_workers = args.n_workers
        yield lambda spec, study, watch: run_processes(spec, study, n_workers, watch), f"{n_workers} worker processes"
        return

    with ray_connection(ray):
        n_tasks = args.n_workers or room(ray)
        name = f"{n_tasks} worker{'s' if n_tasks > 1 else ''} on Ray"
        yield lambda spec, study, watch: run_tasks(spec, study, n_tasks, watch, ray), name


def _say_start(out: Console, spec: TuningSpec, study: Study, workers: str, changed: bool) -> None:
    by_state = states(study)
    done = len(by_state["complete"]) + len(by_state["pruned"])
    threads = f"{spec.num_threads} thread{'s' if spec.num_threads > 1 else ''}"
    out.print(f"Study {spec.study_name!r} in {shown(spec.storage)}: {done} of {spec.n_trials} trials done.")
    out.print(
        f"{spec.algo} on {spec.env_id}: {spec.seeds_per_trial} trainings of {spec.n_timesteps:,} steps a trial,"
        f" {workers} with {threads} each."
    )
    if changed:
        out.print("The block differs from the one that this study began with; the study goes on with its own.")


def _say_failures(out: Console, study: Study) -> None:
    by_reason: dict[str, list[int]] = {}
    for trial in failures(study):
        by_reason.setdefault(reason_of(trial), []).append(trial.number)
    rows = [
        Row([", ".join(map(str, numbers[:8])) + (", ..." if len(numbers) > 8 else ""), reason])
        for reason, numbers in sorted(by_reason.items(), key=lambda item: -len(item[1]))
    ]
    if rows:
        title = f"{sum(map(len, by_reason.values()))} failed"
        out.print(Table(title, ["trials", "reason"], rows, words=frozenset({0, 1})))


def _no_result(study: Study) -> str:
    reasons = Counter(map(reason_of, failures(study)))
    if not reasons:
        return "no trial finished: the same command with more --timeout or --n-trials resumes the study"
    reason, count = reasons.most_common(1)[0]
    return (
        f"no trial succeeded, {sum(reasons.values())} failed, {count} of them with: {reason};"
        " the same command resumes the study once the cause is gone"
    )


def _make_spec(args: argparse.Namespace) -> TuningSpec:
    """Read the block as the zoo does, and make sure that environment, agent and search space can be built."""
    manager = CheckedExperimentManager(
        args, args.algo, args.env, "", hyperparams=deepcopy(args.hyperparams), config=args.conf_file, verbose=0
    )
    with (
        mistakes_explained("cannot read the hyperparameters", everything=True),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        _, hyperparams = manager.read_hyperparameters()
        block: dict[str, Any] = as_settings(hyperparams)
    if args.n_timesteps > 0:
        block["n_timesteps"] = args.n_timesteps
    if args.env_kwargs:
        block["env_kwargs"] = args.env_kwargs
    spec = TuningSpec(
        env_id=args.env,
        block=block,
        deadline=None if args.timeout is None else time.time() + args.timeout,
        models_folder=os.path.join(os.path.abspath(args.output), "agents"),
        unfinished_folder=os.path.join(os.path.abspath(args.output), "unfinished"),
        **{field.name: getattr(args, field.name) for field in fields(TuningSpec) if hasattr(args, field.name)},
    )
    check_search_space(spec)
    return spec
