"""Campaigns in the hands of a trained agent."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, get_args

import gymnasium
import numpy as np
from gymnasium import spaces
from stable_baselines3.common.save_util import load_from_zip_file

from sb3_ext.app.errors import UserError, mistakes_explained
from sb3_ext.app.parser import NO_SAFE_ADVICE
from sb3_ext.envs.ad_spend import AdSpendEnv, Market
from sb3_ext.envs.ad_spend.campaign.actions import ActionMode
from sb3_ext.envs.ad_spend.campaign.observations import ObsMode
from sb3_ext.evaluation.runs import Reading, Run, read_run
from sb3_ext.safe.loading import read_model
from sb3_ext.spend_plan.campaign import Campaign
from sb3_ext.spend_plan.outcome import Rollout, roll_out_agent

_ADVICE = "train an agent on this campaign, or give the campaign it was trained for"


def agent_rollout(path: str, algo: str, campaign: Campaign, bounded: bool, seeds: range, safe: bool = True) -> Rollout:
    """
    Let a saved agent spend the budgets of campaigns, without exploration. Not ``safe``, code in its files runs.

    Beside a model of the zoo lie its environment's wrappers, arguments and normalization, which are honoured. Any other
    model is tried with every form of observations and actions that the registered environments have. Where the campaign
    is not ``bounded``, its smallest and largest spends are those of the market, or of the training.
    """
    settings = [file.parent.name for file in Path(path).parent.glob("*/config.yml")]
    env_id = settings[0] if len(settings) == 1 else "AdSpend-v0"
    run = read_run(Path(path).name, algo, env_id, path, Reading(safe))
    asked: dict[str, Any] = {"market": campaign.market, "budget": campaign.budget, "periods": campaign.periods}
    if bounded:
        asked["act_range"] = (campaign.low, campaign.cap)
    if len(settings) == 1:
        _check_training(run, asked, path)
        forms = [{**run.training_env_kwargs, **asked}]
    else:
        forms = [{**asked, **form} for form in _plain_forms(campaign.market)]
    wanted = _spaces(path, algo, safe)
    for env_kwargs in forms:
        run = replace(run, env_kwargs=env_kwargs)
        env = run.make_env(seeds[0])
        fits = (env.observation_space, env.action_space) == wanted
        env.close()
        if fits:
            env = run.make_env(seeds[0], len(seeds))
            rollout = roll_out_agent(run.load(env, seeds[0]), env, seeds[0])
            env.close()
            return rollout
    raise UserError(
        f"--model: {path!r} was trained for another market, budget or horizon (the bounds of its observations and "
        f"actions fit this campaign in no mode), or with other observations: {_ADVICE}"
    )


def _plain_forms(market: Market) -> list[dict[str, Any]]:
    """Arguments on which spaces depend: all modes, with the extras of the registered environments."""
    extras: list[dict[str, Any]] = []
    for spec in gymnasium.registry.values():
        extra = {name: value for name, value in spec.kwargs.items() if name != "market"}
        if spec.id.startswith("AdSpend") and extra not in extras:
            extras.append(extra)
    random = market.randomness
    if random.draws_parameters and not random.use_draws:
        # As our hyperparameters have it.
        extras.append({"urgency": True, "belief": True})
    # "full" before "spend", whose observations tell the least and allow no extras.
    modes = product(get_args(ObsMode), get_args(ActionMode), extras)
    return [
        {"obs_mode": obs_mode, "action_mode": action_mode, **extra}
        for obs_mode, action_mode, extra in modes
        if (obs_mode != "spend" or not extra) and (obs_mode == "full" or "belief" not in extra)
    ]


def _check_training(run: Run, asked: dict[str, Any], path: str) -> None:
    """Compare the campaign with the one that the zoo noted."""
    with mistakes_explained(f"--model: cannot rebuild the environment that {path!r} was trained on"):
        trained = gymnasium.make(run.env_id, **run.training_env_kwargs).unwrapped
    if not isinstance(trained, AdSpendEnv):
        raise UserError(f"--model: {path!r} was trained on {run.env_id}, which is no AdSpend environment")
    if trained.periods != asked["periods"]:
        other = f"for another horizon ({trained.periods} periods, not {asked['periods']}): {_ADVICE}"
    elif not np.isclose(trained.budget, asked["budget"], rtol=1e-6):
        other = f"for another budget ({trained.budget:,.2f}, not {asked['budget']:,.2f}): {_ADVICE}"
    elif trained.market != asked["market"]:
        other = f"for another market: {_ADVICE}"
    elif "act_range" in asked and not np.allclose(trained.spend_bounds, asked["act_range"], rtol=1e-6):
        other = "with other smallest and largest spends: leave out --caps and --min"
    else:
        return
    raise UserError(f"--model: {path!r} was trained {other}")


def _spaces(path: str, algo: str, safe: bool) -> tuple[spaces.Space[Any], spaces.Space[Any]]:
    unused = dict.fromkeys(("learning_rate", "clip_range"))
    try:
        data = read_model(path, unused).data if safe else load_from_zip_file(path, device="cpu")[0]
        assert data is not None
        return data["observation_space"], data["action_space"]
    except Exception as error:
        raise UserError(
            f"--model: cannot load {path!r} as {algo} ({' '.join(str(error).split())[:200]}): "
            "give a .zip that Stable-Baselines3 saved" + (f"; {NO_SAFE_ADVICE}" if safe else ""),
            exit_code=1,
        ) from error
