"""The reference policies, to compare an agent with: they have SB3's ``predict`` and work in ``evaluate_policy``."""

from __future__ import annotations

from functools import partial
from typing import Any

import gymnasium as gym

from sb3_ext.envs.ad_spend.market.market import Market
from sb3_ext.envs.ad_spend.policies.base import Baseline, unwrap
from sb3_ext.envs.ad_spend.policies.fixed import (
    FixedPlan,
    RandomSpend,
    even_pacing,
    historical_proportions,
    maximum_spend,
    open_loop_optimum,
    static_optimum,
)
from sb3_ext.envs.ad_spend.policies.mpc import CertaintyEquivalentMPC, PosteriorMPC
from sb3_ext.envs.ad_spend.policies.rules import GreedyMarginalRoas, PidPacing, RoasChasing

__all__ = [
    "Baseline",
    "FixedPlan",
    "RandomSpend",
    "all_baselines",
    "certainty_equivalent_mpc",
    "even_pacing",
    "greedy_marginal_roas",
    "historical_proportions",
    "maximum_spend",
    "open_loop_optimum",
    "pid_pacing",
    "posterior_mean_mpc",
    "roas_chasing",
    "static_optimum",
    "thompson_sampling",
]

roas_chasing = RoasChasing
greedy_marginal_roas = GreedyMarginalRoas
pid_pacing = PidPacing
certainty_equivalent_mpc = CertaintyEquivalentMPC
posterior_mean_mpc = partial(PosteriorMPC, sampled=False)
thompson_sampling = partial(PosteriorMPC, sampled=True)


def all_baselines(env: gym.Env[Any, Any], seed: int | None = None, closed_loop: bool = True) -> dict[str, Baseline]:
    """
    Every baseline that can be formed for an environment.

    :param env: The environment.
    :param seed: Seed of the policies that draw random numbers.
    :param closed_loop: Whether to include policies that decide by observations. They need ``obs_mode="full"``; those
        that plan every day anew are only there where the market is random.
    :return: Policies by name, from the naive to the informed; without a market (``sales_function``) only those that
        need none.
    """
    campaign = unwrap(env)
    market = campaign.market
    baselines: dict[str, Baseline] = {
        "random": RandomSpend(env, seed),
        "maximum spend": maximum_spend(env),
        "even pacing": even_pacing(env),
    }
    if not isinstance(market, Market):
        return baselines
    if market.historical_mean.sum() > 0.0:
        baselines["historical proportions"] = historical_proportions(env)
    baselines["static optimum"] = static_optimum(env)
    baselines["open-loop optimum"] = open_loop_optimum(env)
    if not closed_loop or campaign.obs_mode != "full":
        return baselines
    baselines["ROAS chasing"] = roas_chasing(env)
    baselines["greedy marginal ROAS"] = greedy_marginal_roas(env)
    if market.randomness.delivery_sigma:
        baselines["PID pacing"] = pid_pacing(env)
    if market.randomness.any:
        baselines["certainty-equivalent MPC"] = certainty_equivalent_mpc(env)
    if market.randomness.draws_parameters:
        baselines["posterior-mean MPC"] = posterior_mean_mpc(env, seed=seed)
        baselines["Thompson sampling"] = thompson_sampling(env, seed=seed)
    return baselines
