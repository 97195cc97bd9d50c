"""Tabular Q-learning."""

from sb3_ext.q_learning.callbacks import RecordQValues
from sb3_ext.q_learning.policies import MlpPolicy, QTablePolicy, TablePolicy
from sb3_ext.q_learning.q_learning import QLearning

__all__ = ["MlpPolicy", "QLearning", "QTablePolicy", "RecordQValues", "TablePolicy"]
