"""The command ``sb3-ext list``: algorithms, environments, search spaces and hyperparameter blocks."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Any

from sb3_ext.app.console import console
from sb3_ext.app.document import add_json_argument, print_json
from sb3_ext.app.parser import Parser
from sb3_ext.app.table import Row, Table
from sb3_ext.catalogue.blocks import blocks
from sb3_ext.catalogue.environments import environments

_DESCRIPTION = """\
List what there is.

algos   algorithms, by the key that --algo takes
envs    environments of this package, and others that there are hyperparameters for; --env takes any other, too
spaces  search spaces of `sb3-ext tune` and `train --optimize`: which hyperparameters, from where to where
blocks  hyperparameter blocks, by environment; `default` serves all others

`sb3-ext info ENV` tells all about one environment.
"""
_EXAMPLES = """\
examples:
  sb3-ext list algos
  sb3-ext list envs --algo ddpg_ext
  sb3-ext list blocks --algo dueling_dqn
  sb3-ext list spaces --algo ppo --json
"""
Record = dict[str, Any]


def main(argv: Sequence[str] | None = None) -> int:
    """List what the command line asks for."""
    parser = Parser("list", _DESCRIPTION, _EXAMPLES)
    parser.add_argument("what", choices=list(_LISTS), help="what to list")
    parser.add_argument("--algo", metavar="KEY", help="for this algorithm only")
    add_json_argument(parser.add_argument)
    args = parser.parse_args(list(sys.argv[1:] if argv is None else argv))

    from rl_zoo3.utils import ALGOS

    from sb3_ext.zoo.checks import check_algorithm
    from sb3_ext.zoo.registry import ALGORITHMS, register

    register()
    if args.algo is not None:
        check_algorithm(args.algo)
    ours_first = [*ALGORITHMS, *(key for key in ALGOS if key not in ALGORITHMS)]
    title, records = _LISTS[args.what](ours_first if args.algo is None else [args.algo])
    if args.json:
        print_json(records)
        return 0
    columns = list(records[0]) if records else []
    rows = [Row([_cell(value) for value in record.values()]) for record in records]
    numbers = {index for index, name in enumerate(columns) if isinstance(records[0][name], (int, float))}
    console().print(Table(title, columns, rows, words=frozenset(range(len(columns))) - numbers))
    return 0


def _algos(keys: Sequence[str]) -> tuple[str, list[Record]]:
    from rl_zoo3.hyperparams_opt import HYPERPARAMS_SAMPLER
    from rl_zoo3.utils import ALGOS

    records = [
        {
            "algo": key,
            "algorithm": (inspect.getdoc(ALGOS[key]) or "").partition("\n")[0].rstrip("."),
            "package": ALGOS[key].__module__.partition(".")[0],
            "class": ALGOS[key].__name__,
            "blocks": len(blocks(key)),
            "search_space": key in HYPERPARAMS_SAMPLER,
        }
        for key in keys
    ]
    return "Algorithms", records


def _envs(keys: Sequence[str]) -> tuple[str, list[Record]]:
    named: dict[str, list[str]] = {}
    for key in keys:
        for name in dict.fromkeys(block.block for block in blocks(key)):
            named.setdefault(name, []).append(key)
    records = [each._asdict() for each in environments({name: tuple(algos) for name, algos in named.items()})]
    return "Environments, and the algorithms that have a block of their name", records


def _spaces(keys: Sequence[str]) -> tuple[str, list[Record]]:
    from rl_zoo3.hyperparams_opt import HYPERPARAMS_SAMPLER

    from sb3_ext.tuning.ranges import ranges

    def sample(key: str, trial: Any) -> None:
        HYPERPARAMS_SAMPLER[key](trial, 1, 1, {"using_her_replay_buffer": False, "her_kwargs": {}})

    records = [
        {"algo": key, "hyperparameter": name, "range": text}
        for key in keys
        if key in HYPERPARAMS_SAMPLER
        for name, text in ranges(functools.partial(sample, key)).items()
    ]
    return "Search spaces, for one action dimension and one environment", records


def _blocks(keys: Sequence[str]) -> tuple[str, list[Record]]:
    records = [block._asdict() for key in keys for block in blocks(key)]
    return "Hyperparameter blocks, and the files that hold them (--conf-file)", records


_LISTS: dict[str, Callable[[Sequence[str]], tuple[str, list[Record]]]] = {
    "algos": _algos,
    "envs": _envs,
    "spaces": _spaces,
    "blocks": _blocks,
}


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return f"{value:,.0f}"
    return ", ".join(value) if isinstance(value, tuple) else str(value)
