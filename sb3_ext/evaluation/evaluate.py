"""Playing the episodes of an evaluation: from planned runs, and what they are compared with, to scores."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, cast

import gymnasium as gym
import numpy as np
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from sb3_ext.app.errors import UserError, mistakes_explained
from sb3_ext.app.ray import ray_options
from sb3_ext.app.versions import versions
from sb3_ext.envs.ad_spend.baselines import all_baselines
from sb3_ext.evaluation.agents import PARALLEL_EPISODES, Agent, evaluate_runs, play_at_random
from sb3_ext.evaluation.ceilings import as_json, known_ceiling, known_threshold, unknown_with
from sb3_ext.evaluation.curves import read_clock, read_evaluations
from sb3_ext.evaluation.measure import Measurement, measure
from sb3_ext.evaluation.references import References, ad_spend_env, ad_spend_references
from sb3_ext.evaluation.runs import Run
from sb3_ext.evaluation.scores import Comparison, Score
from sb3_ext.evaluation.settings import Planned, check_one_problem, warn, warn_of_mixtures
from sb3_ext.evaluation.waiting import steps_to_threshold


class Played(NamedTuple):
    """A policy that was evaluated."""

    score: Score
    measured: Measurement
    run: Run | None
    """None for a baseline."""


def evaluate(
    args: argparse.Namespace, planned: Sequence[Planned], seeds: range, command: str, compares: bool
) -> tuple[Comparison, list[Played]]:
    """Evaluate runs, and on AdSpend the baselines, in the same episodes, the baselines of an environment first."""
    from rich.progress import Progress

    plans = {env_id: [plan for plan in planned if plan.run.env_id == env_id] for env_id in args.env}
    for of_one in plans.values():
        check_one_problem(of_one)
        for setting in dict.fromkeys(plan.setting for plan in of_one):
            warn_of_mixtures([plan.run for plan in of_one if plan.setting == setting], seeds)
    any_run = {env_id: of_one[0].run for env_id, of_one in plans.items()}
    known, baselines = dict.fromkeys(plans, References()), {}
    for env_id, run in any_run.items():
        with mistakes_explained(f"cannot build {env_id}"):
            campaign = ad_spend_env(env_id, run.env_kwargs)
            if campaign is not None:
                known[env_id] = ad_spend_references(campaign, seeds)
                baselines[env_id] = all_baselines(campaign, seeds[0])
    if compares:
        known = _with_yardsticks(known, args, any_run, seeds)
    played = []
    with Progress(disable=not args.progress) as progress:
        task = progress.add_task("evaluating", total=len(planned) + sum(map(len, baselines.values())))
        agents = evaluate_runs(
            [plan.run for plan in planned],
            seeds,
            not args.stochastic,
            args.gym_packages,
            args.n_jobs,
            lambda: progress.advance(task),
            ray_options(args),
        )
        for env_id, run in any_run.items():
            common = {
                "environment": env_id,
                "env_kwargs": as_json(run.env_kwargs),
                "references": known[env_id],
                "episodes": len(seeds),
                "first_evaluation_seed": seeds[0],
                "deterministic": not args.stochastic,
                "command": command,
            }
            if env_id in baselines:
                env = _plain_envs(run, min(len(seeds), PARALLEL_EPISODES))
                for name, policy in baselines[env_id].items():
                    measured = measure(policy, env, seeds)
                    played.append(Played(_score(measured, kind="baseline", setting=name, **common), measured, None))
                    progress.advance(task)
            for plan, agent in zip(planned, agents, strict=True):
                if plan.run.env_id == env_id:
                    training = _trained(agent, known[env_id].threshold)
                    score = _score(agent.measured, kind="agent", setting=plan.setting, **training, **common)
                    played.append(Played(score, agent.measured, plan.run))
    return Comparison([policy.score for policy in played], versions()), played


def _plain_envs(run: Run, n_envs: int) -> VecEnv:
    return DummyVecEnv([lambda: cast(Any, Monitor(gym.make(run.env_id, **run.env_kwargs)))] * n_envs)


def _with_yardsticks(
    known: Mapping[str, References], args: argparse.Namespace, runs: Mapping[str, Run], seeds: range
) -> dict[str, References]:
    """Add what comparisons show: thresholds, ceilings and, for scores on one scale, what random actions earn."""
    found = {}
    for env_id, run in runs.items():
        references, random = known[env_id], math.nan
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
        found[env_id] = replace(references, threshold=threshold, ceiling=ceiling, random_return=random)
    return found


def _score(measured: Measurement, *, references: References, **line: Any) -> Score:
    returns, threshold = np.array(measured.returns), references.threshold
    return Score(
        mean_return=float(returns.mean()),
        std_return=float(returns.std()),
        worst_return=float(returns.min()),
        episodes_at_threshold=math.nan if math.isnan(threshold) else float((returns >= threshold).mean()),
        budget_used=measured.utilization,
        returns=tuple(measured.returns),
        references=references,
        **line,
    )


def _trained(agent: Agent, threshold: float) -> dict[str, Any]:
    """What is known of an agent's training, from its folder."""
    run = agent.run
    try:
        clock, log = read_clock(run.folder), read_evaluations(run.folder)
    except ValueError as error:
        raise UserError(str(error), exit_code=1) from error
    waiting = None
    if log is not None and len(log.steps) and not math.isnan(threshold):
        waiting = steps_to_threshold(log.steps.tolist(), log.returns.tolist(), threshold)
    return {
        "algo": run.algo,
        "run": run.name,
        "model": run.model_path.as_posix(),
        "training_seed": run.training_seed,
        "training_steps": agent.steps,
        "training_frames": None if agent.frame_skip is None else agent.frame_skip * agent.steps,
        "training_seconds": math.nan if clock is None else float(clock.seconds[-1]),
        "steps_to_threshold": math.nan if waiting is None else waiting.steps,
        "reached_threshold": None if waiting is None else waiting.reached,
        "evaluation_seconds": agent.seconds,
    }
