"""Playing the episodes of an evaluation: from planned runs, and what they are compared with, to scores."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from stable_baselines3.common.env_util import make_vec_env

from sb3_ext.app.errors import UserError, mistakes_explained
from sb3_ext.app.ray import ray_options
from sb3_ext.app.versions import versions
from sb3_ext.envs.ad_spend.baselines import all_baselines
from sb3_ext.envs.ad_spend.optimum.policy_bound import PolicyBound
from sb3_ext.evaluation.agents import PARALLEL_EPISODES, Agent, evaluate_runs, play_at_random
from sb3_ext.evaluation.ceilings import as_json, known_ceiling, known_threshold, unknown_with
from sb3_ext.evaluation.curves import read_episodes, read_evaluations
from sb3_ext.evaluation.measure import Measurement, measure
from sb3_ext.evaluation.references import References, ad_spend_bound, ad_spend_env, ad_spend_references
from sb3_ext.evaluation.runs import Run
from sb3_ext.evaluation.scores import Comparison, Score
from sb3_ext.evaluation.settings import check_one_problem, warn, warn_of_mixtures
from sb3_ext.evaluation.waiting import steps_to_threshold


class Played(NamedTuple):
    """A policy that was evaluated."""

    score: Score
    measured: Measurement
    run: Run | None
    """None for a baseline."""


def evaluate(
    args: argparse.Namespace, runs: Sequence[Run], seeds: range, command: str, compares: bool
) -> tuple[Comparison, list[Played]]:
    """Evaluate runs, and on AdSpend the baselines, in the same episodes, the baselines of an environment first."""
    from rich.progress import Progress

    runs_on = {env_id: [run for run in runs if run.env_id == env_id] for env_id in args.env}
    for of_one in runs_on.values():
        check_one_problem(of_one)
        for setting in dict.fromkeys(run.setting for run in of_one):
            warn_of_mixtures([run for run in of_one if run.setting == setting], seeds)
    known, baselines = dict.fromkeys(runs_on, References()), {}
    bounds: dict[str, PolicyBound] = {}
    for env_id, (run, *_) in runs_on.items():
        with mistakes_explained(f"cannot build {env_id}"):
            campaign = ad_spend_env(env_id, run.env_kwargs)
            if campaign is not None:
                known[env_id] = ad_spend_references(campaign, seeds)
                baselines[env_id] = all_baselines(campaign, seeds[0])
                if bound := ad_spend_bound(campaign, seeds):
                    bounds[env_id] = bound
                    known[env_id] = replace(known[env_id], policy_bound=bound.value)
        if compares:
            known[env_id] = _with_yardsticks(known[env_id], args, run, seeds)
    agents: dict[int, Agent] = {}
    played = []
    with Progress(disable=not args.progress) as progress:
        task = progress.add_task("evaluating", total=len(runs) + sum(map(len, baselines.values())))
        tasks = [(run, seeds, not args.stochastic, args.gym_packages) for run in runs]
        for index, agent in evaluate_runs(tasks, args.n_jobs, ray_options(args)):
            agents[index] = agent
            progress.advance(task)
        for env_id, (first, *_) in runs_on.items():
            common = {
                "environment": env_id,
                "env_kwargs": as_json(first.env_kwargs),
                "references": known[env_id],
                "bound": bounds.get(env_id),
                "episodes": len(seeds),
                "first_evaluation_seed": seeds[0],
                "deterministic": not args.stochastic,
                "command": command,
            }
            if env_id in baselines:
                env_kwargs = {"render_mode": None} | first.env_kwargs
                env = make_vec_env(env_id, min(len(seeds), PARALLEL_EPISODES), env_kwargs=env_kwargs)
                for name, policy in baselines[env_id].items():
                    measured = measure(policy, env, seeds)
                    played.append(Played(_score(measured, kind="baseline", setting=name, **common), measured, None))
                    progress.advance(task)
            for index, run in enumerate(runs):
                if run.env_id == env_id:
                    measured = agents[index].measured
                    training = _trained(run, agents[index], known[env_id].threshold)
                    score = _score(measured, kind="agent", setting=run.setting, **training, **common)
                    played.append(Played(score, measured, run))
    return Comparison([policy.score for policy in played], versions()), played


def _with_yardsticks(references: References, args: argparse.Namespace, run: Run, seeds: range) -> References:
    """Add what comparisons show: threshold, ceiling and, for scores on one scale, what random actions earn."""
    env_id, random = run.env_id, math.nan
    ceiling = args.ceiling.get(env_id, known_ceiling(env_id, run.env_kwargs))
    if math.isnan(ceiling):
        ceiling = references.optimal_value / references.reward_scale
    threshold = args.threshold.get(env_id, known_threshold(env_id, run.env_kwargs))
    if missing := unknown_with(env_id, run.env_kwargs, threshold, ceiling):
        warn(f"{env_id}: {missing}")
    if args.normalize:
        if math.isnan(ceiling):
            raise UserError(f"--normalize: no ceiling of {env_id} is known: give --ceiling {env_id}=NUMBER")
        random = play_at_random(run, seeds).mean_return
        if ceiling <= random:
            raise UserError(
                f"--ceiling of {env_id} is {ceiling:g}, but random actions earn {random:g}: give a higher one"
            )
    return replace(references, threshold=threshold, ceiling=ceiling, random_return=random)


def _score(measured: Measurement, *, references: References, bound: PolicyBound | None, **line: Any) -> Score:
    returns, threshold = np.array(measured.returns), references.threshold
    gap = (math.nan, math.nan) if bound is None else bound.gap(returns * references.reward_scale)
    return Score(
        mean_return=float(returns.mean()),
        std_return=float(returns.std()),
        worst_return=float(returns.min()),
        episodes_at_threshold=math.nan if math.isnan(threshold) else float((returns >= threshold).mean()),
        budget_used=measured.utilization,
        below_bound=gap[0],
        below_bound_interval=gap[1],
        returns=tuple(measured.returns),
        references=references,
        **line,
    )


def _trained(run: Run, agent: Agent, threshold: float) -> dict[str, Any]:
    """What is known of an agent's training, from its folder."""
    try:
        episodes, log = read_episodes(run.folder), read_evaluations(run.folder)
    except ValueError as error:
        raise UserError(str(error), exit_code=1) from error
    steps, reached = math.nan, None
    if log is not None and len(log.steps) and not math.isnan(threshold):
        steps, reached = steps_to_threshold(log.steps.tolist(), log.returns.tolist(), threshold)
    return {
        "algo": run.algo,
        "run": run.name,
        "model": run.model_path.as_posix(),
        "training_seed": run.training_seed,
        "training_steps": agent.training_steps,
        "training_frames": agent.training_frames,
        "training_seconds": math.nan if episodes is None else float(episodes.seconds[-1]),
        "steps_to_threshold": steps,
        "reached_threshold": reached,
        "evaluation_seconds": agent.seconds,
    }
