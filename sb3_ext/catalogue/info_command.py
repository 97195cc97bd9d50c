"""The command ``sb3-ext info``: all about one environment, and how to train on it."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym

from sb3_ext.app.console import console
from sb3_ext.app.document import add_json_argument, print_json
from sb3_ext.app.errors import mistakes_explained
from sb3_ext.app.parser import Parser
from sb3_ext.app.table import Row, Table
from sb3_ext.catalogue.blocks import block_of, read
from sb3_ext.catalogue.environments import accepted_by, docstring, make, package_of, problem_of, section

_CAMPAIGNS = range(10_000, 10_020)
_DESCRIPTION = """\
Tell all about an environment: what an agent sees and does, the reward, the time limit, what is known of the best
return, which hyperparameters a training of each algorithm takes, and how to train.

Values of --env-kwargs are evaluated as Python.
"""
_EXAMPLES = """\
examples:
  sb3-ext info AdSpendShock-v0
  sb3-ext info AdSpend-v0 --env-kwargs budget:50000
  sb3-ext info CartPole-v1 --json
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Tell about the environment that the command line names."""
    args = _parse(list(sys.argv[1:] if argv is None else argv))
    with mistakes_explained(f"cannot build {args.env}", everything=True):
        env = make(args.env, args.env_kwargs or {})
    facts = _facts(env, args.env, args.env_kwargs or {})
    references = _references(args.env, args.env_kwargs or {})
    blocks, by_default = _blocks(env, args.env)
    env.close()
    commands = _commands(args.env, blocks, by_default)
    if args.json:
        document = {**facts, "references": references, "blocks": blocks, "by_default_block": by_default}
        print_json({**document, "commands": commands})
        return 0
    screen = console()
    (first, *others) = (
        [name.replace("_", " "), str(value)] for name, value in facts.items() if value not in ("", None)
    )
    rows = [*map(Row, others), *(Row([each["name"], _known(each)], section="known") for each in references)]
    screen.print(Table("", first, rows, words=frozenset({0, 1})))
    if blocks:
        cells = [[each["algo"], each["block"], f"{each['steps']:,.0f}", each["file"]] for each in blocks]
        title = "Hyperparameters that `sb3-ext train` takes by itself"
        columns = ["algorithm", "block", "steps", "file"]
        screen.print(Table(title, columns, [Row(each) for each in cells], words=frozenset({0, 1, 3})))
    if by_default:
        screen.print(f"By their block `default`: {', '.join(by_default)}.")
    for command in commands:
        screen.print(f"  {command}")
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser("info", _DESCRIPTION, _EXAMPLES)
    add = parser.add_argument
    add("env", metavar="ENV", help="environment id, PACKAGE:ID for one of another package")

    from rl_zoo3.utils import StoreDict

    from sb3_ext.zoo.checks import check_environment
    from sb3_ext.zoo.registry import register

    add("--env-kwargs", nargs="+", action=StoreDict, metavar="NAME:VALUE", help="arguments of the environment")
    add("--gym-packages", nargs="+", default=[], metavar="PACKAGE", help="packages that register environments")
    add_json_argument(add)
    args: argparse.Namespace = parser.parse_args(argv)
    register()
    check_environment(args)
    return args


def _facts(env: gym.Env[Any, Any], env_id: str, env_kwargs: Mapping[str, Any]) -> dict[str, Any]:
    spec = gym.spec(env_id)
    limit = env_kwargs.get("max_episode_steps", spec.max_episode_steps) or getattr(env.unwrapped, "periods", None)
    return {
        "environment": env_id,
        "package": package_of(spec),
        "problem": problem_of(spec),
        "observations": _shown(env.observation_space),
        "actions": _shown(env.action_space),
        "reward": section(docstring(spec), "Rewards?"),
        "longest_episode": limit,
        "many_at_once": "--vec-env native, gymnasium.make_vec" if spec.vector_entry_point else "",
    }


def _references(env_id: str, env_kwargs: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns that are worth knowing before training."""
    from sb3_ext.evaluation.ceilings import CEILINGS, known_ceiling, known_threshold
    from sb3_ext.evaluation.references import ad_spend_env, ad_spend_references

    found = [{"name": "solved", "return": known_threshold(env_id, env_kwargs), "source": "mean return, by Gymnasium"}]
    ceiling = known_ceiling(env_id, env_kwargs)
    if not math.isnan(ceiling):
        found.append({"name": "ceiling", "return": ceiling, "source": CEILINGS[env_id].source})
    campaign = ad_spend_env(env_id, dict(env_kwargs)) if package_of(gym.spec(env_id)) == "sb3_ext" else None
    if campaign is not None:
        known, scale = ad_spend_references(campaign, _CAMPAIGNS), float(campaign.reward_scale)
        source = f"mean over the campaigns with seeds {_CAMPAIGNS[0]} to {_CAMPAIGNS[-1]}" if known.clairvoyant else ""
        bound = "knows in advance what is random: a bound, not a policy; " if known.clairvoyant else ""
        found.append({"name": "even pacing", "return": known.even_value / scale, "source": source})
        best = {"name": known.optimum_name, "return": known.optimal_value / scale, "source": f"{bound}{source}"}
        found.append({**best, "upper_bound": known.upper_bound / scale})
    return [each for each in found if math.isfinite(float(str(each["return"])))]


def _known(reference: Mapping[str, Any]) -> str:
    text = f"a return of {reference['return']:,.4g}"
    if "upper_bound" in reference and not reference["source"]:
        text += f"; nothing earns more than {reference['upper_bound']:,.4g}"
    return f"{text} ({reference['source']})" if reference["source"] else text


def _blocks(env: gym.Env[Any, Any], env_id: str) -> tuple[list[dict[str, Any]], list[str]]:
    """Blocks of the environment, and algorithms that can act in it and train on it with those for all others."""
    from rl_zoo3.utils import ALGOS

    from sb3_ext.zoo.hyperparams import default_hyperparams_file, find_block
    from sb3_ext.zoo.registry import ALGORITHMS

    blocks, by_default = [], []
    for key in [*ALGORITHMS, *(key for key in ALGOS if key not in ALGORITHMS)]:
        path = default_hyperparams_file(key, env_id)
        name = find_block(read(path), env_id) if path.is_file() else None
        if name == "default" and accepted_by(env, ALGOS[key], read(path)[name]["policy"]):
            by_default.append(key)
        elif name not in (None, "default"):
            blocks.append(block_of(key, str(name), path)._asdict())
    return blocks, by_default


def _commands(env_id: str, blocks: Sequence[Mapping[str, Any]], by_default: Sequence[str]) -> list[str]:
    """How to train and evaluate the first algorithm, which one of this package is if one of them can."""
    if not blocks and not by_default:
        return []
    problem = f"--algo {blocks[0]['algo'] if blocks else by_default[0]} --env {env_id}"
    many = bool(blocks) and blocks[0]["environments"] > 1 and gym.spec(env_id).vector_entry_point is not None
    native = " --vec-env native" if many and package_of(gym.spec(env_id)) == "sb3_ext" else ""
    return [f"sb3-ext train {problem}{native} -P", f"sb3-ext evaluate {problem} -f logs --output results"]


def _shown(space: gym.Space[Any]) -> str:
    """A space in a line; bounds of a box only where all entries share them."""
    if isinstance(space, gym.spaces.Box):
        bounds = {(float(low), float(high)) for low, high in zip(space.low.flat, space.high.flat, strict=True)}
        limits = "{:g} to {:g}, ".format(*bounds.pop()) if len(bounds) == 1 else ""
        return f"Box, {limits}shape {space.shape}, {space.dtype}"
    return str(space)
