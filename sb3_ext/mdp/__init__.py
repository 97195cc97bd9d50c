"""Planning in known Markov decision processes: value and policy iteration, and grids for continuous ones."""

from sb3_ext.mdp.grid import interpolated_model
from sb3_ext.mdp.model import Model, Plan, SparseTransitions, dense_model, toy_text_model
from sb3_ext.mdp.policy_iteration import policy_iteration, policy_values
from sb3_ext.mdp.value_iteration import q_value_iteration, value_iteration

__all__ = [
    "Model",
    "Plan",
    "SparseTransitions",
    "dense_model",
    "interpolated_model",
    "policy_iteration",
    "policy_values",
    "q_value_iteration",
    "toy_text_model",
    "value_iteration",
]
