"""``--dry-run`` of ``tune``: what would be searched, with nothing written."""

from __future__ import annotations

import argparse
from typing import Any

from sb3_ext.app.console import console
from sb3_ext.app.document import print_json
from sb3_ext.app.table import Row, Table
from sb3_ext.tuning.ranges import ranges
from sb3_ext.tuning.result import seeds_text
from sb3_ext.tuning.search_space import SearchSpace
from sb3_ext.tuning.spec import COMPARISON_EPISODES, TuningSpec
from sb3_ext.zoo.storage import shown


def show_search(spec: TuningSpec, args: argparse.Namespace) -> None:
    """Show problem, search, and search space."""
    found = ranges(SearchSpace(spec).sample)
    trainings = spec.n_trials * spec.seeds_per_trial
    fresh = "none"
    if spec.fresh_seeds:
        fresh = f"the best {args.top_k} and the block, {seeds_text(spec.fresh_training_seeds)}, "
        fresh += f"{COMPARISON_EPISODES} episodes an evaluation"
    facts: dict[str, Any] = {
        "algorithm": spec.algo,
        "environment": spec.env_id,
        "steps of a training": f"{spec.n_timesteps:,}",
        "trials": f"{spec.n_trials}, sampler {spec.sampler}, pruner {spec.pruner}",
        "trainings of a trial": f"{spec.seeds_per_trial}, with {seeds_text(spec.training_seeds)}",
        "evaluations of a training": f"{spec.n_evaluations}, episodes with {seeds_text(spec.evaluation_seeds)}",
        "steps in all, at most": f"{trainings * spec.n_timesteps:,}, without the comparison on fresh seeds",
        "comparison on fresh seeds": fresh,
        "workers": f"{args.n_workers or 'as many as Ray has room for'}, {spec.num_threads} threads each",
        "storage": f"study {spec.study_name} in {shown(spec.storage)}",
        "output": args.output,
    }
    block = [(name, value, _origin(name, args)) for name, value in spec.block.items()]
    if args.json:
        names = ("hyperparameter", "value", "from")
        document = {"block": [dict(zip(names, each, strict=True)) for each in block], "search_space": found}
        print_json({**facts, **document})
        return
    screen = console()
    screen.print(Table("What would run", ["", ""], [Row([*each]) for each in facts.items()], words=frozenset({0, 1})))
    title = "The block that the search starts from; all else are defaults of the algorithm's constructor"
    rows = [Row([name, str(value), origin]) for name, value, origin in block]
    screen.print(Table(title, ["hyperparameter", "value", "from"], rows, words=frozenset({0, 1, 2})))
    rows = [Row([*each]) for each in found.items()]
    screen.print(Table("Search space", ["hyperparameter", "range"], rows, words=frozenset({0, 1})))
    screen.print("Nothing was trained, and nothing written: --dry-run.")


def _origin(name: str, args: argparse.Namespace) -> str:
    if name == "n_timesteps" and args.n_timesteps > 0:
        return "-n"
    if name == "env_kwargs" and args.env_kwargs:
        return "--env-kwargs"
    return "-params" if name in (args.hyperparams or {}) else str(args.conf_file)
