"""Comparing several settings on several environments: from their runs to a :class:`Comparison`."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import gymnasium as gym

from sb3_ext.app.errors import UserError, mistakes_explained
from sb3_ext.app.ray import ray_options
from sb3_ext.envs.ad_spend import AdSpendEnv
from sb3_ext.evaluation.agents import Agent, evaluate_runs, play_at_random
from sb3_ext.evaluation.ceilings import CEILINGS
from sb3_ext.evaluation.measure import ad_spend_env, references
from sb3_ext.evaluation.report import versions
from sb3_ext.evaluation.runs import Run
from sb3_ext.evaluation.scores import Comparison, Yardsticks, score_run
from sb3_ext.evaluation.settings import check_one_problem, numbers_by_environment, warn_of_mixtures


class Planned(NamedTuple):
    """A run to evaluate, and the setting that it belongs to."""

    setting: str
    run: Run


class Played(NamedTuple):
    """A run that was evaluated, and the setting that it belongs to."""

    setting: str
    agent: Agent


def compare(
    args: argparse.Namespace, planned: Sequence[Planned], seeds: range, command: str
) -> tuple[Comparison, list[Played]]:
    """
    Evaluate the runs of several settings.

    :param args: The command line, parsed.
    :param planned: The runs.
    :param seeds: Seeds of the episodes, the same for all.
    :param command: What was typed.
    :return: The comparison, and every run with its returns.
    :raises UserError: If runs do not belong together, or an agent or its environment cannot be loaded.
    """
    from rich.progress import Progress

    by_environment = {env_id: [plan.run for plan in planned if plan.run.env_id == env_id] for env_id in args.env}
    for runs in by_environment.values():
        check_one_problem(runs)
    for key in dict.fromkeys((plan.setting, plan.run.env_id) for plan in planned):
        warn_of_mixtures([plan.run for plan in planned if (plan.setting, plan.run.env_id) == key], seeds)
    measures = yardsticks(args, by_environment, seeds)
    with Progress(disable=not args.progress) as progress:
        task = progress.add_task("evaluating", total=len(planned))
        agents = evaluate_runs(
            [plan.run for plan in planned],
            seeds,
            not args.stochastic,
            args.gym_packages,
            args.n_jobs,
            lambda: progress.advance(task),
            ray_options(args),
        )
    played = [Played(plan.setting, agent) for plan, agent in zip(planned, agents, strict=True)]
    lines = [
        score_run(agent, setting, measures[agent.run.env_id], seeds, not args.stochastic, command)
        for setting, agent in played
    ]
    return Comparison(lines, versions()), played


def yardsticks(
    args: argparse.Namespace, by_environment: Mapping[str, Sequence[Run]], seeds: range
) -> dict[str, Yardsticks]:
    """
    Find what the returns on every environment are compared with.

    :param args: With ``threshold``, ``ceiling`` and ``normalize``.
    :param by_environment: Runs on every environment.
    :param seeds: Seeds of the episodes that random actions play.
    :return: By environment.
    :raises UserError: If scores shall be normalised and a ceiling is unknown, or below what random actions earn.
    """
    env_ids = list(by_environment)
    thresholds = numbers_by_environment("--threshold", args.threshold, env_ids)
    ceilings = numbers_by_environment("--ceiling", args.ceiling, env_ids)
    found = {}
    for env_id, runs in by_environment.items():
        known = gym.spec(env_id).reward_threshold
        threshold = thresholds.get(env_id, math.nan if known is None else float(known))
        ceiling = ceilings[env_id] if env_id in ceilings else _known_ceiling(runs[0], seeds)
        random = math.nan
        if args.normalize:
            if math.isnan(ceiling):
                raise UserError(f"--normalize: no ceiling of {env_id} is known: give --ceiling {env_id}=NUMBER")
            random = play_at_random(runs[0], seeds).mean_return
            if ceiling <= random:
                raise UserError(
                    f"--ceiling of {env_id} is {ceiling:g}, but random actions earn {random:g}: give a higher one"
                )
        found[env_id] = Yardsticks(threshold, ceiling, random)
    return found


def _known_ceiling(run: Run, seeds: range) -> float:
    """The return of the best plan for AdSpend, that of the table for other environments; NaN if unknown."""
    if run.env_id in CEILINGS:
        return CEILINGS[run.env_id].value
    with mistakes_explained(f"cannot build {run.env_id}"):
        env = ad_spend_env(run.env_id, run.env_kwargs)
    if env is None:
        return math.nan
    campaign = env.unwrapped
    assert isinstance(campaign, AdSpendEnv)
    return references(campaign, seeds).optimum / campaign.reward_scale
