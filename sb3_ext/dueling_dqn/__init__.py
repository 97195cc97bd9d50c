"""Deep Q-networks with a dueling head, double Q-learning, n-step returns and prioritized replay."""

from sb3_ext.dueling_dqn.dueling_dqn import DuelingDQN
from sb3_ext.dueling_dqn.policies import CnnPolicy, Convolutions, DuelingPolicy, MlpPolicy, MultiInputPolicy

__all__ = ["CnnPolicy", "Convolutions", "DuelingDQN", "DuelingPolicy", "MlpPolicy", "MultiInputPolicy"]
