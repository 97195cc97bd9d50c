"""What spend plans sell and earn, under the central parameters and under every draw of a posterior."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from stable_baselines3.common.type_aliases import PolicyPredictor

from sb3_ext.envs.ad_spend import AdSpendEnv
from sb3_ext.envs.ad_spend.market import CampaignSimulator
from sb3_ext.envs.ad_spend.params import Market
from sb3_ext.evaluation.statistics import FloatArray


@dataclass(frozen=True)
class Outcome:
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


def simulate(market: Market, budget: float, plans: FloatArray) -> Outcome:
    """
    Carry out plans where everything happens as expected.

    :param market: The market.
    :param budget: Budget of each campaign, money.
    :param plans: Spends, finite and >= 0, shape (P, T, N), money.
    :return: What they lead to.
    """
    n_plans, periods, _ = plans.shape
    campaigns = CampaignSimulator(market, budget, periods, num_envs=n_plans)
    steps = [campaigns.step(plans[:, period]) for period in range(periods)]
    tail = np.asarray(steps[-1].tail, dtype=np.float64)
    return Outcome(
        spend=np.stack([step.spend for step in steps], axis=1),
        adstock=np.stack([step.adstock for step in steps], axis=1),
        sales=np.stack([np.asarray(step.total_sales) for step in steps], axis=1),
        value=np.sum([np.asarray(step.value) for step in steps], axis=0) + tail,
        tail=tail,
    )


def roll_out(policy: PolicyPredictor, env: AdSpendEnv) -> FloatArray:
    """
    Let a policy spend the budget of one campaign.

    :param policy: Anything with SB3's ``predict``.
    :param env: The campaign.
    :return: What it spends, shape (T, N), money.
    """
    observation, _ = env.reset(seed=0)
    spends, state, start = [], None, np.ones(1, dtype=bool)
    for _ in range(env.periods):
        action, state = policy.predict(observation[None], state, start, deterministic=True)
        observation, _, _, _, info = env.step(action[0])
        spends.append(np.array(info["spend"], dtype=np.float64))
        start = np.zeros(1, dtype=bool)
    return np.array(spends)


def simulate_draws(market: Market, budget: float, plans: FloatArray) -> list[Outcome]:
    """
    Carry out plans under every draw of the market's parameters.

    :param market: The market with its draws.
    :param budget: Budget of each campaign, money.
    :param plans: Spends, shape (P, T, N), money.
    :return: One outcome per draw.
    """
    return [simulate(replace(market, channels=draw, draws=()), budget, plans) for draw in market.draws]
