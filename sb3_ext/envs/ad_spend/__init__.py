"""Budgets for advertising: markets, campaigns, certified plans and reference policies."""

from sb3_ext.envs.ad_spend import baselines
from sb3_ext.envs.ad_spend.env import AdSpendEnv
from sb3_ext.envs.ad_spend.market.channel import Channel
from sb3_ext.envs.ad_spend.market.market import Market
from sb3_ext.envs.ad_spend.market.randomness import Randomness
from sb3_ext.envs.ad_spend.optimum.plan import Plan, plan_optimal
from sb3_ext.envs.ad_spend.optimum.policy_bound import PolicyBound, bound_policies
from sb3_ext.envs.ad_spend.optimum.references import plan_clairvoyant
from sb3_ext.envs.ad_spend.vector_env import AdSpendVectorEnv

__all__ = [
    "AdSpendEnv",
    "AdSpendVectorEnv",
    "Channel",
    "Market",
    "Plan",
    "PolicyBound",
    "Randomness",
    "baselines",
    "bound_policies",
    "plan_clairvoyant",
    "plan_optimal",
]
