"""Budgets for advertising: markets, campaigns, certified plans and reference policies."""

from sb3_ext.envs.ad_spend import baselines
from sb3_ext.envs.ad_spend.env import AdSpendEnv
from sb3_ext.envs.ad_spend.optimum import Plan, plan_optimal
from sb3_ext.envs.ad_spend.params import Channel, Market

__all__ = ["AdSpendEnv", "Channel", "Market", "Plan", "baselines", "plan_optimal"]
