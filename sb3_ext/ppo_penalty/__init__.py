"""PPO with an adaptive penalty on the Kullback-Leibler divergence."""

from sb3_ext.ppo_penalty.ppo_penalty import PPOPenalty

__all__ = ["PPOPenalty"]
