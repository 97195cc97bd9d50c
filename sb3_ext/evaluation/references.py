"""What returns on an environment are compared with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from sb3_ext.envs.ad_spend import AdSpendEnv, AdSpendVectorEnv, Market
from sb3_ext.envs.ad_spend.optimum.policy_bound import PolicyBound, bound_policies, can_bound
from sb3_ext.envs.ad_spend.optimum.references import campaign_references

_FEWEST_FITTED, _MOST_FITTED = 500, 2000
# Periods that re-planning every one of them, in so many campaigns, takes less than a minute for.
_LONG_CAMPAIGN = 60


@dataclass(frozen=True)
class References:
    """What returns on an environment are compared with, values in money; NaN and None for what is not known."""

    threshold: float = math.nan
    """Mean return from which on a run counts as successful."""
    ceiling: float = math.nan
    random_return: float = math.nan
    """Mean return of random actions in the same episodes."""
    reward_scale: float = math.nan
    """Money that makes a return of 1 in an ad-budget problem."""
    even_value: float = math.nan
    optimal_value: float = math.nan
    """Of the best plan found."""
    upper_bound: float = math.nan
    """What no plan can exceed."""
    optimal_budget_used: float = math.nan
    """Share of the budget that the best plan spends."""
    clairvoyant: bool | None = None
    """Whether the best plans know in advance what is random: means over the evaluated campaigns, a bound."""
    policy_bound: float = math.nan
    """What no policy without foresight earns more than on average."""

    @property
    def optimum_name(self) -> str:
        """What to call the best plan, which is certified if no plan can beat it by more than 0.1 %."""
        if self.clairvoyant:
            return "clairvoyant"
        certified = self.upper_bound - self.optimal_value <= 1e-3 * abs(self.optimal_value)
        return "certified optimum" if certified else "best plan found"

    @property
    def certificate(self) -> str:
        """How good the best known plan is; empty where none is known."""
        if math.isnan(self.optimal_value):
            return ""
        if not math.isnan(self.policy_bound):
            share = self.percent(self.policy_bound / self.reward_scale)
            return (
                "The clairvoyant knows in advance what is random in every campaign. By these episodes no policy "
                f"without foresight earns more than {self.policy_bound:,.0f} on average, {share:.2f} % of that. Below "
                "bound: the gap to it, with its 95 % interval."
            )
        if self.clairvoyant:
            return "The clairvoyant knows in advance what is random in every campaign: a bound, not a policy."
        gap = (self.upper_bound - self.optimal_value) / max(abs(self.optimal_value), 1e-12)
        return (
            f"{self.optimum_name.capitalize()}: {self.optimal_value:,.2f}; no plan earns more than "
            f"{self.upper_bound:,.2f} (relative gap {gap:.1e})."
        )

    def value(self, mean_return: float) -> float:
        """Money earned over a zero-spend campaign; NaN outside AdSpend."""
        return mean_return * self.reward_scale

    def percent(self, mean_return: float) -> float:
        """A return in percent of the best plan's value; NaN where that is unknown or earns nothing."""
        return 100.0 * self.value(mean_return) / self.optimal_value if self.optimal_value > 0.0 else math.nan

    def score(self, mean_return: float) -> float:
        """0 for even pacing, 1 for the best plan; NaN where even pacing is the best plan or either is unknown."""
        gain = self.optimal_value - self.even_value
        return (self.value(mean_return) - self.even_value) / gain if gain > 1e-9 * abs(self.optimal_value) else math.nan

    def normalized(self, mean_return: float) -> float:
        """0 for random actions, 1 for the ceiling; NaN where either is unknown."""
        reach = self.ceiling - self.random_return
        return (mean_return - self.random_return) / reach if reach > 0.0 else math.nan


def ad_spend_env(env_id: str, env_kwargs: dict[str, Any]) -> AdSpendEnv | None:
    """Make an AdSpend environment without the wrappers of any training; None if it is another one."""
    env = gym.make(env_id, **env_kwargs).unwrapped
    if isinstance(env, AdSpendEnv):
        return env
    env.close()
    return None


def ad_spend_references(campaign: AdSpendEnv, seeds: range) -> References:
    """Value of even pacing and of the best plan; in a random market means over the seeds, and it is reset."""
    scale = float(campaign.reward_scale)
    if not isinstance(campaign.market, Market):
        return References(reward_scale=scale, clairvoyant=False)
    problem = (campaign.market, campaign.budget, campaign.periods, campaign.spend_bounds[1])
    random = campaign.market.randomness.any
    found = []
    for seed in seeds if random else seeds[:1]:
        campaign.reset(seed=seed)
        even, plan = campaign_references(*problem, campaign.scenario)
        found.append((even, plan.value, plan.upper_bound, float(plan.spend.sum()) / campaign.budget))
    even, optimum, upper_bound, used = np.mean(found, axis=0).tolist()
    return References(
        reward_scale=scale,
        even_value=even,
        optimal_value=optimum,
        upper_bound=upper_bound,
        optimal_budget_used=used,
        clairvoyant=random,
    )


def ad_spend_bound(campaign: AdSpendEnv, seeds: range) -> PolicyBound | None:
    """
    What no policy earns more than on average, in the evaluated campaigns; None where no bound is known or to be had in
    short, and of a single one, in which luck decides. The more there are, the more others its penalty is fitted on.
    """
    market = campaign.market
    if not isinstance(market, Market) or not can_bound(market):
        return None
    if len(seeds) < 2 or campaign.periods > _LONG_CAMPAIGN:
        return None
    envs = AdSpendVectorEnv(len(seeds), market, campaign.budget, campaign.periods)
    envs.reset(seed=list(seeds))
    n_fitted = min(max(_FEWEST_FITTED, 2 * len(seeds)), _MOST_FITTED)
    cap = campaign.spend_bounds[1]
    return bound_policies(market, campaign.budget, campaign.periods, cap, envs.scenario, n_fitted=n_fitted)
