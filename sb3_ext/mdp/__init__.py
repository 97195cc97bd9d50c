"""Planning in known Markov decision processes: value iteration, and grids for continuous ones."""

from sb3_ext.mdp.grid import interpolated_model
from sb3_ext.mdp.value_iteration import (
    Model,
    Plan,
    SparseTransitions,
    dense_model,
    policy_values,
    q_value_iteration,
    toy_text_model,
    value_iteration,
)

__all__ = [
    "Model",
    "Plan",
    "SparseTransitions",
    "dense_model",
    "interpolated_model",
    "policy_values",
    "q_value_iteration",
    "toy_text_model",
    "value_iteration",
]
