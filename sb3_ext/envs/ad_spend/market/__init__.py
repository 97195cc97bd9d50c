"""Markets: channels with their response curves, what is random, presets, and fitted models of other tools."""

from sb3_ext.envs.ad_spend.market.channel import Channel
from sb3_ext.envs.ad_spend.market.market import Market
from sb3_ext.envs.ad_spend.market.randomness import Randomness

__all__ = ["Channel", "Market", "Randomness"]
