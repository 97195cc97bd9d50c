"""What spend plans sell and earn, under the central parameters, every draw of a posterior or on random paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend import AdSpendVectorEnv
from sb3_ext.envs.ad_spend.campaign.scenario import Scenario
from sb3_ext.envs.ad_spend.campaign.simulator import CampaignSimulator
from sb3_ext.envs.ad_spend.market.market import Market
from sb3_ext.envs.ad_spend.policies.base import Baseline

if TYPE_CHECKING:
    from stable_baselines3.common.type_aliases import PolicyPredictor
    from stable_baselines3.common.vec_env import VecEnv


class Outcome(NamedTuple):
    """What P plans lead to."""

    spend: FloatArray
    """Money spent, shape (P, T, N): as planned until the budget is gone."""
    adstock: FloatArray
    """Advertising at work, shape (P, T, N), money per period."""
    sales: FloatArray
    """Sales per period, shape (P, T)."""
    value: FloatArray
    """Money earned over a zero-spend campaign, tail included, shape (P,)."""
    tail: FloatArray
    """The part of it that is earned after the campaign, shape (P,)."""


def simulate(market: Market, budget: float, plans: FloatArray, scenario: Scenario | None = None) -> Outcome:
    """Carry out plans, shape (P, T, N), money, each in a campaign of its own; without a scenario all is as expected."""
    n_plans, periods, _ = plans.shape
    campaigns = CampaignSimulator(market, budget, periods, num_envs=n_plans)
    campaigns.reset(scenario)
    steps = [campaigns.step(plans[:, period]) for period in range(periods)]
    tail = np.asarray(steps[-1].tail, dtype=np.float64)
    return Outcome(
        spend=np.stack([step.spend for step in steps], axis=1),
        adstock=np.stack([step.adstock for step in steps], axis=1),
        sales=np.stack([np.asarray(step.total_sales) for step in steps], axis=1),
        value=np.sum([np.asarray(step.value) for step in steps], axis=0) + tail,
        tail=tail,
    )


class Rollout(NamedTuple):
    """What a policy did in n campaigns."""

    spend: FloatArray
    """Money spent, shape (n, T, N)."""
    value: FloatArray
    """Money earned over a zero-spend campaign, tail included, shape (n,)."""


def roll_out(policy: Baseline, envs: AdSpendVectorEnv, seed: int = 0) -> Rollout:
    """Let a policy spend the budgets of campaigns; campaign i has the seed ``seed + i``."""
    observation, _ = envs.reset(seed=seed)
    state, start, infos = None, np.ones(envs.num_envs, dtype=bool), []
    for _ in range(envs.periods):
        action, state = policy.predict(observation, state, start)
        observation, *_, info = envs.step(action)
        infos.append(info)
        start = np.zeros_like(start)
    spend = np.stack([info["spend"] for info in infos], axis=1)
    return Rollout(spend, np.sum([info["value"] for info in infos], axis=0))


def roll_out_agent(policy: PolicyPredictor, envs: VecEnv, seed: int = 0) -> Rollout:
    """The same for an agent, without exploration."""
    # PyTorch takes seconds that plans without an agent need not.
    from sb3_ext.evaluation.measure import measure

    spends: list[list[FloatArray]] = [[] for _ in range(envs.num_envs)]
    values = np.zeros(envs.num_envs)

    def watch(campaign: int, info: dict[str, Any]) -> None:
        spends[campaign].append(np.array(info["spend"]))
        values[campaign] += info["value"]

    measure(policy, envs, range(seed, seed + envs.num_envs), watch=watch)
    return Rollout(np.array(spends), values)
