"""Measuring policies on the same episodes, and against the certified optimum of an ad-budget problem."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.type_aliases import PolicyPredictor
from stable_baselines3.common.utils import set_random_seed
from stable_baselines3.common.vec_env import VecEnv

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend import AdSpendEnv, Market
from sb3_ext.envs.ad_spend.optimum.plan import campaign_references, reference_plans


@dataclass
class Measurement:
    """What a policy achieved."""

    returns: list[float] = field(default_factory=list)
    """Undiscounted, unnormalized return of every episode."""
    utilizations: list[float] = field(default_factory=list)
    """Spent share of the budget at the end of every campaign; empty outside AdSpend."""
    spend: list[FloatArray] = field(default_factory=list)
    """Spend per channel in every period of the first campaign, money."""
    sales: list[FloatArray] = field(default_factory=list)
    """Sales in every period of the first campaign, money."""

    @property
    def mean_return(self) -> float:
        """Mean over the episodes."""
        return float(np.mean(self.returns))

    @property
    def utilization(self) -> float:
        """Mean spent share of the budget; NaN outside AdSpend."""
        return float(np.mean(self.utilizations)) if self.utilizations else float("nan")


class References(NamedTuple):
    """What returns of an ad-budget problem are compared with."""

    reward_scale: float
    """Money that makes a return of 1."""
    even: float
    """Value of even pacing, money; NaN if unknown."""
    optimum: float
    """Value of the best plan found, money; NaN if unknown."""
    upper_bound: float
    """What no plan can exceed, money; NaN if unknown."""
    optimum_utilization: float
    """Share of the budget that this plan spends; NaN if unknown."""
    clairvoyant: bool = False
    """Whether the best plans know in advance what is random: means over the evaluated campaigns, a bound."""

    @property
    def certified(self) -> bool:
        """Whether no plan can beat the best plan by more than 0.1 %."""
        return self.upper_bound - self.optimum <= 1e-3 * abs(self.optimum)

    @property
    def optimum_name(self) -> str:
        """What to call the best plan."""
        if self.clairvoyant:
            return "clairvoyant"
        return "certified optimum" if self.certified else "best plan found"

    def value(self, mean_return: float) -> float:
        """
        A return in money.

        :param mean_return: Return.
        :return: Money earned over a zero-spend campaign.
        """
        return mean_return * self.reward_scale

    def percent(self, mean_return: float) -> float:
        """
        A return in percent of the best plan's value.

        :param mean_return: Return.
        :return: Percent; NaN where the best plan is unknown or earns nothing.
        """
        return 100.0 * self.value(mean_return) / self.optimum if self.optimum > 0.0 else float("nan")

    def normalized_score(self, mean_return: float) -> float:
        """
        ``(J - J_even) / (J_optimum - J_even)``.

        :param mean_return: Return.
        :return: 0 for even pacing, 1 for the best plan; NaN where even pacing is the best plan or either is unknown.
        """
        gain = self.optimum - self.even
        return (self.value(mean_return) - self.even) / gain if gain > 1e-9 * abs(self.optimum) else float("nan")


def measure(policy: PolicyPredictor, env: VecEnv, seeds: range, deterministic: bool = True) -> Measurement:
    """
    Run a policy for one episode per seed, so that all policies face the same episodes.

    :param policy: Anything with SB3's ``predict``.
    :param env: Environments wrapped in a ``Monitor``; several of them play several episodes at once.
    :param seeds: Seed of every episode.
    :param deterministic: Whether an agent acts without exploration.
    :return: What it achieved.
    """
    result = Measurement()
    episodes: dict[int, dict[str, Any]] = {}

    def record(step: dict[str, Any], _: dict[str, Any]) -> None:
        info = step["info"]
        first_episode = not result.returns and step["i"] == 0
        if first_episode and "spend" in info and "sales" in info:
            result.spend.append(np.array(info["spend"], dtype=np.float64))
            result.sales.append(np.array(info["sales"], dtype=np.float64))
        if step["done"] and "episode" in info:
            episodes[step["i"]] = info

    set_random_seed(seeds[0])
    for batch in (seeds[start : start + env.num_envs] for start in range(0, len(seeds), env.num_envs)):
        # Environment i starts with the seed batch[0] + i; what exceeds the batch is played and dropped.
        env.seed(batch[0])
        evaluate_policy(policy, env, env.num_envs, deterministic=deterministic, callback=record, warn=False)
        for _, (_, info) in zip(batch, sorted(episodes.items()), strict=False):
            result.returns.append(float(info["episode"]["r"]))
            if "campaign_value" in info:
                # Monitor rounds to 6 decimals, too coarse to tell a plan from the optimum.
                result.returns[-1] = float(info["campaign_value"]) / float(env.get_attr("reward_scale", 0)[0])
                result.utilizations.append(float(info["utilization"]))
        episodes.clear()
    return result


def ad_spend_env(env_id: str, env_kwargs: dict[str, Any]) -> gym.Env[Any, Any] | None:
    """
    The plain environment for reference policies, without the wrappers of any training.

    :param env_id: Gymnasium id.
    :param env_kwargs: Arguments of the environment.
    :return: The environment; None if it is no AdSpend environment.
    """
    env = gym.make(env_id, **env_kwargs)
    if isinstance(env.unwrapped, AdSpendEnv):
        return env
    env.close()
    return None


def references(campaign: AdSpendEnv, seeds: range) -> References:
    """
    Value of even pacing and of the best plan; in a random market their means over the evaluated campaigns.

    :param campaign: The environment; reset where it is random.
    :param seeds: Seed of every evaluated campaign.
    :return: The references; NaN where only a ``sales_function`` is known.
    """
    unknown = float("nan")
    if not isinstance(campaign.market, Market):
        return References(campaign.reward_scale, unknown, unknown, unknown, unknown)
    problem = (campaign.market, campaign.budget, campaign.periods, campaign.spend_bounds[1])
    if not campaign.market.randomness.any:
        even, plan = reference_plans(*problem)
        spent = float(plan.spend.sum()) / campaign.budget
        return References(campaign.reward_scale, even, plan.value, plan.upper_bound, spent)
    found = []
    for seed in seeds:
        campaign.reset(seed=seed)
        even, plan = campaign_references(*problem, campaign.scenario)
        found.append((even, plan.value, plan.upper_bound, float(plan.spend.sum()) / campaign.budget))
    even, optimum, upper_bound, spent = np.mean(found, axis=0).tolist()
    return References(campaign.reward_scale, even, optimum, upper_bound, spent, clairvoyant=True)
